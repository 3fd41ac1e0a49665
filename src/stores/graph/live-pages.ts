import type { GraphNode, GraphRelationship, Value, ValueMap } from '../../memory/values.js';
import { isMap } from '../../memory/values.js';
import { PAGE_ROWS, type GraphStore } from './graph-store.js';
import { decodeValue } from './reply.js';

/** A relationship with its own internal id: unique within the graph, reused by the server after deletes. */
export interface LiveRelationship extends GraphRelationship {
  internalId: number;
}

/** What names a node, without its other properties. */
export interface NodeName {
  internalId: number;
  labels: string[];
  /** Only `id` and `type`; null where the node has none. */
  properties: ValueMap;
}

// Each page comes as one row that holds a list: the server cuts rows at its cap, never what stands in one. And each page
// is one query, so whatever was there all the time that a walk took is in it, however much is written meanwhile.
const NODE = 'collect([id(n), labels(n), properties(n)])';
const NAME = 'collect([id(n), labels(n), {id: n.id, type: n.type}])';
const RELATIONSHIP = 'collect([id(r), type(r), id(a), id(b), properties(r)])';
const NAMED_RELATIONSHIP =
  'collect([id(r), type(r), id(a), id(b), properties(r), labels(a), {id: a.id, type: a.type}, labels(b), {id: b.id, type: b.type}])';

/** Relationships a page: a few megabytes at most. */
const MAX_ROWS = 5_000;
/** Records asked for by id in one query. */
const BATCH = 500;

/** Every node of a graph that may be written to meanwhile, page by page. */
export async function* liveNodes(store: GraphStore, graph: string): AsyncGenerator<GraphNode[]> {
  yield* store.pages(graph, (from, to) => nodes(store, graph, `MATCH (n) WHERE ${range('n', from, to)}`));
}

/** Every node's name, page by page; see {@link liveNodes}. */
export async function* nodeNames(store: GraphStore, graph: string): AsyncGenerator<NodeName[]> {
  yield* store.pages(graph, async (from, to) =>
    (await list(store, graph, `MATCH (n) WHERE ${range('n', from, to)} RETURN ${NAME}`)).map(nodeOf),
  );
}

/** Nodes by their internal ids, in any order; those that are gone are left out. */
export async function nodesAt(
  store: GraphStore,
  graph: string,
  ids: readonly number[],
): Promise<Map<number, GraphNode>> {
  const found = new Map<number, GraphNode>();
  for (const batch of batches(ids, BATCH)) {
    const match = `UNWIND [${batch.join(',')}] AS i MATCH (n) WHERE id(n) = i`;
    for (const node of await nodes(store, graph, match)) found.set(node.internalId, node);
  }
  return found;
}

/** A relationship with the names that its ends had when it was read. */
export interface NamedRelationship extends LiveRelationship {
  from: NodeName;
  to: NodeName;
}

/**
 * As {@link liveRelationships}, each with the names of its ends, which an internal id alone does not tell: the server gives
 * the ids of deleted nodes to new ones.
 */
export async function* namedRelationships(
  store: GraphStore,
  graph: string,
): AsyncGenerator<NamedRelationship[]> {
  yield* relationshipPages(store, graph, async (match) =>
    (await list(store, graph, `${match} RETURN ${NAMED_RELATIONSHIP}`)).map(namedOf),
  );
}

/** Every relationship of a graph that may be written to meanwhile, page by page of the ids of their sources. */
export async function* liveRelationships(
  store: GraphStore,
  graph: string,
): AsyncGenerator<LiveRelationship[]> {
  yield* relationshipPages(store, graph, (match) => relationships(store, graph, match));
}

async function* relationshipPages<T extends LiveRelationship>(
  store: GraphStore,
  graph: string,
  read: (match: string) => Promise<T[]>,
): AsyncGenerator<T[]> {
  const last = await store.scalar(graph, 'MATCH (n) RETURN max(id(n))');
  let span = PAGE_ROWS;
  for (let from = 0; from <= last;) {
    const match = `MATCH (a)-[r]->(b) WHERE ${range('a', from, from + span)}`;
    const count = await store.scalar(graph, `${match} RETURN count(r)`);
    if (count > MAX_ROWS && span > 1) {
      span = Math.max(1, Math.floor(span / 2));
      continue;
    }
    if (count > MAX_ROWS) yield* fromOneNode(from, read);
    else if (count > 0) yield await read(match);
    from += span;
    span = Math.min(PAGE_ROWS, span * 2);
  }
}

/** A node with very many: by ranges of their own ids, which what is written meanwhile cannot shift. */
async function* fromOneNode<T extends LiveRelationship>(
  node: number,
  read: (match: string) => Promise<T[]>,
): AsyncGenerator<T[]> {
  for (let after = -1; ;) {
    const page = await read(
      `MATCH (a)-[r]->(b) WHERE id(a) = ${node} AND id(r) > ${after} WITH a, r, b ORDER BY id(r) LIMIT ${MAX_ROWS}`,
    );
    if (page.length === 0) return;
    yield page;
    after = page.reduce((max, { internalId }) => Math.max(max, internalId), after);
  }
}

/** All relationships between pairs of nodes, by the internal ids of source and target. */
export async function relationshipsBetween(
  store: GraphStore,
  graph: string,
  pairs: readonly (readonly [source: number, target: number])[],
): Promise<LiveRelationship[]> {
  const found: LiveRelationship[] = [];
  for (const batch of batches(pairs, BATCH)) {
    // Ids in variables of their own: as parts of a list, the server would look for them in every node.
    const match = `UNWIND ${JSON.stringify(batch)} AS p WITH p[0] AS x, p[1] AS y MATCH (a)-[r]->(b) WHERE id(a) = x AND id(b) = y`;
    found.push(...(await relationships(store, graph, match)));
  }
  return found;
}

/** Parts of a list, none longer than `size`. */
export function* batches<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

const range = (name: string, from: number, to: number): string =>
  `id(${name}) >= ${from} AND id(${name}) < ${to}`;

async function nodes(store: GraphStore, graph: string, match: string): Promise<GraphNode[]> {
  return (await list(store, graph, `${match} RETURN ${NODE}`)).map(nodeOf);
}

async function relationships(store: GraphStore, graph: string, match: string): Promise<LiveRelationship[]> {
  return (await list(store, graph, `${match} RETURN ${RELATIONSHIP}`)).map(relationshipOf);
}

/** The one list that an aggregate makes of all rows. */
async function list(store: GraphStore, graph: string, cypher: string): Promise<Value[][]> {
  const [row] = await store.rows(graph, cypher);
  const value = row?.[0] === undefined ? [] : decodeValue(row[0]);
  return value as Value[][];
}

function nodeOf([id, labels, properties]: Value[]): GraphNode {
  return {
    internalId: Number(id),
    labels: (labels as Value[]).map(String),
    properties: mapOf(properties),
  };
}

function relationshipOf([id, type, source, target, properties]: Value[]): LiveRelationship {
  return {
    internalId: Number(id),
    type: type as string,
    source: Number(source),
    target: Number(target),
    properties: mapOf(properties),
  };
}

function namedOf(row: Value[]): NamedRelationship {
  const [, , source, target, , fromLabels, from, toLabels, to] = row;
  return {
    ...relationshipOf(row),
    from: nodeOf([source, fromLabels, from] as Value[]),
    to: nodeOf([target, toLabels, to] as Value[]),
  };
}

function mapOf(value: Value | undefined): ValueMap {
  return isMap(value) ? value : {};
}
