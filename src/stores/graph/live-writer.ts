import type { Value, ValueMap } from '../../memory/values.js';
import type { GraphGuard, Written } from '../write-guard.js';
import { quoteName, toCypherLiteral } from './cypher.js';
import type { GraphStore } from './graph-store.js';
import { GuardedGraph } from './guarded-graph.js';
import { batches } from './live-pages.js';
import { decodeValue } from './reply.js';

/** Records in one query: well below the result cap, since the rows that a write returns are cut like any others. */
const BATCH = 200;

export interface NewNode {
  labels: readonly string[];
  properties: ValueMap;
}

/** A node of the graph, as it was read. */
export interface KnownNode {
  internalId: number;
  /** Texts that it must still have (null: none of that name), or it is left alone. */
  still?: Readonly<Record<string, string | null>>;
}

export interface ChangedNode extends KnownNode {
  /** All that it has from now on. */
  properties: ValueMap;
}

export interface NewRelationship {
  source: number;
  target: number;
  type: string;
  properties: ValueMap;
}

/** A relationship of the graph; its ends are what the server finds it by. */
export interface KnownRelationship {
  internalId: number;
  source: number;
  target: number;
}

/**
 * Changes a graph in place that others write to as well, by internal ids. What a query cannot find any more, or finds
 * changed, it leaves alone and says so. Nothing is sent twice: after a broken connection look before going on.
 *
 * Values must be such as the graph can hold (isStorable, withoutUnsoundNames). All properties of a record are set as a
 * whole, because FalkorDB takes `SET n.x = 1` over 1.0 for no change at all, and internal ids go into variables of their
 * own, because only those let the server find a node without looking at every one. Checked on FalkorDB 4.16.3.
 */
export class LiveWriter {
  private readonly target: GuardedGraph;

  /** @param guard is asked before each query; see GuardedGraph */
  constructor(
    store: GraphStore,
    readonly graph: string,
    guard: GraphGuard | null,
  ) {
    this.target = new GuardedGraph(store, guard);
  }

  /** @returns internal ids, in the order of the nodes */
  async createNodes(nodes: readonly NewNode[]): Promise<number[]> {
    const ids = new Array<number>(nodes.length).fill(-1);
    const byLabels = Map.groupBy(nodes.keys(), (at) => names((nodes[at] as NewNode).labels));
    for (const [labels, places] of byLabels) {
      for (const batch of batches(places, BATCH)) {
        const properties = batch.map((at) => nodes[at]?.properties ?? {});
        const created = await this.write(
          { p: properties },
          `${rows(batch)} CREATE (n${labels}) SET n = $p[i] RETURN i, id(n)`,
          batch.length,
        );
        for (const [at, id] of created) ids[batch[Number(at)] as number] = Number(id);
      }
    }
    return ids;
  }

  /** Sets all properties; what a node had besides is gone. @returns the internal ids of those that were changed */
  async setProperties(nodes: readonly ChangedNode[]): Promise<Set<number>> {
    return this.each(nodes, ({ properties }) => ({ properties }), 'SET n = row.properties RETURN id(n)');
  }

  /**
   * Sets these properties; others stay as they are. For values of another kind than those that they replace, see above.
   *
   * @returns the internal ids of those that were changed
   */
  async addProperties(nodes: readonly ChangedNode[]): Promise<Set<number>> {
    return this.each(nodes, ({ properties }) => ({ properties }), 'SET n += row.properties RETURN id(n)');
  }

  /** Deletes nodes with their relationships. @returns the internal ids of those that were deleted */
  async deleteNodes(nodes: readonly KnownNode[]): Promise<Set<number>> {
    return this.each(nodes, () => ({}), 'WITH n, id(n) AS deleted DETACH DELETE n RETURN deleted');
  }

  /** Gives labels to a node and takes others from it. */
  async setLabels(
    internalId: number,
    labels: { add: readonly string[]; remove: readonly string[] },
  ): Promise<void> {
    const changes = [
      labels.add.length === 0 ? '' : `SET n${names(labels.add)}`,
      labels.remove.length === 0 ? '' : `REMOVE n${names(labels.remove)}`,
    ].filter((change) => change !== '');
    if (changes.length === 0) return;
    await this.write({}, `MATCH (n) WHERE id(n) = ${internalId} ${changes.join(' ')} RETURN id(n)`, 1);
  }

  /** @returns internal ids, in the order of the relationships; null where a node at one of its ends is gone */
  async createRelationships(relationships: readonly NewRelationship[]): Promise<(number | null)[]> {
    const ids = new Array<number | null>(relationships.length).fill(null);
    const byType = Map.groupBy(relationships.keys(), (at) => (relationships[at] as NewRelationship).type);
    for (const [type, places] of byType) {
      for (const batch of batches(places, BATCH)) {
        const records = batch.map((at) => relationships[at] as NewRelationship);
        const created = await this.write(
          ends(records, { p: records.map(({ properties }) => properties) }),
          `${rows(batch)} WITH i, $s[i] AS x, $t[i] AS y MATCH (a), (b) WHERE id(a) = x AND id(b) = y
           CREATE (a)-[r${names([type])}]->(b) SET r = $p[i] RETURN i, id(r)`,
          batch.length,
          'relationships',
        );
        for (const [at, id] of created) ids[batch[Number(at)] as number] = Number(id);
      }
    }
    return ids;
  }

  /** Sets all properties of relationships. @returns how many were found */
  async setRelationships(
    relationships: readonly (KnownRelationship & { properties: ValueMap })[],
  ): Promise<number> {
    return this.eachRelationship(
      relationships,
      { p: relationships.map(({ properties }) => properties) },
      'SET r = $p[i]',
    );
  }

  /** @returns how many were found */
  async deleteRelationships(relationships: readonly KnownRelationship[]): Promise<number> {
    return this.eachRelationship(relationships, {}, 'DELETE r');
  }

  private async each<T extends KnownNode>(
    nodes: readonly T[],
    rowOf: (node: T) => ValueMap,
    change: string,
  ): Promise<Set<number>> {
    const done = new Set<number>();
    const byGuard = Map.groupBy(nodes, ({ still }) => JSON.stringify(Object.keys(still ?? {})));
    for (const [guarded, group] of byGuard) {
      const guards = (JSON.parse(guarded) as string[]).map(
        (name) => `coalesce(n.${quoteName(name)}, '') = coalesce(row.still.${quoteName(name)}, '')`,
      );
      const where = guards.length === 0 ? '' : `WHERE ${guards.join(' AND ')}`;
      for (const batch of batches(group, BATCH)) {
        const changed = await this.write(
          {
            ids: batch.map(({ internalId }) => internalId),
            rows: batch.map((node) => ({ ...rowOf(node), still: { ...node.still } })),
          },
          `${rows(batch)} WITH i, $ids[i] AS x MATCH (n) WHERE id(n) = x WITH n, $rows[i] AS row ${where} ${change}`,
          batch.length,
        );
        for (const [id] of changed) done.add(Number(id));
      }
    }
    return done;
  }

  private async eachRelationship(
    relationships: readonly KnownRelationship[],
    parameters: Record<string, Value[]>,
    change: string,
  ): Promise<number> {
    let found = 0;
    for (const batch of batches([...relationships.keys()], BATCH)) {
      const records = batch.map((at) => relationships[at] as KnownRelationship);
      const own = Object.entries(parameters).map(
        ([name, values]) => [name, batch.map((at) => values[at] as Value)] as const,
      );
      const ids = records.map(({ internalId }) => internalId);
      const changed = await this.write(
        ends(records, { ids, ...Object.fromEntries(own) }),
        `${rows(batch)} WITH i, $ids[i] AS z, $s[i] AS x, $t[i] AS y
         MATCH (a)-[r]->(b) WHERE id(a) = x AND id(b) = y AND id(r) = z ${change} RETURN i`,
        batch.length,
        'relationships',
      );
      found += changed.length;
    }
    return found;
  }

  private async write(
    parameters: Record<string, Value>,
    query: string,
    count: number,
    what: Written = 'nodes',
  ): Promise<Value[][]> {
    const header = Object.entries(parameters).map(([name, value]) => `${name}=${toCypherLiteral(value)}`);
    const text = header.length === 0 ? query : `CYPHER ${header.join(' ')} ${query}`;
    return (await this.target.write(this.graph, text, what, count)).map((row) => row.map(decodeValue));
  }
}

/** Numbers the records of a batch: what a query returns need not be in their order. */
const rows = (batch: readonly unknown[]): string => `UNWIND range(0, ${batch.length - 1}) AS i`;

const names = (list: readonly string[]): string => list.map((name) => `:${quoteName(name)}`).join('');

function ends(
  records: readonly { source: number; target: number }[],
  more: Record<string, Value>,
): Record<string, Value> {
  return { s: records.map(({ source }) => source), t: records.map(({ target }) => target), ...more };
}
