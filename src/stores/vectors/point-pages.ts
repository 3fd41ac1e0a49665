import { JsonReader } from '../../memory/json.js';
import { rawObjects } from '../../memory/json-skip.js';
import { isMap, type Value, type VectorPoint } from '../../memory/values.js';
import { BodyBuffer } from './body-buffer.js';
import { HttpError } from './vector-failure.js';

const FIRST_PAGE_POINTS = 256;
const MAX_PAGE_POINTS = 2_000;

/** A point whose parts are the server's own JSON text. */
export interface RawPoint {
  /** UUIDs as text, integer ids as bigint: as the writer takes them. */
  id: string | bigint;
  /** Numbers in brackets, an object of names, or `{}` where the point has no vector. */
  vector: string;
  /** An object, or `null`. */
  payload: string;
}

/**
 * The answers of a scroll, page by page. The next page is asked for before this one is handed over, so that server and
 * client work at the same time. The number of points of a page follows from how many bytes the last one had.
 *
 * Two bodies take turns: each page stands until the next one is asked for.
 *
 * @param ask sends the body of a scroll request, and reads the answer into the other body
 * @param fixed what every request asks for
 * @param pageBytes that keep both sides busy and memory flat
 */
export async function* scrollBodies(
  ask: (body: string, answer: BodyBuffer) => Promise<void>,
  fixed: Record<string, unknown>,
  pageBytes: number,
): AsyncGenerator<BodyBuffer> {
  let limit = FIRST_PAGE_POINTS;
  let [answer, other] = [new BodyBuffer(), new BodyBuffer()];
  const rest = JSON.stringify(fixed).slice(1);
  const page = (offset: string | null): Promise<void> => {
    const from = offset === null ? '' : `"offset":${offset},`;
    return ask(`{"limit":${limit},${from}${rest}`, answer);
  };
  let pending: Promise<void> | null = page(null);
  while (pending !== null) {
    await pending;
    const body = answer;
    const fitting = Math.round((limit * pageBytes) / Math.max(body.length, 1));
    limit = Math.max(1, Math.min(MAX_PAGE_POINTS, fitting, limit * 4));
    const offset = nextOffset(body);
    [answer, other] = [other, answer];
    pending = offset === null ? null : page(offset);
    // An early return of the consumer leaves this request without a reader.
    pending?.catch(() => undefined);
    yield body;
  }
}

const NEXT_OFFSET = '"next_page_offset"';
/** Bytes: more than the longest offset and what stands around it. */
const OFFSET_BYTES = 200;

/** The offset as JSON text. It stands after the points, so it is found from the end without parsing them. */
function nextOffset({ bytes, length }: BodyBuffer): string | null {
  const at = bytes.subarray(0, length).lastIndexOf(NEXT_OFFSET);
  if (at < 0) return null;
  const start = at + NEXT_OFFSET.length;
  const reader = new JsonReader(bytes.toString('utf8', start, Math.min(length, start + OFFSET_BYTES)));
  reader.expect(58);
  const offset = reader.value();
  if (typeof offset === 'string') return JSON.stringify(offset);
  return typeof offset === 'number' || typeof offset === 'bigint' ? offset.toString() : null;
}

/**
 * The points of an answer.
 *
 * @param key where they are in its `result`; null where that is the list itself
 */
export function parsePoints(text: string, numbers: 'fast' | 'exact', key: 'points' | null): VectorPoint[] {
  const reply = (numbers === 'fast' ? JSON.parse(text) : new JsonReader(text).value()) as { result: Value };
  const list = key === null ? reply.result : isMap(reply.result) ? reply.result[key] : null;
  if (!Array.isArray(list)) throw noPoints();
  return list as unknown as VectorPoint[];
}

/**
 * The points of an answer, cut out of its text without parsing vectors and payloads.
 *
 * @param key the field that holds their list
 */
export function rawPoints(text: string, key: 'points' | 'result' = 'points'): RawPoint[] {
  // Nothing that users write stands before the points.
  const at = text.indexOf(`"${key}"`);
  const start = at < 0 ? -1 : text.indexOf('[', at);
  if (start < 0) throw noPoints();
  return rawObjects(text, start).map((fields) => {
    const id = fields.get('id') ?? '';
    return {
      id: id.startsWith('"') ? (JSON.parse(id) as string) : BigInt(id),
      vector: fields.get('vector') ?? '{}',
      payload: fields.get('payload') ?? 'null',
    };
  });
}

function noPoints(): HttpError {
  return new HttpError(200, 'the answer holds no list of points');
}
