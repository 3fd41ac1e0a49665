import pRetry from 'p-retry';
import { joinKey } from '../../memory/ids.js';
import { JsonReader } from '../../memory/json.js';
import { isMap, type Value, type ValueMap, type VectorPoint } from '../../memory/values.js';
import { HttpConnections } from './http-connections.js';
import { HttpError, NotQdrant, vectorFailure, withTlsTold, type VectorAddress } from './vector-failure.js';

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

/** Bytes of one page that keep both sides busy and memory flat; the number of points follows from it. */
const PAGE_BYTES = 512 * 1024;
const FIRST_PAGE_POINTS = 256;
const MAX_PAGE_POINTS = 2_000;
const RETRIES = 2;

/**
 * Qdrant over plain HTTP with connections kept alive: on the hot path several times faster than the packaged client.
 * Every method throws Failure (see vector-failure.ts).
 */
export class VectorStore {
  private readonly http: HttpConnections;

  constructor(readonly address: VectorAddress) {
    this.http = new HttpConnections(address);
  }

  close(): void {
    this.http.close();
  }

  /** The server's version, such as "1.18.0". */
  async version(): Promise<string> {
    const text = await this.text('ask for the version', 'GET', '/');
    const root = parsed(text) as { version?: string } | null;
    if (root?.version === undefined)
      throw vectorFailure('ask for the version', this.address, new NotQdrant());
    return root.version;
  }

  /** @returns null where there is no such collection (or alias). */
  async collection(name: string): Promise<CollectionInfo | null> {
    const path = `/collections/${encodeURIComponent(name)}`;
    const { result: exists } = await this.json<{ exists: boolean }>(
      'look for the collection',
      'GET',
      `${path}/exists`,
    );
    if (!exists.exists) return null;
    const { result } = await this.json<RawCollection>('read the collection settings', 'GET', path);
    const vectors = result.config.params.vectors;
    const unnamed = vectors !== undefined && typeof vectors['size'] === 'number' ? vectors : undefined;
    return {
      status: result.status,
      size: (unnamed?.['size'] as number | undefined) ?? null,
      distance: (unnamed?.['distance'] as string | undefined) ?? null,
      payloadIndexes: Object.fromEntries(
        Object.entries(result.payload_schema).map(([field, schema]) => [field, schema.data_type]),
      ),
      config: result.config,
    };
  }

  /** Exact, not the approximate `points_count`. */
  async count(name: string, filter?: unknown): Promise<number> {
    const { result } = await this.json<{ count: number }>(
      'count the points',
      'POST',
      `/collections/${encodeURIComponent(name)}/points/count`,
      { exact: true, ...(filter === undefined ? {} : { filter }) },
    );
    return result.count;
  }

  /**
   * All points in id order, page by page. The next page is asked for before this one is parsed, so that server and
   * client work at the same time. The caller reconciles the number with {@link count}.
   */
  async *scroll(name: string, options: ScrollOptions): AsyncGenerator<VectorPoint[]> {
    let limit = FIRST_PAGE_POINTS;
    const fixed = JSON.stringify({
      with_payload: options.payload,
      with_vector: false,
      filter: options.filter,
    }).slice(1);
    const page = (offset: string | null): Promise<string> => {
      const from = offset === null ? '' : `"offset":${offset},`;
      const path = `/collections/${encodeURIComponent(name)}/points/scroll`;
      return this.text('read the points', 'POST', path, `{"limit":${limit},${from}${fixed}`);
    };
    let pending: Promise<string> | null = page(null);
    while (pending !== null) {
      const text = await pending;
      limit = nextLimit(limit, text.length);
      const offset = nextOffset(text);
      pending = offset === null ? null : page(offset);
      // An early return of the consumer leaves this request without a reader.
      pending?.catch(() => undefined);
      yield parsePoints(text, options.numbers, 'points');
    }
  }

  /** The first points in id order, with payloads: a look at what a collection holds. */
  async sample(name: string, limit: number): Promise<VectorPoint[]> {
    const text = await this.text(
      'read a sample of points',
      'POST',
      `/collections/${encodeURIComponent(name)}/points/scroll`,
      {
        limit,
        with_payload: true,
        with_vector: false,
      },
    );
    return parsePoints(text, 'fast', 'points');
  }

  /** Points by id, in any order; ids that do not exist are left out. */
  async retrieve(
    name: string,
    ids: readonly (string | number | bigint)[],
    options: { payload: boolean | string[]; numbers: 'fast' | 'exact' },
  ): Promise<VectorPoint[]> {
    // Integer ids go out as number literals, whatever their size.
    const list = ids.map((id) => (typeof id === 'string' ? JSON.stringify(id) : id.toString())).join(',');
    const body = `{"ids":[${list}],"with_payload":${JSON.stringify(options.payload)},"with_vector":false}`;
    const text = await this.text(
      'read points by id',
      'POST',
      `/collections/${encodeURIComponent(name)}/points`,
      body,
    );
    return parsePoints(text, options.numbers, null);
  }

  /** Nearest points to a vector or to a point, exactly (no approximate index). */
  async nearest(
    name: string,
    query: readonly number[] | string | number,
    options: {
      limit: number;
      scoreThreshold?: number;
      filter?: unknown;
      payload?: boolean | string[];
      vector?: boolean;
    },
  ): Promise<ScoredPoint[]> {
    const { result } = await this.json<{ points: RawScored[] }>(
      'search',
      'POST',
      `/collections/${encodeURIComponent(name)}/points/query`,
      {
        query,
        limit: options.limit,
        params: { exact: true },
        with_payload: options.payload ?? false,
        with_vector: options.vector ?? false,
        ...(options.scoreThreshold === undefined ? {} : { score_threshold: options.scoreThreshold }),
        ...(options.filter === undefined ? {} : { filter: options.filter }),
      },
    );
    return result.points.map((point) => ({
      id: joinKey(point.id),
      score: point.score,
      payload: point.payload ?? {},
      vector: Array.isArray(point.vector) ? point.vector : null,
    }));
  }

  /** Vectors by joined id; points without an unnamed vector are left out. */
  async vectors(name: string, ids: readonly (string | number)[]): Promise<Map<string, number[]>> {
    const { result } = await this.json<{ id: string | number; vector?: unknown }[]>(
      'read vectors by id',
      'POST',
      `/collections/${encodeURIComponent(name)}/points`,
      { ids, with_payload: false, with_vector: true },
    );
    return new Map(
      result.flatMap(({ id, vector }) =>
        Array.isArray(vector) ? [[joinKey(id), vector as number[]] as const] : [],
      ),
    );
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it names the shape of the answer
  private async json<T>(
    operation: string,
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<{ result: T }> {
    const reply = parsed(await this.text(operation, method, path, body)) as { result?: T } | null;
    if (reply?.result === undefined) throw vectorFailure(operation, this.address, new NotQdrant());
    return { result: reply.result };
  }

  private async text(
    operation: string,
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<string> {
    try {
      // Everything here reads, so a request that broke may simply be sent again.
      return await pRetry(() => this.request(method, path, body), {
        retries: RETRIES,
        minTimeout: 200,
        shouldRetry: ({ error }) => isTransient(error),
      });
    } catch (error) {
      throw await withTlsTold(vectorFailure(operation, this.address, error));
    }
  }

  private async request(method: 'GET' | 'POST', path: string, body: unknown): Promise<string> {
    const payload = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    const { status, text } = await this.http.request(method, path, payload);
    if (status >= 400) throw new HttpError(status, errorText(text));
    return text;
  }
}

interface RawCollection {
  status: string;
  config: { params: { vectors?: Record<string, unknown> } };
  payload_schema: Record<string, { data_type: string }>;
}

interface RawScored {
  id: string | number;
  score: number;
  payload?: ValueMap | null;
  vector?: unknown;
}

/** A server that answered "no" says no again; a socket that broke may work again. Refused means nobody is there. */
function isTransient(error: Error): boolean {
  if (error instanceof HttpError) return error.status === 502 || error.status === 503 || error.status === 429;
  return ['ECONNRESET', 'EPIPE'].includes((error as { code?: string }).code ?? '');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function errorText(body: string): string {
  try {
    const parsed = JSON.parse(body) as { status?: { error?: string } };
    return parsed.status?.error ?? body.slice(0, 300);
  } catch {
    return body.slice(0, 300);
  }
}

function nextLimit(limit: number, bytes: number): number {
  const fitting = Math.round((limit * PAGE_BYTES) / Math.max(bytes, 1));
  return Math.max(1, Math.min(MAX_PAGE_POINTS, fitting, limit * 4));
}

/** The offset as JSON text. It stands after the points, so it is found from the end without parsing them. */
function nextOffset(text: string): string | null {
  const at = text.lastIndexOf('"next_page_offset"');
  if (at < 0) return null;
  const reader = new JsonReader(text.slice(at + '"next_page_offset"'.length, at + 200));
  reader.expect(58);
  const offset = reader.value();
  if (typeof offset === 'string') return JSON.stringify(offset);
  return typeof offset === 'number' || typeof offset === 'bigint' ? offset.toString() : null;
}

function parsePoints(text: string, numbers: 'fast' | 'exact', key: 'points' | null): VectorPoint[] {
  const reply = (numbers === 'fast' ? JSON.parse(text) : new JsonReader(text).value()) as { result: Value };
  const list = key === null ? reply.result : isMap(reply.result) ? reply.result[key] : null;
  if (!Array.isArray(list)) throw new HttpError(200, 'the answer holds no list of points');
  return list as unknown as VectorPoint[];
}
