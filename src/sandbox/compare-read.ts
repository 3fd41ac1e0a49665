import { Redis } from 'ioredis';
import { readFile } from 'node:fs/promises';
import { ExitCode, Failure } from '../failure.js';
import { graphFailure } from '../stores/graph/connection.js';
import type { StoreAddresses } from './addresses.js';
import { Spool } from './compare-spool.js';
import { digestOf, nodeKey, valueText, type Cell, type TextProperties } from './compare-text.js';

/**
 * What one graph held at one moment: a digest of every node and relationship, and all of it in a compressed temporary
 * file, to tell in detail what differs. Call `close` to remove the file.
 */
export interface GraphSnapshot {
  /** False where there is no such key; everything else is then empty. */
  exists: boolean;
  nodes: number;
  relationships: number;
  /** Label set and `id` of a node → digests of all nodes that share them; one as a rule. */
  nodeDigests: ReadonlyMap<string, string[]>;
  /** Digest of a relationship with its ends → how many there are. */
  relationshipDigests: ReadonlyMap<string, number>;
  ignored: readonly string[];
  spool: Spool;
  close(): Promise<void>;
}

export interface ReadGraphOptions {
  /** Properties to leave out on nodes and relationships. Default: none, and a rebuild should need none. */
  ignore?: readonly string[];
}

/** Ids in one page of nodes, and relationships in one answer: the official image cuts results at 10,000 rows. */
const PAGE = 2_000;
const MAX_ROWS = 4_000;

/**
 * Reads a whole graph for comparison. It shares no code with recovery, whose work it is there to judge.
 *
 * @throws Failure when the server cannot be reached, or when the graph changed while it was read.
 */
export async function readGraph(
  address: StoreAddresses['graph'],
  options: ReadGraphOptions = {},
): Promise<GraphSnapshot> {
  const redis = await connect(address);
  const spool = await Spool.create();
  try {
    const reader = new Reader(redis, address.name, spool, options.ignore ?? []);
    const snapshot = await reader.read();
    await spool.finish();
    return snapshot;
  } catch (error) {
    await spool.remove();
    throw graphFailure('read the graph for comparison', address, error);
  } finally {
    redis.disconnect();
  }
}

async function connect(address: StoreAddresses['graph']): Promise<Redis> {
  const { host, port, username, password, tls, caFile } = address;
  const redis = new Redis({
    host,
    port,
    lazyConnect: true,
    connectTimeout: 5_000,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    // Integers beyond 2^53 would be rounded.
    stringNumbers: true,
    ...(password === undefined ? {} : { password, ...(username === undefined ? {} : { username }) }),
    ...(tls === true ? { tls: caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') } } : {}),
  });
  let cause: unknown;
  redis.on('error', (error) => (cause = error));
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw graphFailure('connect to the graph server', address, cause ?? error);
  }
}

/** Properties in a compact reply; the key is an index into the names. */
type Properties = [key: string, type: string, value: unknown][];

class Reader {
  #labels: string[] = [];
  #keys: string[] = [];
  #types: string[] = [];
  readonly #ignore: ReadonlySet<string>;
  /** Internal id → key of the node. */
  readonly #keyOf = new Map<number, string>();
  readonly #nodes = new Map<string, string[]>();
  readonly #relationships = new Map<string, number>();

  constructor(
    private readonly redis: Redis,
    private readonly graph: string,
    private readonly spool: Spool,
    ignore: readonly string[],
  ) {
    this.#ignore = new Set(ignore);
  }

  async read(): Promise<GraphSnapshot> {
    // All numbers come as texts on this connection.
    const exists = String(await this.redis.exists(this.graph)) === '1';
    let [nodes, relationships] = [0, 0];
    if (exists) {
      await this.#readNames();
      const before = await this.#totals();
      for (let start = 0; start <= before.maxId; start += PAGE) nodes += await this.#readNodes(start);
      for (let start = 0; start <= before.maxId; start += PAGE) relationships += await this.#readEdges(start);
      const after = await this.#totals();
      const seen = { ...before, nodes, relationships };
      for (const totals of [before, after]) {
        if (JSON.stringify(totals) !== JSON.stringify(seen)) throw changed(this.graph, totals, seen);
      }
    }
    return {
      exists,
      nodes,
      relationships,
      nodeDigests: this.#nodes,
      relationshipDigests: this.#relationships,
      ignored: [...this.#ignore].sort(),
      spool: this.spool,
      close: () => this.spool.remove(),
    };
  }

  async #query(text: string): Promise<Cell[][]> {
    const reply = (await this.redis.call('GRAPH.RO_QUERY', this.graph, text, '--compact')) as [
      unknown,
      Cell[][],
    ];
    return reply[1];
  }

  async #readNames(): Promise<void> {
    const names = async (procedure: string): Promise<string[]> =>
      (await this.#query(`CALL db.${procedure}()`)).map(([cell]) => String(cell?.[1]));
    this.#labels = await names('labels');
    this.#keys = await names('propertyKeys');
    this.#types = await names('relationshipTypes');
  }

  async #totals(): Promise<{ nodes: number; relationships: number; maxId: number }> {
    const [nodes] = await this.#query('MATCH (n) RETURN count(n), max(id(n))');
    const [edges] = await this.#query('MATCH ()-[e]->() RETURN count(e)');
    const count = Number(nodes?.[0]?.[1]);
    return {
      nodes: count,
      relationships: Number(edges?.[0]?.[1]),
      maxId: count === 0 ? -1 : Number(nodes?.[1]?.[1]),
    };
  }

  async #readNodes(start: number): Promise<number> {
    const rows = await this.#query(`MATCH (n) WHERE id(n) >= ${start} AND id(n) < ${start + PAGE} RETURN n`);
    for (const [cell] of rows) {
      const [id, labelIds, properties] = (cell as Cell)[1] as [string, string[], Properties];
      const labels = labelIds.map((label) => this.#name(this.#labels, label)).sort();
      const texts = this.#properties(properties);
      const text = JSON.stringify([labels, texts]);
      const key = nodeKey(labels, texts, text);
      this.#keyOf.set(Number(id), key);
      const digests = this.#nodes.get(key);
      const digest = digestOf(text);
      if (digests) digests.push(digest);
      else this.#nodes.set(key, [digest]);
      await this.spool.write({ kind: 'node', key, digest, labels, properties: texts });
    }
    return rows.length;
  }

  /** Reads all relationships that start at a page of nodes, in answers of at most MAX_ROWS rows. */
  async #readEdges(start: number): Promise<number> {
    const range = `id(a) >= ${start} AND id(a) < ${start + PAGE}`;
    const degrees = await this.#query(`MATCH (a)-[e]->() WHERE ${range} RETURN id(a), count(e)`);
    const list = degrees.map(([id, count]) => ({ id: Number(id?.[1]), count: Number(count?.[1]) }));
    list.sort((a, b) => a.id - b.id);
    let total = 0;
    for (let first = 0; first < list.length;) {
      let [last, rows] = [first, 0];
      while (last < list.length && (last === first || rows + (list[last]?.count ?? 0) <= MAX_ROWS)) {
        rows += list[last++]?.count ?? 0;
      }
      const [from, to] = [list[first]?.id ?? 0, list[last - 1]?.id ?? 0];
      total += rows > MAX_ROWS ? await this.#readBusyNode(from) : await this.#readRange(from, to);
      first = last;
    }
    return total;
  }

  async #readRange(from: number, to: number): Promise<number> {
    const rows = await this.#query(`MATCH (a)-[e]->() WHERE id(a) >= ${from} AND id(a) <= ${to} RETURN e`);
    for (const [cell] of rows) await this.#addEdge(cell as Cell);
    return rows.length;
  }

  /** One node with more relationships than an answer may hold: by ranges of their own ids. */
  async #readBusyNode(node: number): Promise<number> {
    let [total, last] = [0, -1];
    for (;;) {
      const rows = await this.#query(
        `MATCH (a)-[e]->() WHERE id(a) = ${node} AND id(e) > ${last} RETURN e ORDER BY id(e) LIMIT ${MAX_ROWS}`,
      );
      for (const [cell] of rows) last = Math.max(last, await this.#addEdge(cell as Cell));
      total += rows.length;
      if (rows.length < MAX_ROWS) return total;
    }
  }

  async #addEdge(cell: Cell): Promise<number> {
    const [id, typeId, from, to, properties] = cell[1] as [string, string, string, string, Properties];
    const type = this.#name(this.#types, typeId);
    const source = this.#keyOf.get(Number(from)) ?? `? internal id ${from}`;
    const target = this.#keyOf.get(Number(to)) ?? `? internal id ${to}`;
    const texts = this.#properties(properties);
    const digest = digestOf(JSON.stringify([source, type, target, texts]));
    this.#relationships.set(digest, (this.#relationships.get(digest) ?? 0) + 1);
    await this.spool.write({ kind: 'relationship', digest, source, type, target, properties: texts });
    return Number(id);
  }

  /** Properties by name, in order of the names, as texts that tell the type: 1 and 1.0, "1" and true. */
  #properties(properties: Properties): TextProperties {
    return properties
      .map(([key, type, value]): [string, string] => [this.#name(this.#keys, key), valueText(type, value)])
      .filter(([name]) => !this.#ignore.has(name))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #name(names: string[], index: string): string {
    const name = names[Number(index)];
    if (name === undefined) throw changed(this.graph, 'names', 'a name that was not there before');
    return name;
  }
}

function changed(graph: string, expected: unknown, actual: unknown): Failure {
  return new Failure({
    operation: 'read the graph for comparison',
    subject: graph,
    reason: `it changed while it was read: ${JSON.stringify(expected)} against ${JSON.stringify(actual)}`,
    hint: 'Stop the service that writes to it, then compare again.',
    exitCode: ExitCode.failed,
    code: 'graph-changed',
  });
}
