import { joinKey } from '../../memory/ids.js';
import { isMap, numeric, type Value } from '../../memory/values.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import { batches } from '../../stores/graph/live-pages.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import { gunzipStream } from '../files/container.js';
import { BlockWriter } from '../create/block-writer.js';
import { GraphExport } from '../create/graph-export.js';
import { pointHash } from '../content/digest.js';
import { ProblemList, type PairProblem } from '../pair/pair-problems.js';
import type { FilePoint } from '../files/point-record.js';
import type { BackupFile } from '../types.js';
import { readVectorsFile } from '../files/vectors-file.js';
import { payloadValue } from './payload-value.js';

/** Vectors nearer than this are the same: Qdrant keeps cosine vectors at unit length, so that only directions count. */
const SAME_DIRECTION = 0.9999;

/** Qdrant may change the last digits of a double. */
const SAME_DOUBLE = 1e-12;

const BATCH = 500;

/** Takes what an export writes, and keeps nothing of it. */
class Discard extends BlockWriter {
  constructor() {
    super(() => Promise.resolve());
  }

  override text(): void {
    return;
  }

  override record(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Holds a graph that was restored against the file that it was restored from: every label, property and relationship.
 *
 * @param digest of what the file holds; null where a part of that cannot be restored, and was told
 * @throws Failure what the server says
 */
export async function compareRestoredGraph(
  store: GraphStore,
  graph: string,
  digest: string | null,
  counts: { nodes: number; relationships: number },
  signal: AbortSignal,
): Promise<PairProblem[]> {
  const problems = new ProblemList('graph');
  const restored = await new GraphExport(store, graph, new Discard(), () => undefined, signal).write('');
  for (const what of ['nodes', 'relationships'] as const)
    if (restored[what] !== counts[what])
      problems.fatal(
        `restored-${what}`,
        `restored, the graph holds ${restored[what]} ${what} where the backup holds ${counts[what]}`,
      );
  if (digest === null)
    problems.whole(
      'note',
      'restored-parts',
      'because parts of it cannot be restored, nodes and relationships were compared by their numbers alone',
    );
  else if (restored.digest !== digest)
    problems.fatal(
      'restored-graph',
      'restored, the graph is not the one of the backup: the digest of its nodes and relationships is another one',
    );
  return problems.all();
}

/**
 * Holds a collection that was restored against the file that it was restored from: ids, payloads, and where vectors point.
 *
 * @throws Failure what the server says, or where the file cannot be read any more
 */
export async function compareRestoredVectors(
  store: VectorStore,
  collection: string,
  archive: Archive,
  file: BackupFile,
  signal: AbortSignal,
): Promise<PairProblem[]> {
  const problems = new ProblemList('vectors');
  let found = 0;
  for await (const part of readVectorsFile(file.path, gunzipStream(archive, file))) {
    signal.throwIfAborted();
    if (part.kind !== 'points') continue;
    for (const points of batches(part.points, BATCH))
      found += await compareBatch(store, collection, points, problems);
  }
  const count = await store.count(collection);
  if (count > found)
    problems.fatal(
      'restored-extra',
      `restored, the collection holds ${count - found} points that the backup lacks`,
    );
  return problems.all();
}

/** @returns how many of them are there */
async function compareBatch(
  store: VectorStore,
  collection: string,
  points: readonly FilePoint[],
  problems: ProblemList,
): Promise<number> {
  const ids = points.map(({ id }) => id);
  const payloads = new Map(
    (await store.retrieve(collection, ids, { payload: true, numbers: 'exact' })).map(({ id, payload }) => [
      joinKey(id),
      payload,
    ]),
  );
  const vectors = await store.vectors(collection, ids);
  let found = 0;
  for (const { id, vector, payload } of points) {
    const key = joinKey(id);
    const restored = payloads.get(key);
    if (restored === undefined) {
      problems.record(
        'fatal',
        'restored-missing',
        'points that a restore did not bring back',
        key,
        'it is not there',
      );
      continue;
    }
    found++;
    // What is left out of one that cannot be restored whole was told.
    if (!isSamePayload(payloadValue(payload.repaired()), restored))
      problems.record(
        'fatal',
        'restored-payload',
        'payloads that a restore changed',
        key,
        'it is another one',
      );
    const cosine = cosineOf(JSON.parse(vector.text) as number[], vectors.get(key) ?? []);
    if (cosine < SAME_DIRECTION)
      problems.record(
        'fatal',
        'restored-vector',
        'vectors that a restore changed',
        key,
        `their cosine is ${cosine}`,
      );
  }
  return found;
}

function isSamePayload(written: Value, restored: Value): boolean {
  const [a, b] = [written ?? {}, restored ?? {}];
  return pointHash(0, '', a).equals(pointHash(0, '', b)) || isNearlySame(a, b);
}

function isNearlySame(a: Value | undefined, b: Value | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isNearlySame(item, b[index]));
  if (isMap(a) && isMap(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].every((key) => isNearlySame(a[key], b[key]));
  }
  const [x, y] = [numeric(a), numeric(b)];
  if (x === null || y === null) return a === b;
  const isSameKind = typeof a === typeof b && Number.isInteger(a) === Number.isInteger(b);
  return isSameKind && Math.abs(x - y) <= SAME_DOUBLE * Math.max(Math.abs(x), Math.abs(y));
}

/** 1 for two vectors of zeros. */
function cosineOf(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return -1;
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] as number, b[at] as number];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa === 0 && bb === 0) return 1;
  return dot / Math.sqrt(aa * bb);
}
