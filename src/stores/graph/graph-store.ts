import type { Redis } from 'ioredis';
import { MEMORY_LABEL } from '../../memory/contract.js';
import { printPythonJson } from '../../memory/json.js';
import { addCount, type GraphNode, type GraphRelationship, type Value } from '../../memory/values.js';
import {
  connectGraph,
  DEFAULT_ANSWER_TIMEOUT_MS,
  graphFailure,
  type ConnectOptions,
  type GraphAddress,
} from './connection.js';
import {
  decodeNode,
  decodeRelationship,
  decodeValue,
  UnknownName,
  type CompactCell,
  type CompactReply,
  type GraphNames,
} from './reply.js';

export interface GraphTotals {
  nodes: number;
  /** Nodes with the label Memory. */
  memories: number;
  relationships: number;
}

/** What a graph holds, by totals that the server computes and no result cap can cut. */
export interface GraphSurvey extends GraphTotals {
  /** Label set joined by ":" → count; "" stands for no label. */
  byLabel: Record<string, number>;
  byRelationship: Record<string, number>;
}

/** Sums over the ends of all relationships of a type: equal sums say that the same nodes are joined. */
export interface RelationshipDigest {
  count: number;
  sources: number;
  targets: number;
  mixed: number;
}

/** The modulus of {@link RelationshipDigest}'s `mixed`: a prime that keeps every sum below 2^53. */
export const DIGEST_PRIME = 1_000_003;

/** Rows a page: well below the 10,000 at which the official image cuts every result without a word. */
export const PAGE_ROWS = 500;

/** The most rows that one query asks for: a server that cuts results below it cannot be read completely. */
export const NEEDED_ROWS = 5_000;

/**
 * One connection to a FalkorDB server. Queries of one connection run one after another; open several to overlap.
 * Every method throws Failure (see connection.ts) when the server does not do what it is asked.
 */
export class GraphStore {
  private readonly names = new Map<string, GraphNames>();
  private answerTimeoutMs = 0;

  constructor(
    readonly redis: Redis,
    readonly address: GraphAddress,
    /** Milliseconds that a query may take, sent along where the server has a default limit; 0 sends none. */
    public queryTimeoutMs = 0,
  ) {}

  static async open(address: GraphAddress, options?: ConnectOptions): Promise<GraphStore> {
    const store = new GraphStore(await connectGraph(address, { ...options, exactIntegers: true }), address);
    store.answerTimeoutMs = options?.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS;
    return store;
  }

  close(): void {
    this.redis.disconnect();
  }

  /** Runs any Redis command; failures name `operation`. */
  async command(operation: string, name: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
    try {
      return await this.redis.call(name, ...args);
    } catch (error) {
      throw this.failure(operation, error);
    }
  }

  private failure(operation: string, error: unknown): Error {
    const isSilent = error instanceof Error && error.message === 'Command timed out';
    return graphFailure(operation, this.address, error, isSilent ? this.answerTimeoutMs : 0);
  }

  /** Graph, another kind of key, or nothing. */
  async kindOf(key: string): Promise<'graph' | 'other' | 'none'> {
    const type = await this.command(`look at the key ${key}`, 'TYPE', key);
    if (type === 'none') return 'none';
    return type === 'graphdata' ? 'graph' : 'other';
  }

  async graphs(): Promise<string[]> {
    return (await this.command('list the graphs', 'GRAPH.LIST')) as string[];
  }

  /** Reads only: the server refuses anything else, and a missing graph is an error, not a new graph. */
  async rows(graph: string, cypher: string): Promise<CompactCell[][]> {
    return this.query('GRAPH.RO_QUERY', graph, cypher);
  }

  /**
   * Reads columns that are all texts (or null). The reply then needs no type beside each value and is half the work to
   * take apart.
   */
  async textRows(graph: string, cypher: string): Promise<(string | null)[][]> {
    const timeout = this.queryTimeoutMs > 0 ? ['TIMEOUT', this.queryTimeoutMs] : [];
    const reply = await this.command(`query the graph ${graph}`, 'GRAPH.RO_QUERY', graph, cypher, ...timeout);
    return (reply as [unknown, (string | null)[][], unknown])[1];
  }

  /** May write. Creates the graph where it does not exist. */
  async write(graph: string, cypher: string): Promise<CompactCell[][]> {
    return this.query('GRAPH.QUERY', graph, cypher);
  }

  /**
   * As {@link write}, after a WATCH on this connection. A query in a transaction holds the whole server up while it runs:
   * only for short ones.
   *
   * @returns null where a watched key was touched since: then nothing was done
   */
  async writeWatched(graph: string, cypher: string): Promise<CompactCell[][] | null> {
    const asked = this.redis.multi().call('GRAPH.QUERY', ...this.queryArguments(graph, cypher));
    try {
      const [reply] = (await asked.exec()) ?? [];
      if (reply === undefined) return null;
      const [error, answer] = reply;
      if (error !== null) throw error;
      return rowsOf(answer as CompactReply | [string[]]);
    } catch (error) {
      throw this.failure(`query the graph ${graph}`, error);
    }
  }

  private queryArguments(graph: string, cypher: string): (string | number)[] {
    const timeout = this.queryTimeoutMs > 0 ? ['TIMEOUT', this.queryTimeoutMs] : [];
    return [graph, cypher, '--compact', ...timeout];
  }

  private async query(command: string, graph: string, cypher: string): Promise<CompactCell[][]> {
    const asked = this.queryArguments(graph, cypher);
    const reply = await this.command(`query the graph ${graph}`, command, ...asked);
    return rowsOf(reply as CompactReply | [string[]]);
  }

  /** One number from an aggregate. */
  async scalar(graph: string, cypher: string): Promise<number> {
    const [row] = await this.rows(graph, cypher);
    const value = row?.[0] === undefined ? null : decodeValue(row[0]);
    return typeof value === 'number' ? value : 0;
  }

  /** Totals alone: the server keeps them, so this takes no time however large the graph is. */
  async totals(graph: string): Promise<GraphTotals> {
    const [nodes, memories, relationships] = await Promise.all([
      this.scalar(graph, 'MATCH (n) RETURN count(n)'),
      this.scalar(graph, `MATCH (m:${MEMORY_LABEL}) RETURN count(m)`),
      this.scalar(graph, 'MATCH ()-[r]->() RETURN count(r)'),
    ]);
    return { nodes, memories, relationships };
  }

  async survey(graph: string): Promise<GraphSurvey> {
    const byLabel = await this.counts(graph, 'MATCH (n) RETURN labels(n), count(n)');
    const byRelationship = await this.counts(graph, 'MATCH ()-[r]->() RETURN type(r), count(r)');
    const memories = Object.entries(byLabel).filter(([labels]) => labels.split(':').includes(MEMORY_LABEL));
    return {
      nodes: total(Object.values(byLabel)),
      memories: total(memories.map(([, count]) => count)),
      relationships: total(Object.values(byRelationship)),
      byLabel,
      byRelationship,
    };
  }

  /** Memory types → count; "" stands for no type. */
  async memoryTypes(graph: string): Promise<Record<string, number>> {
    return this.counts(graph, `MATCH (m:${MEMORY_LABEL}) RETURN m.type, count(m)`);
  }

  private async counts(graph: string, cypher: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const [key, count] of await this.rows(graph, cypher)) {
      const decoded = decodeValue(key as CompactCell);
      const name = Array.isArray(decoded) ? decoded.map(textOf).join(':') : textOf(decoded);
      addCount(counts, name, Number(decodeValue(count as CompactCell)));
    }
    return counts;
  }

  /** Every node, page by page of internal ids. The caller reconciles the number with {@link survey}. */
  async *nodes(graph: string): AsyncGenerator<GraphNode[]> {
    yield* this.pages(graph, (from, to) => this.nodesBetween(graph, from, to));
  }

  /** Nodes with an internal id of at least `from` and less than `to`; at most {@link PAGE_ROWS} of them. */
  async nodesBetween(graph: string, from: number, to: number): Promise<GraphNode[]> {
    const rows = await this.rows(graph, `MATCH (n) WHERE id(n) >= ${from} AND id(n) < ${to} RETURN n`);
    return this.decoded(graph, rows, decodeNode);
  }

  private async decoded<T>(
    graph: string,
    rows: CompactCell[][],
    decode: (cell: CompactCell, names: GraphNames) => T,
  ): Promise<T[]> {
    const names = await this.namesOf(graph);
    try {
      return rows.map(([cell]) => decode(cell as CompactCell, names));
    } catch (error) {
      if (!(error instanceof UnknownName)) throw error;
      // The names were read before these records were written: once more with fresh ones.
      this.names.delete(graph);
      const fresh = await this.namesOf(graph);
      return rows.map(([cell]) => decode(cell as CompactCell, fresh));
    }
  }

  /**
   * Walks the internal ids of a graph in pages below the result cap; the next page is asked for while the caller works on
   * this one.
   *
   * @param read reads the nodes with `from <= id < to`.
   */
  async *pages<T>(graph: string, read: (from: number, to: number) => Promise<T>): AsyncGenerator<T> {
    const last = await this.scalar(graph, 'MATCH (n) RETURN max(id(n))');
    let next: Promise<T> | null = read(0, PAGE_ROWS);
    for (let from = PAGE_ROWS; next !== null; from += PAGE_ROWS) {
      const page: T = await next;
      next = from <= last ? read(from, from + PAGE_ROWS) : null;
      // An early return of the consumer leaves this request without a reader.
      next?.catch(() => undefined);
      yield page;
    }
  }

  /**
   * Every relationship, page by page of the internal ids of their sources. A page whose nodes have many relationships
   * is halved until it stays below the result cap; the caller reconciles the number with {@link survey}.
   */
  async *relationships(graph: string): AsyncGenerator<GraphRelationship[]> {
    yield* this.relationshipsBetween(graph, 0, (await this.scalar(graph, 'MATCH (n) RETURN max(id(n))')) + 1);
  }

  /** As {@link relationships}, of sources with an internal id of at least `first` and less than `end`. */
  async *relationshipsBetween(
    graph: string,
    first: number,
    end: number,
  ): AsyncGenerator<GraphRelationship[]> {
    let span = PAGE_ROWS;
    for (let from = first; from < end;) {
      const to = Math.min(end, from + span);
      const where = `MATCH (a)-[r]->(b) WHERE id(a) >= ${from} AND id(a) < ${to}`;
      const count = await this.scalar(graph, `${where} RETURN count(r)`);
      if (count > NEEDED_ROWS && span > 1) {
        span = Math.max(1, Math.floor(span / 2));
        continue;
      }
      for (let skip = 0; skip < count; skip += NEEDED_ROWS) {
        const page = count > NEEDED_ROWS ? ` ORDER BY id(r) SKIP ${skip} LIMIT ${NEEDED_ROWS}` : '';
        const rows = await this.rows(graph, `${where} RETURN r${page}`);
        yield await this.decoded(graph, rows, decodeRelationship);
      }
      from = to;
      span = Math.min(PAGE_ROWS, span * 2);
    }
  }

  /** Sums over the internal ids of both ends, by relationship type. */
  async relationshipDigests(graph: string): Promise<Map<string, RelationshipDigest>> {
    const rows = await this.rows(
      graph,
      `MATCH (a)-[r]->(b) RETURN type(r), count(r), sum(id(a)), sum(id(b)), sum((id(a) * 31 + id(b)) % ${DIGEST_PRIME})`,
    );
    return new Map(
      rows.map((row) => {
        const [type, ...sums] = row.map(decodeValue);
        const [count = 0, sources = 0, targets = 0, mixed = 0] = sums.map((sum) =>
          typeof sum === 'object' && sum !== null && 'value' in sum ? Number(sum.value) : Number(sum),
        );
        return [textOf(type ?? null), { count, sources, targets, mixed }];
      }),
    );
  }

  private async namesOf(graph: string): Promise<GraphNames> {
    const cached = this.names.get(graph);
    if (cached !== undefined) return cached;
    const list = async (procedure: string): Promise<string[]> =>
      (await this.rows(graph, `CALL ${procedure}()`)).map(([name]) =>
        textOf(decodeValue(name as CompactCell)),
      );
    const names = {
      labels: await list('db.labels'),
      types: await list('db.relationshipTypes'),
      keys: await list('db.propertyKeys'),
    };
    this.names.set(graph, names);
    return names;
  }
}

/** A reply without a result has its statistics alone. */
function rowsOf(reply: CompactReply | [string[]]): CompactCell[][] {
  return reply.length === 3 ? reply[1] : [];
}

/** Names are texts; a type that somebody wrote as a number is shown as one. */
function textOf(value: Value): string {
  return typeof value === 'string' ? value : value === null ? '' : printPythonJson(value);
}

function total(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
