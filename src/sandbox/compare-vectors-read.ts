import { ExitCode, Failure } from '../failure.js';
import type { StoreAddresses } from './addresses.js';
import { canonicalText, readWrittenJson, type WrittenJson } from './compare-json.js';
import { RecordFile, type StoredRecord } from './compare-records.js';
import { qdrantFailure, QdrantWire } from './qdrant-client.js';
import { HttpError } from '../stores/vectors/vector-failure.js';

/** Where a point's payload and vector are in the file of a snapshot. */
export interface PointRecord {
  payload: StoredRecord;
  vector: StoredRecord;
}

/**
 * What one collection held at one moment: digests in memory, payloads and vectors in a temporary file. Call `close` to
 * remove the file.
 */
export interface VectorSnapshot {
  /** False where there is no such collection; everything else is then empty. */
  exists: boolean;
  /** Every setting of the collection, by path ("params.vectors.size"), as JSON. */
  settings: ReadonlyMap<string, string>;
  /** By id, as JSON: `"0b3f…"` or 7. */
  points: ReadonlyMap<string, PointRecord>;
  file: RecordFile;
  close(): Promise<void>;
}

/** Points in one answer: of 4,096 components each, about 25 MB. */
const PAGE = 500;

/**
 * Reads a whole collection for comparison. It shares no code with recovery, whose work it is there to judge.
 *
 * @throws Failure when the server cannot be reached, or when the collection changed while it was read.
 */
export async function readVectors(target: StoreAddresses['vectors']): Promise<VectorSnapshot> {
  const wire = new QdrantWire(target);
  const file = await RecordFile.create();
  try {
    const settings = await readSettings(wire);
    const points = settings
      ? await readPoints(wire, file, target.collection)
      : new Map<string, PointRecord>();
    return {
      exists: settings !== null,
      settings: settings ?? new Map(),
      points,
      file,
      close: () => file.remove(),
    };
  } catch (error) {
    await file.remove();
    throw qdrantFailure('read the collection for comparison', target, error);
  } finally {
    await wire.close();
  }
}

/** Null where there is no such collection. */
async function readSettings(wire: QdrantWire): Promise<Map<string, string> | null> {
  try {
    const result = resultOf(await wire.request('GET', ''));
    const settings = new Map<string, string>();
    flatten('', field(result, 'config'), settings);
    flatten('payload index ', field(result, 'payload_schema'), settings);
    // How many points an index holds is no setting.
    for (const path of settings.keys()) if (/^payload index .*\.points$/s.test(path)) settings.delete(path);
    return settings;
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return null;
    throw error;
  }
}

/** "params.vectors.size" → "768". What is null is not set. */
function flatten(path: string, value: WrittenJson | undefined, into: Map<string, string>): void {
  if (value?.kind !== 'map') {
    if (value && canonicalText(value) !== 'null') into.set(path, canonicalText(value));
    return;
  }
  const prefix = path === '' || path.endsWith(' ') ? path : `${path}.`;
  for (const [key, item] of value.entries) flatten(`${prefix}${key}`, item, into);
}

async function readPoints(
  wire: QdrantWire,
  file: RecordFile,
  collection: string,
): Promise<Map<string, PointRecord>> {
  const points = new Map<string, PointRecord>();
  const before = await count(wire);
  let read = 0;
  let offset: string | null = null;
  do {
    const [page, vectors]: [PayloadPage, PlainPoint[]] = await Promise.all([
      payloadPage(wire, offset),
      vectorPage(wire, offset),
    ]);
    for (const [index, { id, payload }] of page.points.entries()) {
      const plain = vectors[index];
      // By the plain reader, too: it rounds ids beyond 2^53.
      if (JSON.stringify(plain?.id) !== JSON.stringify(JSON.parse(id)))
        throw changed(collection, before, read, -1);
      points.set(id, await keep(payload, plain?.vector, file));
      read++;
    }
    offset = page.next;
  } while (offset !== null);
  const after = await count(wire);
  if (read !== before || read !== after || points.size !== read)
    throw changed(collection, before, read, after);
  return points;
}

interface PayloadPage {
  points: { id: string; payload: WrittenJson | undefined }[];
  next: string | null;
}

async function payloadPage(wire: QdrantWire, offset: string | null): Promise<PayloadPage> {
  const page = resultOf(await scroll(wire, offset, '"with_payload":true,"with_vector":false'));
  const points = field(page, 'points');
  const next = textOf(field(page, 'next_page_offset'));
  return {
    points: (points?.kind === 'list' ? points.items : []).map((point) => ({
      id: textOf(field(point, 'id')),
      payload: field(point, 'payload'),
    })),
    next: next === 'null' ? null : next,
  };
}

interface PlainPoint {
  id: unknown;
  vector?: unknown;
}

/** Apart from the payloads: floats of 32 bits lose nothing in JavaScript's own reader, which is many times faster. */
async function vectorPage(wire: QdrantWire, offset: string | null): Promise<PlainPoint[]> {
  const text = await scroll(wire, offset, '"with_payload":false,"with_vector":true');
  return (JSON.parse(text) as { result: { points: PlainPoint[] } }).result.points;
}

function scroll(wire: QdrantWire, offset: string | null, what: string): Promise<string> {
  const from = offset === null ? '' : `,"offset":${offset}`;
  return wire.request('POST', '/points/scroll', `{"limit":${PAGE},${what}${from}}`);
}

async function keep(
  payload: WrittenJson | undefined,
  vector: unknown,
  file: RecordFile,
): Promise<PointRecord> {
  const [text, numbers] = [Buffer.from(textOf(payload)), vectorBytes(vector)];
  return { payload: await file.append(text), vector: await file.append(numbers) };
}

/** First byte of a vector's record: floats follow. Anything else is JSON. */
export const VECTOR_OF_FLOATS = 0xff;

/** Floats of 32 bits, as Qdrant holds them. Where there are several vectors, or sparse ones, their JSON. */
function vectorBytes(vector: unknown): Buffer {
  if (!Array.isArray(vector)) return Buffer.from(` ${JSON.stringify(vector ?? null)}`);
  const floats = Buffer.from(Float32Array.from(vector as number[]).buffer);
  return Buffer.concat([Buffer.of(VECTOR_OF_FLOATS), floats]);
}

async function count(wire: QdrantWire): Promise<number> {
  const result = resultOf(await wire.request('POST', '/points/count', '{"exact":true}'));
  const value = field(result, 'count');
  return value?.kind === 'number' ? Number(value.text) : NaN;
}

function resultOf(text: string): WrittenJson {
  const result = field(readWrittenJson(text), 'result');
  if (!result) throw new Error('The answer holds no result');
  return result;
}

function field(value: WrittenJson, name: string): WrittenJson | undefined {
  return value.kind === 'map' ? value.entries.get(name) : undefined;
}

function textOf(value: WrittenJson | undefined): string {
  return value ? canonicalText(value) : 'null';
}

function changed(subject: string, before: number, read: number, after: number): Failure {
  return new Failure({
    operation: 'read the collection for comparison',
    subject,
    reason: `it changed while it was read: ${before} points before, ${read} read, ${after < 0 ? 'then others' : `${after} after`}`,
    hint: 'Stop the service that writes to it, then compare again.',
    exitCode: ExitCode.failed,
    code: 'collection-changed',
  });
}
