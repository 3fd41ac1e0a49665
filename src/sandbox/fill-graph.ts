import { FalkorDB, type FalkorDBOptions, type Graph } from 'falkordb';
import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../failure.js';
import type { GraphNode, GraphRelationship, Value, ValueMap } from '../memory/values.js';
import { connectGraph, graphFailure } from '../stores/graph/connection.js';
import { quoteName, toCypherLiteral } from '../stores/graph/cypher.js';
import type { StoreAddresses } from './addresses.js';

/** Rows of one query: measured best between 200 and 5,000. */
const ROWS = 500;
/** Ids read back at once, below the 10,000 rows at which the official image cuts results. */
const PAGE = 5_000;
/** Seconds that an index may take to build, and an AOF to be rewritten. */
const PATIENCE = 120;

type KeyOf = (internalId: number) => { label: string; id: string };

/** Writes a population into a graph that does not exist yet, so that internal ids count up from 0. */
export class GraphFill {
  readonly #indexed = new Set<string>();
  readonly #ends = new Map<string, string[]>();
  /** Over the `id` of every node, in order. */
  readonly #ids = createHash('sha1');
  #added = 0;
  #rows: string[] = [];
  #labels = '';
  #written: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly address: StoreAddresses['graph'],
    readonly redis: Redis,
    private readonly client: FalkorDB,
    private readonly graph: Graph,
  ) {}

  /** @throws Failure when the server cannot be reached. */
  static async open(address: StoreAddresses['graph']): Promise<GraphFill> {
    // Asked first by another client: falkordb's own cannot report a failed connection, it ends the process.
    const redis = await connectGraph(address);
    try {
      const client = await FalkorDB.connect(await clientOptions(address));
      // Errors also reject the query they belong to; unheard events would end the process.
      client.on('error', () => undefined);
      return new GraphFill(address, redis, client, client.selectGraph(address.name));
    } catch (error) {
      redis.disconnect();
      throw graphFailure('connect to the graph server', address, error);
    }
  }

  async close(): Promise<void> {
    await this.client.close();
    this.redis.disconnect();
  }

  /**
   * Makes sure that the graph is not there: an empty one is removed, one with data only by force.
   * @throws Failure when the graph holds nodes and `force` is false.
   */
  async clear(force: boolean): Promise<void> {
    await this.#during('look at the graph', async () => {
      if ((await this.redis.exists(this.address.name)) === 0) return;
      const nodes = await this.count('MATCH (n) RETURN count(n) AS n');
      if (nodes > 0 && !force) throw occupied('graph', this.address.name, `${nodes} nodes`);
      await this.graph.delete();
    });
  }

  /** Adds a node after those before it. Nodes with the same labels in a row share a query. */
  async addNode({ labels, properties }: GraphNode): Promise<void> {
    const kind = labels.map((label) => `:${quoteName(label)}`).join('');
    if (kind !== this.#labels || this.#rows.length === ROWS) await this.#flushNodes();
    this.#labels = kind;
    this.#rows.push(toCypherLiteral(properties));
    this.#ids.update(typeof properties.id === 'string' ? `${properties.id}\n` : '\n');
    this.#added++;
  }

  /** Writes what is left over and waits until all nodes are there. */
  async finishNodes(): Promise<void> {
    await this.#flushNodes();
    await this.#written;
  }

  /**
   * Reads the internal ids back: the backup file names the ends of relationships by them.
   * @throws Failure when the nodes do not have the ids 0, 1, 2 … in the order in which they were added.
   */
  async checkIds(): Promise<void> {
    const seen = createHash('sha1');
    for (let start = 0; start < this.#added; start += PAGE) {
      const ids = await this.#idsFrom(start);
      const end = Math.min(start + PAGE, this.#added);
      for (let internalId = start; internalId < end; internalId++) seen.update(`${ids.get(internalId)}\n`);
    }
    if (seen.digest('hex') === this.#ids.digest('hex')) return;
    throw new Failure({
      operation: 'fill the graph',
      subject: this.address.name,
      reason: 'the server did not give the internal ids in the order in which the nodes were added',
      hint: 'Another writer is at work on this graph: stop it, then fill with --force.',
      exitCode: ExitCode.failed,
      code: 'ids-not-in-order',
    });
  }

  async addRelationship(edge: GraphRelationship, keyOf: KeyOf): Promise<void> {
    const [source, target] = [keyOf(edge.source), keyOf(edge.target)];
    await this.#index(source.label);
    await this.#index(target.label);
    const [from, to] = [quoteName(source.label), quoteName(target.label)];
    const query =
      `UNWIND $rows AS row MATCH (a:${from} {id: row[0]}), (b:${to} {id: row[1]}) ` +
      `CREATE (a)-[e:${quoteName(edge.type)}]->(b) SET e = row[2]`;
    const rows = this.#ends.get(query) ?? [];
    this.#ends.set(query, rows);
    rows.push(toCypherLiteral([source.id, target.id, edge.properties] as Value[]));
    if (rows.length === ROWS) await this.#flushRelationships(query, rows);
  }

  /** Writes what is left over, waits, and takes the helping indexes away: AutoMem makes none. */
  async finishRelationships(): Promise<void> {
    for (const [query, rows] of this.#ends) if (rows.length > 0) await this.#flushRelationships(query, rows);
    await this.#written;
    await this.#dropIndexes();
  }

  async #dropIndexes(): Promise<void> {
    await this.#during('drop the indexes that helped', async () => {
      for (const label of this.#indexed) await this.graph.dropNodeRangeIndex(label, 'id');
    });
    this.#indexed.clear();
  }

  /** Sets properties on memories that are there; each row holds the `id` and what is to be set. */
  async changeMemories(rows: readonly ValueMap[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#index('Memory');
    await this.#inBatches('UNWIND $rows AS row MATCH (m:Memory {id: row.id}) SET m += row', rows);
    await this.#dropIndexes();
  }

  /** Stores memories after all that a backup holds. */
  async storeMemories(rows: readonly ValueMap[]): Promise<void> {
    await this.#inBatches('UNWIND $rows AS row CREATE (m:Memory) SET m = row', rows);
  }

  async #inBatches(query: string, rows: readonly ValueMap[]): Promise<void> {
    for (let start = 0; start < rows.length; start += ROWS) {
      await this.#send(query, rows.slice(start, start + ROWS).map(toCypherLiteral));
    }
    await this.#written;
  }

  /** A single number from a query that returns it as `n`. */
  async count(query: string): Promise<number> {
    const { data } = await this.graph.roQuery<{ n: number }>(query);
    return data?.[0]?.n ?? 0;
  }

  /**
   * Where the append-only file is on, rewrites it and waits: relationships written in bulk are replayed at a
   * quadratic cost after a restart. @returns whether it was on.
   */
  async compact(): Promise<boolean> {
    return await this.#during('rewrite the append-only file', async () => {
      if (!/aof_enabled:1/.test(await this.redis.info('persistence'))) return false;
      await this.redis.bgrewriteaof();
      await this.#until('the append-only file to be rewritten', async () => {
        const info = await this.redis.info('persistence');
        return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
      });
      return true;
    });
  }

  async #flushNodes(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    await this.#send(`UNWIND $rows AS row CREATE (n${this.#labels}) SET n = row`, rows);
  }

  async #flushRelationships(query: string, rows: string[]): Promise<void> {
    this.#ends.set(query, []);
    await this.#send(query, rows);
  }

  /** Sends one query and leaves while the server works on it: the next rows are made in the meantime. */
  async #send(query: string, rows: string[]): Promise<void> {
    await this.#written;
    this.#written = this.#during('write to the graph', () =>
      this.graph.query(`CYPHER rows=[${rows.join(',')}] ${query}`),
    );
    // Whoever waits for the next query hears of it; until then it must not count as unhandled.
    this.#written.catch(() => undefined);
  }

  async #index(label: string): Promise<void> {
    if (this.#indexed.has(label)) return;
    this.#indexed.add(label);
    await this.#during('make a helping index', async () => {
      await this.graph.createNodeRangeIndex(label, 'id');
      await this.#until(`the index on ${label} to be built`, async () => {
        const { data } = await this.graph.roQuery<{ n: string }>(
          'CALL db.indexes() YIELD status RETURN status AS n',
        );
        return data?.every(({ n }) => n === 'OPERATIONAL') ?? false;
      });
    });
  }

  async #idsFrom(start: number): Promise<Map<number, string>> {
    const query = `MATCH (n) WHERE id(n) >= ${start} AND id(n) < ${start + PAGE} RETURN id(n) AS i, n.id AS id`;
    const { data } = await this.#during('read the ids back', () =>
      this.graph.roQuery<{ i: number; id: string }>(query),
    );
    return new Map(data?.map(({ i, id }) => [i, id]));
  }

  async #until(what: string, ready: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + PATIENCE * 1000;
    while (!(await ready())) {
      if (Date.now() > end) throw new Error(`waited ${PATIENCE} s for ${what}`);
      await sleep(50);
    }
  }

  async #during<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw graphFailure(operation, this.address, error);
    }
  }
}

/** The refusal to write over what is there. */
export function occupied(store: 'graph' | 'collection', name: string, holds: string): Failure {
  return new Failure({
    operation: `fill the ${store}`,
    subject: name,
    reason: `it already holds ${holds}`,
    hint: 'Give --force to replace it, or name another one.',
    exitCode: ExitCode.failed,
    code: 'not-empty',
  });
}

async function clientOptions(address: StoreAddresses['graph']): Promise<FalkorDBOptions> {
  const { host, port, username, password } = address;
  const ca = address.caFile === undefined ? undefined : await readFile(address.caFile, 'utf8');
  const socket = {
    host,
    port,
    reconnectStrategy: false,
    ...(address.tls === true ? { tls: true as const, ...(ca === undefined ? {} : { ca }) } : {}),
  };
  return {
    socket,
    ...(password === undefined ? {} : { password, ...(username === undefined ? {} : { username }) }),
  };
}
