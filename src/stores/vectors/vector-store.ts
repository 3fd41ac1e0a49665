import type { Failure } from '../../failure.js';
import { joinKey } from '../../memory/ids.js';
import type { ValueMap, VectorPoint } from '../../memory/values.js';
import type { BodyBuffer } from './body-buffer.js';
import { idList } from './point-json.js';
import { parsePoints, rawPoints, scrollBodies, type RawPoint } from './point-pages.js';
import { HttpError, NotQdrant, vectorFailure, type VectorAddress } from './vector-failure.js';
import { VectorRequests, collectionPath } from './vector-requests.js';

/** What a collection is, as far as recovery needs it. */
export interface CollectionInfo {
  /** green, yellow, red or grey. */
  status: string;
  /** Of the unnamed vector; null where the collection has named vectors only. */
  size: number | null;
  distance: string | null;
  payloadIndexes: Record<string, string>;
  /** All settings as the server gives them, for the record. */
  config: unknown;
}

export interface ScrollOptions {
  payload: boolean | string[];
  filter?: unknown;
  /** Exact keeps 1.0 apart from 1 and big integers whole; fast uses the native parser. */
  numbers: 'fast' | 'exact';
}

export interface ScoredPoint {
  id: string;
  score: number;
  payload: ValueMap;
  vector: number[] | null;
}

const READ_POINTS = 'read the points';

/** Bytes of one page that keep both sides busy and memory flat. */
const PAGE_BYTES = 512 * 1024;
/** Points with vectors are some ten times as large. */
const RAW_PAGE_BYTES = 2 * 1024 * 1024;

/** What Qdrant holds, read. Every method throws Failure (see vector-failure.ts). */
export class VectorStore {
  /** The connections, for those that write. */
  readonly requests: VectorRequests;

  constructor(readonly address: VectorAddress) {
    this.requests = new VectorRequests(address);
  }

  close(): void {
    this.requests.close();
  }

  /** The server's version, such as "1.18.0". */
  async version(): Promise<string> {
    const operation = 'ask for the version';
    const text = await this.requests.text({ operation, method: 'GET', path: '/' });
    const version = versionOf(text);
    if (version === null) throw vectorFailure(operation, this.address, new NotQdrant());
    return version;
  }

  /** @returns null where there is no such collection (or alias). */
  async collection(name: string): Promise<CollectionInfo | null> {
    const { exists } = await this.requests.result<{ exists: boolean }>({
      operation: 'look for the collection',
      method: 'GET',
      path: collectionPath(name, '/exists'),
    });
    if (!exists) return null;
    const found = await this.requests.result<RawCollection>({
      operation: 'read the collection settings',
      method: 'GET',
      path: collectionPath(name),
    });
    return {
      status: found.status,
      ...unnamedVector(found.config.params.vectors),
      payloadIndexes: Object.fromEntries(
        Object.entries(found.payload_schema).map(([field, schema]) => [field, schema.data_type]),
      ),
      config: found.config,
    };
  }

  /** Exact, not the approximate `points_count`. */
  async count(name: string, filter?: unknown): Promise<number> {
    const body = { exact: true, ...(filter === undefined ? {} : { filter }) };
    const operation = 'count the points';
    const path = collectionPath(name, '/points/count');
    return (await this.requests.result<{ count: number }>({ operation, method: 'POST', path, body })).count;
  }

  /** All points in id order, page by page. The caller reconciles the number with {@link count}. */
  async *scroll(name: string, options: ScrollOptions): AsyncGenerator<VectorPoint[]> {
    const fixed = { with_payload: options.payload, with_vector: false, filter: options.filter };
    for await (const page of this.scrollBodies(name, fixed, PAGE_BYTES)) {
      yield parsePoints(page.text(), options.numbers, 'points');
    }
  }

  /**
   * All points in id order with vectors and payloads as the server's own JSON text: for exact copies, and several times
   * faster than parsing every number. The caller reconciles the number with {@link count}.
   *
   * @param withVectors false leaves the vectors out, which are most of it
   */
  async *scrollRaw(name: string, filter?: unknown, withVectors = true): AsyncGenerator<RawPoint[]> {
    const fixed = { with_payload: true, with_vector: withVectors, filter };
    for await (const page of this.scrollBodies(name, fixed, RAW_PAGE_BYTES)) yield rawPoints(page.text());
  }

  /**
   * As {@link scrollRaw}, with the answers of the server as the bytes that came: for those who pass nearly all of them on.
   * Each stands until the next one is asked for.
   */
  scrollBytes(name: string): AsyncGenerator<BodyBuffer> {
    return this.scrollBodies(name, { with_payload: true, with_vector: true }, RAW_PAGE_BYTES);
  }

  /** A failure for such an answer whose points cannot be read. @param reason what was wrong with it */
  unreadable(reason: string): Failure {
    return vectorFailure(READ_POINTS, this.address, new HttpError(200, reason));
  }

  /** Points by id as {@link scrollRaw} gives them, in any order; ids that do not exist are left out. */
  async retrieveRaw(name: string, ids: readonly (string | number | bigint)[]): Promise<RawPoint[]> {
    const text = await this.requests.text({
      operation: 'read points by id',
      method: 'POST',
      path: collectionPath(name, '/points'),
      body: `{"ids":${idList(ids)},"with_payload":true,"with_vector":true}`,
    });
    return rawPoints(text, 'result');
  }

  /** The first points in id order, with payloads: a look at what a collection holds. */
  async sample(name: string, limit: number): Promise<VectorPoint[]> {
    const text = await this.requests.text({
      operation: 'read a sample of points',
      method: 'POST',
      path: collectionPath(name, '/points/scroll'),
      body: { limit, with_payload: true, with_vector: false },
    });
    return parsePoints(text, 'fast', 'points');
  }

  /** Points by id, in any order; ids that do not exist are left out. */
  async retrieve(
    name: string,
    ids: readonly (string | number | bigint)[],
    options: { payload: boolean | string[]; numbers: 'fast' | 'exact' },
  ): Promise<VectorPoint[]> {
    const text = await this.requests.text({
      operation: 'read points by id',
      method: 'POST',
      path: collectionPath(name, '/points'),
      body: `{"ids":${idList(ids)},"with_payload":${JSON.stringify(options.payload)},"with_vector":false}`,
    });
    return parsePoints(text, options.numbers, null);
  }

  /** Nearest points to a vector or to a point, exactly (no approximate index). */
  async nearest(
    name: string,
    query: readonly number[] | string | number,
    options: {
      limit: number;
      /** How many of the nearest are passed over. */
      offset?: number;
      scoreThreshold?: number;
      filter?: unknown;
      payload?: boolean | string[];
      vector?: boolean;
    },
  ): Promise<ScoredPoint[]> {
    const { points } = await this.requests.result<{ points: RawScored[] }>({
      operation: 'search',
      method: 'POST',
      path: collectionPath(name, '/points/query'),
      body: {
        query,
        limit: options.limit,
        ...(options.offset === undefined ? {} : { offset: options.offset }),
        params: { exact: true },
        with_payload: options.payload ?? false,
        with_vector: options.vector ?? false,
        ...(options.scoreThreshold === undefined ? {} : { score_threshold: options.scoreThreshold }),
        ...(options.filter === undefined ? {} : { filter: options.filter }),
      },
    });
    return points.map((point) => ({
      id: joinKey(point.id),
      score: point.score,
      payload: point.payload ?? {},
      vector: Array.isArray(point.vector) ? point.vector : null,
    }));
  }

  /** Vectors by joined id; points without an unnamed vector are left out. */
  async vectors(name: string, ids: readonly (string | number | bigint)[]): Promise<Map<string, number[]>> {
    const text = await this.requests.text({
      operation: 'read vectors by id',
      method: 'POST',
      path: collectionPath(name, '/points'),
      body: `{"ids":${idList(ids)},"with_payload":false,"with_vector":true}`,
    });
    // Ids beyond 2^53 would lose their last digits in the native parser; the numbers of a vector lose nothing.
    return new Map(
      rawPoints(text, 'result').flatMap(({ id, vector }) =>
        vector.startsWith('[') ? [[joinKey(id), JSON.parse(vector) as number[]] as const] : [],
      ),
    );
  }

  private scrollBodies(
    name: string,
    fixed: Record<string, unknown>,
    pageBytes: number,
  ): AsyncGenerator<BodyBuffer> {
    const path = collectionPath(name, '/points/scroll');
    const ask = (body: string, answer: BodyBuffer): Promise<void> =>
      this.requests.read({ operation: READ_POINTS, method: 'POST', path, body }, answer);
    return scrollBodies(ask, fixed, pageBytes);
  }
}

interface RawCollection {
  status: string;
  config: { params: { vectors?: Record<string, unknown> } };
  payload_schema: Record<string, { data_type: string }>;
}

/** The vector without a name: it stands alone, or beside named ones under the name "". */
function unnamedVector(vectors: Record<string, unknown> = {}): Pick<CollectionInfo, 'size' | 'distance'> {
  const isAlone = typeof vectors['size'] === 'number';
  const { size, distance } = (isAlone ? vectors : (vectors[''] ?? {})) as Record<string, unknown>;
  return {
    size: typeof size === 'number' ? size : null,
    distance: typeof distance === 'string' ? distance : null,
  };
}

interface RawScored {
  id: string | number;
  score: number;
  payload?: ValueMap | null;
  vector?: unknown;
}

function versionOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { version?: string } | null)?.version ?? null;
  } catch {
    return null;
  }
}
