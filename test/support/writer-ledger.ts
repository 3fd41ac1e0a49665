import { Redis } from 'ioredis';

import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { toCypherLiteral } from '../../src/stores/graph/cypher.js';
import type { Answer, Request, WrittenPoint } from './writer-stores.js';

/** What is expected of a memory: only what the writer itself set, and the graph acknowledged. */
export type Expected = Partial<Record<'content' | 'updated_at' | 'last_accessed' | 'type', string>>;

export interface Relationship {
  from: string;
  type: string;
  to: string;
}

/** Ids in one question: with their relationships well below the 10,000 rows at which results are cut. */
const BATCH = 500;

/**
 * What the graph acknowledged: for every memory and relationship the last state. Where an answer was lost, either outcome
 * is right, and nothing is expected.
 */
export class Ledger {
  readonly memories = new Map<string, Expected>();
  readonly relationships = new Map<string, Relationship & { updated_at: string }>();
  readonly deleted = new Set<string>();
  /** Points that Qdrant acknowledged, with what they were made of. */
  readonly points = new Map<string, WrittenPoint>();
  /** Points whose deletion Qdrant acknowledged. */
  readonly deletedPoints = new Set<string>();
  readonly counts: Record<Request, Record<Answer, number>> = {
    store: none(),
    patch: none(),
    associate: none(),
    touch: none(),
    remove: none(),
  };

  count(request: Request, answer: Answer): void {
    this.counts[request][answer]++;
  }

  /** Requests that the graph acknowledged. */
  get acknowledged(): number {
    return Object.values(this.counts).reduce((sum, { done }) => sum + done, 0);
  }

  stored(id: string, fields: Expected): void {
    this.memories.set(id, fields);
  }

  changed(id: string, fields: Expected, answer: Answer): void {
    const expected = this.memories.get(id);
    if (answer === 'done') this.memories.set(id, { ...expected, ...fields });
    if (answer !== 'unknown' || !expected) return;
    const certain = Object.entries(expected).filter(([name]) => !(name in fields));
    this.memories.set(id, Object.fromEntries(certain));
  }

  associated(relationship: Relationship, updated_at: string, answer: Answer): void {
    const { from, type, to } = relationship;
    const key = `${from} -[${type}]-> ${to}`;
    if (answer === 'done') this.relationships.set(key, { ...relationship, updated_at });
    if (answer === 'unknown') this.relationships.delete(key);
  }

  removed(id: string, answer: Answer): void {
    if (answer !== 'done' && answer !== 'unknown') return;
    this.memories.delete(id);
    this.points.delete(id);
    if (answer === 'done') this.deleted.add(id);
    for (const [key, { from, to }] of this.relationships) {
      if (from === id || to === id) this.relationships.delete(key);
    }
  }

  embedded(id: string, point: WrittenPoint): void {
    if (this.memories.has(id)) this.points.set(id, point);
  }

  /**
   * Expects nothing of memories that were only read after their delete was acknowledged: who reads one while a recovery has
   * not caught up with that delete does not bring it back.
   */
  forgetReadsAfterDelete(): void {
    for (const id of this.deleted) if (this.memories.get(id)?.content === undefined) this.memories.delete(id);
  }

  pointRemoved(id: string, acknowledged: boolean): void {
    if (acknowledged) this.deletedPoints.add(id);
  }

  /** Everything that was acknowledged and is not there, a line each. */
  async missingFrom(stores: StoreAddresses): Promise<string[]> {
    const { host, port, password, name } = stores.graph;
    const redis = new Redis({ host, port, ...(password === undefined ? {} : { password }) });
    const ask = async (query: string, ids: string[]): Promise<string[][]> => {
      const text = `CYPHER ids=${toCypherLiteral(ids)} ${query}`;
      if ((await redis.exists(name)) === 0) return [];
      return ((await redis.call('GRAPH.RO_QUERY', name, text)) as [unknown, string[][]])[1];
    };
    try {
      return [
        ...(await this.#missingMemories(ask)),
        ...(await this.#missingRelationships(ask)),
        ...(await this.#missingPoints(stores.vectors)),
      ];
    } finally {
      redis.disconnect();
    }
  }

  async #missingMemories(ask: Ask): Promise<string[]> {
    const lost: string[] = [];
    for (const ids of batches([...this.memories.keys(), ...this.deleted])) {
      const rows = await ask(
        'MATCH (m:Memory) WHERE m.id IN $ids RETURN m.id, m.content, m.updated_at, m.last_accessed, m.type',
        ids,
      );
      const found = Map.groupBy(rows, ([id]) => String(id));
      for (const id of ids) lost.push(...this.#lossesOf(id, found.get(id) ?? []));
    }
    return lost;
  }

  #lossesOf(id: string, rows: string[][]): string[] {
    const expected = this.memories.get(id);
    if (!expected) return rows.length === 0 ? [] : [`memory ${id} was deleted and is back`];
    if (rows.length !== 1) return [`memory ${id} is in the graph ${rows.length} times`];
    const [, content, updated_at, last_accessed, type] = rows[0] ?? [];
    const found: Expected = { content, updated_at, last_accessed, type } as Expected;
    return (Object.keys(expected) as (keyof Expected)[])
      .filter((name) => found[name] !== expected[name])
      .map(
        (name) => `memory ${id}: ${name} is ${found[name] ?? 'absent'}, not ${expected[name] ?? 'absent'}`,
      );
  }

  async #missingRelationships(ask: Ask): Promise<string[]> {
    const found = new Map<string, string[]>();
    const sources = [...new Set([...this.relationships.values()].map(({ from }) => from))];
    for (const ids of batches(sources)) {
      const rows = await ask(
        'MATCH (a:Memory)-[e]->(b:Memory) WHERE a.id IN $ids RETURN a.id, type(e), b.id, e.updated_at',
        ids,
      );
      for (const [from, type, to, time] of rows) {
        const key = `${from ?? ''} -[${type ?? ''}]-> ${to ?? ''}`;
        found.set(key, [...(found.get(key) ?? []), time ?? '']);
      }
    }
    return [...this.relationships].flatMap(([key, { updated_at }]) => {
      const times = found.get(key) ?? [];
      if (times.includes(updated_at)) return [];
      return [
        `relationship ${key} is ${times.length === 0 ? 'not there' : `of ${times.join(', ')}, not ${updated_at}`}`,
      ];
    });
  }

  async #missingPoints({ url, apiKey, collection }: StoreAddresses['vectors']): Promise<string[]> {
    const lost: string[] = [];
    for (const ids of batches([...this.points.keys(), ...this.deletedPoints])) {
      const response = await fetch(`${url}/collections/${encodeURIComponent(collection)}/points`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { 'api-key': apiKey }),
        },
        body: JSON.stringify({ ids, with_payload: ['content'], with_vector: false }),
      });
      const { result = [] } = (await response.json()) as { result?: { id: string; payload: WrittenPoint }[] };
      const found = new Map(result.map(({ id, payload }) => [id, payload.content]));
      for (const id of ids) lost.push(...this.#pointLosses(id, found.get(id)));
    }
    return lost;
  }

  #pointLosses(id: string, content: string | undefined): string[] {
    const expected = this.points.get(id);
    if (!expected) return content === undefined ? [] : [`point ${id} was deleted and is back`];
    if (content === undefined) return [`point ${id} is not there`];
    // The graph may be ahead of the last point that Qdrant acknowledged, and a recovery may have brought it up to that.
    const inGraph = this.memories.get(id)?.content;
    const isRight = inGraph === undefined || content === inGraph || content === expected.content;
    return isRight ? [] : [`point ${id} has another content: ${content}`];
  }
}

type Ask = (query: string, ids: string[]) => Promise<string[][]>;

function batches(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / BATCH) }, (_, index) =>
    ids.slice(index * BATCH, (index + 1) * BATCH),
  );
}

function none(): Record<Answer, number> {
  return { done: 0, missing: 0, refused: 0, unknown: 0 };
}
