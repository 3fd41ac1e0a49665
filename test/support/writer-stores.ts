import { Redis } from 'ioredis';

import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import type { Value, ValueMap } from '../../src/memory/values.js';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { toCypherLiteral } from '../../src/stores/graph/cypher.js';

/**
 * What a request came to: the graph did it; it does not know the memory (404); it refused or could not be asked; or the
 * connection broke before the answer came, so that nobody knows.
 */
export type Answer = 'done' | 'missing' | 'refused' | 'unknown';

/** What clients ask the service for. */
export type Request = 'store' | 'patch' | 'associate' | 'touch' | 'remove';

/** What a point was made of. */
export interface WrittenPoint {
  content: string;
}

/** Ids that clients know when the writer begins. */
const KNOWN = 300;

const SHOWN = [
  'content',
  'tags',
  'importance',
  'timestamp',
  'type',
  'confidence',
  'metadata',
  'updated_at',
  'last_accessed',
  'tag_prefixes',
  't_valid',
  't_invalid',
];

/** The service's two clients. Like the service's own, they try again by themselves, but never send a request twice. */
export class ServiceStores {
  readonly #redis: Redis;
  #size = 8;

  constructor(private readonly stores: StoreAddresses) {
    const { host, port, password } = stores.graph;
    this.#redis = new Redis({
      host,
      port,
      ...(password === undefined ? {} : { password }),
      lazyConnect: true,
      retryStrategy: () => 50,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
    });
    this.#redis.on('error', () => undefined);
  }

  /** Connects, and returns ids of memories that are in the graph or, where that is lost, in Qdrant. */
  async open(): Promise<string[]> {
    await this.#redis.connect().catch(() => undefined);
    const info = await this.#qdrant<Collection>('GET', '');
    this.#size = info?.config.params.vectors.size ?? this.#size;
    const page = await this.#qdrant<{ points: { id: string }[] }>('POST', '/points/scroll', { limit: KNOWN });
    const ids = (page?.points ?? []).map(({ id }) => id);
    return ids.length > 0 ? ids : await this.#graphIds();
  }

  close(): void {
    this.#redis.disconnect();
  }

  /** Sends one query that returns a row where it found what it was to change. A graph that is not there is made. */
  async query(text: string, parameters: Readonly<Record<string, Value>>): Promise<Answer> {
    const rows = await this.#rows(text, parameters);
    if (typeof rows === 'string') return rows;
    return rows.length > 0 ? 'done' : 'missing';
  }

  /**
   * Upserts the point of a memory from its node.
   * @returns what the point was made of; null where the node is not there, or a store did not answer.
   */
  async embed(id: string): Promise<WrittenPoint | null> {
    const fields = SHOWN.map((name) => `m.${name}`).join(', ');
    const rows = await this.#rows(`MATCH (m:Memory {id: $id}) RETURN ${fields}`, { id });
    const row = typeof rows === 'string' ? undefined : rows[0];
    if (!row) return null;
    const payload = payloadOf(row);
    const content = typeof payload['content'] === 'string' ? payload['content'] : '';
    const point = { id, vector: deterministicVector(content, this.#size), payload };
    const written = await this.#qdrant('PUT', '/points?wait=true', { points: [point] });
    return written === null ? null : { content };
  }

  /** @returns whether Qdrant acknowledged it. */
  async removePoint(id: string): Promise<boolean> {
    return (await this.#qdrant('POST', '/points/delete?wait=true', { points: [id] })) !== null;
  }

  async #graphIds(): Promise<string[]> {
    const query = `MATCH (m:Memory) WHERE NOT m:MetaMemory RETURN m.id LIMIT ${KNOWN}`;
    const reply = (await this.#redis
      .call('GRAPH.RO_QUERY', this.stores.graph.name, query)
      .catch(() => [[], []])) as [unknown, string[][]];
    return reply[1].flatMap(([id]) => id ?? []);
  }

  async #rows(text: string, parameters: Readonly<Record<string, Value>>): Promise<unknown[][] | Answer> {
    const header = Object.entries(parameters).map(([name, value]) => `${name}=${toCypherLiteral(value)}`);
    const query = `CYPHER ${header.join(' ')} ${text}`;
    // Not sent at all where there is no connection.
    if (this.#redis.status !== 'ready') return 'refused';
    try {
      const reply = (await this.#redis.call('GRAPH.QUERY', this.stores.graph.name, query)) as unknown[];
      return reply[1] as unknown[][];
    } catch (error) {
      return (error as Error).name === 'ReplyError' ? 'refused' : 'unknown';
    }
  }

  /** Null where Qdrant does not answer or refuses: the service logs that and goes on. */
  async #qdrant<T>(method: string, path: string, body?: unknown): Promise<T | null> {
    const { url, apiKey, collection } = this.stores.vectors;
    try {
      const response = await fetch(`${url}/collections/${encodeURIComponent(collection)}${path}`, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { 'api-key': apiKey }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return response.ok ? ((await response.json()) as { result: T }).result : null;
    } catch {
      return null;
    }
  }
}

interface Collection {
  config: { params: { vectors: { size: number } } };
}

/** The payload that a PATCH leaves, of a row of `SHOWN`. The server prints doubles as texts. */
function payloadOf(row: readonly unknown[]): ValueMap {
  const payload = Object.fromEntries(SHOWN.map((name, index) => [name, row[index] ?? null])) as ValueMap;
  for (const name of ['importance', 'confidence']) {
    const number = Number(payload[name]);
    if (!Number.isNaN(number)) payload[name] = number;
  }
  const metadata = payload['metadata'];
  payload['metadata'] = typeof metadata === 'string' ? (JSON.parse(metadata) as Value) : {};
  return payload;
}
