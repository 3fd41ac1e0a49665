import { canonicalText, nearlySame, readWrittenJson, type WrittenJson } from './compare-json.js';
import { VECTOR_OF_FLOATS, type PointRecord, type VectorSnapshot } from './compare-vectors-read.js';
import type { PropertyDifference } from './compare.js';

export { readVectors, type VectorSnapshot } from './compare-vectors-read.js';

/** One thing that differs between two collections. */
export interface VectorDifference {
  kind: 'point-missing' | 'point-extra' | 'payload-changed' | 'vector-changed';
  /** Id of the point, as JSON. */
  subject: string;
  /** Of a payload its fields that differ; of a vector its size and its cosine; empty for what is missing or extra. */
  properties: PropertyDifference[];
}

export interface VectorComparison {
  /** True when both hold the very same points, and the collections are set up in the same way. */
  equal: boolean;
  /** A point of which payload and vector changed counts in both. */
  points: {
    before: number;
    after: number;
    missing: number;
    extra: number;
    payloadChanged: number;
    /** Payloads that only gained what the service itself often leaves out; no difference. See `mayGain`. */
    payloadCompleted: number;
    vectorChanged: number;
  };
  /** Settings of the collection that differ, by path; null where one is not set, or there is no collection. */
  settings: PropertyDifference[];
  /** The first ones of each kind, in detail. */
  examples: VectorDifference[];
}

/** Vectors nearer than this count as the same: Qdrant keeps cosine vectors at unit length, so only directions count. */
const SAME_DIRECTION = 0.9999;

/**
 * Compares two collections point by point: ids, payloads field by field (but for the last digits of doubles, which Qdrant
 * itself may change), vectors by their direction, and every setting of the collection.
 *
 * @param options.examples of each kind, told in detail. Default 10.
 * @param options.mayGain fields that a payload may have now and not have had before, or null: AutoMem leaves them out on some of
 *   its ways, and whoever makes a payload anew from the graph puts them in. A time may also be later.
 */
export async function compareVectors(
  before: VectorSnapshot,
  after: VectorSnapshot,
  options: { examples?: number; mayGain?: ReadonlySet<string> } = {},
): Promise<VectorComparison> {
  const found = new Findings(options.examples ?? 10, options.mayGain ?? new Set());
  for (const [id, old] of before.points) {
    const now = after.points.get(id);
    if (!now) found.add({ kind: 'point-missing', subject: id, properties: [] });
    else await comparePoint(id, [before, old], [after, now], found);
  }
  for (const id of after.points.keys()) {
    if (!before.points.has(id)) found.add({ kind: 'point-extra', subject: id, properties: [] });
  }
  const { counts, examples } = found;
  const settings = compareSettings(before.settings, after.settings);
  return {
    equal: found.total === 0 && settings.length === 0 && before.exists === after.exists,
    points: {
      before: before.points.size,
      after: after.points.size,
      missing: counts['point-missing'],
      extra: counts['point-extra'],
      payloadChanged: counts['payload-changed'],
      payloadCompleted: found.completed,
      vectorChanged: counts['vector-changed'],
    },
    settings,
    examples,
  };
}

/** Differences by kind, and the first ones in detail. */
class Findings {
  readonly examples: VectorDifference[] = [];
  readonly counts: Record<VectorDifference['kind'], number> = {
    'point-missing': 0,
    'point-extra': 0,
    'payload-changed': 0,
    'vector-changed': 0,
  };

  /** Payloads that gained fields, and nothing else. */
  completed = 0;

  constructor(
    private readonly limit: number,
    private readonly mayGain: ReadonlySet<string>,
  ) {}

  /** Whether a field of a payload only came to what it may come to. */
  isGain({ name, before, after }: PropertyDifference): boolean {
    if (!this.mayGain.has(name)) return false;
    if (before === null || before === 'null') return true;
    return name === 'last_accessed' && after !== null && after > before;
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  add(difference: VectorDifference): void {
    if (++this.counts[difference.kind] <= this.limit) this.examples.push(difference);
  }
}

type Side = [snapshot: VectorSnapshot, point: PointRecord];

async function comparePoint(id: string, before: Side, after: Side, found: Findings): Promise<void> {
  const properties = await payloadChanges(before, after);
  const changed = properties.filter((property) => !found.isGain(property));
  if (changed.length > 0) found.add({ kind: 'payload-changed', subject: id, properties: changed });
  else if (properties.length > 0) found.completed++;
  const change = await vectorChange(before, after);
  if (change) found.add({ kind: 'vector-changed', subject: id, properties: [change] });
}

async function payloadChanges(
  [before, { payload: old }]: Side,
  [after, { payload: now }]: Side,
): Promise<PropertyDifference[]> {
  if (old.digest === now.digest) return [];
  const [a, b] = [
    readWrittenJson(String(await before.file.read(old))),
    readWrittenJson(String(await after.file.read(now))),
  ];
  if (nearlySame(a, b)) return [];
  if (a.kind !== 'map' || b.kind !== 'map') {
    return [{ name: 'payload', before: canonicalText(a), after: canonicalText(b) }];
  }
  const names = [...new Set([...a.entries.keys(), ...b.entries.keys()])];
  return names
    .filter((name) => !nearlySame(a.entries.get(name), b.entries.get(name)))
    .map((name) => ({ name, before: shown(a.entries.get(name)), after: shown(b.entries.get(name)) }));
}

function shown(value: WrittenJson | undefined): string | null {
  return value ? canonicalText(value) : null;
}

async function vectorChange(
  [before, { vector: old }]: Side,
  [after, { vector: now }]: Side,
): Promise<PropertyDifference | null> {
  if (old.digest === now.digest) return null;
  const [a, b] = [await before.file.read(old), await after.file.read(now)];
  const [x, y] = [floatsOf(a), floatsOf(b)];
  if (!x || !y) return { name: 'vector', before: wordsOf(a), after: wordsOf(b) };
  if (x.length !== y.length) return { name: 'size', before: String(x.length), after: String(y.length) };
  const cosine = cosineOf(x, y);
  return cosine >= SAME_DIRECTION ? null : { name: 'cosine', before: '1', after: cosine.toFixed(6) };
}

/** Null where a point has no vector, several, or a sparse one. */
function floatsOf(record: Buffer): Float32Array | null {
  if (record[0] !== VECTOR_OF_FLOATS) return null;
  // Copied: floats must lie at a multiple of four bytes.
  return new Float32Array(Uint8Array.from(record.subarray(1)).buffer);
}

function wordsOf(record: Buffer): string {
  return record[0] === VECTOR_OF_FLOATS ? 'one dense vector' : record.toString('utf8', 1);
}

function cosineOf(a: Float32Array, b: Float32Array): number {
  let [dot, lengthA, lengthB] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index] ?? 0, b[index] ?? 0];
    dot += x * y;
    lengthA += x * x;
    lengthB += y * y;
  }
  return dot / Math.sqrt(lengthA * lengthB);
}

function compareSettings(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): PropertyDifference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .map((name) => ({ name, before: before.get(name) ?? null, after: after.get(name) ?? null }))
    .filter((setting) => setting.before !== setting.after);
}
