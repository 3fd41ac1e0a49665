import { ExitCode, Failure } from '../failure.js';
import type { StoreAddresses } from './addresses.js';
import { backupPaths, GraphBackup, VectorBackup, type BackupPair } from './fill-backup.js';
import { GraphFill } from './fill-graph.js';
import { fillLater, laterMemories } from './fill-later.js';
import { writeOlderPair } from './fill-older.js';
import { VectorFill } from './fill-vectors.js';
import { populate, type Population } from './population/population.js';
import { parseBackupStamp } from './population/times.js';

export interface FillOptions {
  /** Memories with the label Memory alone; MetaMemory nodes come on top. */
  memories: number;
  /** Components of each vector, 2–4096. */
  dim: number;
  /** 32-bit whole number; the same seed and timestamp give the same data, byte for byte. */
  seed: number;
  /** Absolute path of the folder for the backup pair; null writes none. */
  backupDir: string | null;
  /** `YYYYMMDD_HHMMSS`, UTC: when the backup was taken, and the end of the two years that the memories span. */
  timestamp: string;
  /** Replace what the graph and the collection hold. */
  force: boolean;
  /** `YYYYMMDD_HHMMSS` of further backup pairs with the same content, each before `timestamp`. */
  olderTimestamps?: readonly string[];
  /** Memories that get another content after the backup was written, in both stores. Default 0. */
  changedAfterBackup?: number;
  /** Memories that are stored after the backup was written, in both stores. Default 0. */
  storedAfterBackup?: number;
}

export interface FillProgress {
  part: 'nodes' | 'relationships' | 'points';
  done: number;
  /** Null where it is not known beforehand. */
  total: number | null;
}

/** What both stores hold now, with what was changed and stored after the backup. */
export interface FillResult {
  memories: number;
  metaMemories: number;
  nodes: number;
  relationships: number;
  points: number;
  seconds: number;
  /** Whether the append-only file was rewritten, so that a restart loads quickly. */
  aofRewritten: boolean;
  /** Absolute paths of the backup pair, the newest one. */
  files: BackupPair | null;
  /** The pairs of `olderTimestamps`, in their order. */
  olderFiles: BackupPair[];
  changedAfterBackup: number;
  storedAfterBackup: number;
}

/** How often progress is told: every so many items. */
const TELL = 1_000;

/**
 * Fills both stores with a population and writes the backup pair that AutoMem would have taken of them. Nothing
 * is held: memory stays flat for any number of memories.
 *
 * @throws Failure when a store cannot be reached or holds data (and `force` is not given), or an option is wrong.
 */
export async function fill(
  options: FillOptions,
  stores: StoreAddresses,
  onProgress: (progress: FillProgress) => void = () => undefined,
): Promise<FillResult> {
  const started = performance.now();
  const population = populate({ ...options, now: timeOf(options.timestamp) });
  const files = options.backupDir === null ? null : backupPaths(options.backupDir, options.timestamp);
  const older = olderPairs(options);
  const later = laterMemories(population.options, options);
  const vectors = new VectorFill(stores.vectors);
  let graph: GraphFill | null = null;
  try {
    graph = await GraphFill.open(stores.graph);
    await graph.clear(options.force);
    await vectors.create(options.dim, options.force);
    const { timestamp } = options;
    const relationships = await fillGraph(graph, population, files?.graph ?? null, timestamp, onProgress);
    await fillVectors(vectors, stores, population, files?.vectors ?? null, timestamp, onProgress);
    if (files) for (const { stamp, pair } of older) await writeOlderPair(files, timestamp, pair, stamp);
    const counts = await fillLater(graph, vectors, population.counts, later);
    checkCount('nodes', counts.nodes, await graph.count('MATCH (n) RETURN count(n) AS n'));
    checkCount('points', counts.points, await vectors.finish());
    const aofRewritten = await graph.compact();
    const seconds = (performance.now() - started) / 1000;
    const olderFiles = older.map(({ pair }) => pair);
    return { ...population.counts, ...counts, relationships, seconds, aofRewritten, files, olderFiles };
  } finally {
    await graph?.close();
    await vectors.close();
  }
}

/** @throws Failure when a timestamp is none, or is not before that of the newest pair. */
function olderPairs(options: FillOptions): { stamp: string; pair: BackupPair }[] {
  const { backupDir, timestamp, olderTimestamps = [] } = options;
  for (const stamp of olderTimestamps) {
    if (timeOf(stamp) >= timeOf(timestamp)) throw notOlder(stamp, timestamp);
  }
  if (backupDir === null) return [];
  return olderTimestamps.map((stamp) => ({ stamp, pair: backupPaths(backupDir, stamp) }));
}

async function fillGraph(
  graph: GraphFill,
  population: Population,
  path: string | null,
  stamp: string,
  onProgress: (progress: FillProgress) => void,
): Promise<number> {
  const backup = path === null ? null : await GraphBackup.create(path, stamp, graph.address.name);
  const total = population.counts.nodes;
  let relationships = 0;
  try {
    for (const node of population.nodes()) {
      await graph.addNode(node);
      await backup?.node(node);
      if (node.internalId % TELL === 0) onProgress({ part: 'nodes', done: node.internalId, total });
    }
    await graph.finishNodes();
    onProgress({ part: 'nodes', done: total, total });
    await graph.checkIds();
    for (const edge of population.relationships()) {
      await graph.addRelationship(edge, (node) => population.keyOf(node));
      await backup?.relationship(edge);
      if (++relationships % TELL === 0)
        onProgress({ part: 'relationships', done: relationships, total: null });
    }
    await graph.finishRelationships();
    onProgress({ part: 'relationships', done: relationships, total: relationships });
    checkCount('nodes', total, await graph.count('MATCH (n) RETURN count(n) AS n'));
    checkCount('relationships', relationships, await graph.count('MATCH ()-[e]->() RETURN count(e) AS n'));
    await backup?.finish();
  } catch (error) {
    await backup?.abandon();
    throw error;
  }
  return relationships;
}

async function fillVectors(
  vectors: VectorFill,
  stores: StoreAddresses,
  population: Population,
  path: string | null,
  stamp: string,
  onProgress: (progress: FillProgress) => void,
): Promise<void> {
  const { collection } = stores.vectors;
  const backup =
    path === null ? null : await VectorBackup.create(path, stamp, collection, population.options.dim);
  const total = population.counts.points;
  let points = 0;
  try {
    for (const point of population.points()) {
      const numbers = JSON.stringify(point.vector).slice(1, -1);
      await vectors.add(point, numbers);
      await backup?.point(point, numbers);
      if (++points % TELL === 0) onProgress({ part: 'points', done: points, total });
    }
    checkCount('points', points, await vectors.finish());
    onProgress({ part: 'points', done: points, total });
    await backup?.finish();
  } catch (error) {
    await backup?.abandon();
    throw error;
  }
}

function checkCount(what: string, expected: number, actual: number): void {
  if (expected === actual) return;
  throw new Failure({
    operation: 'fill the stores',
    subject: what,
    reason: `${expected} were written, but ${actual} are there`,
    hint: 'Another writer is at work, or the server lost writes: see its log.',
    exitCode: ExitCode.failed,
    code: 'count-differs',
  });
}

function timeOf(timestamp: string): Date {
  const time = parseBackupStamp(timestamp);
  if (time) return time;
  throw new Failure({
    operation: 'read the timestamp',
    subject: timestamp,
    reason: 'it is not a time like 20261121_110916',
    hint: 'Give it as YYYYMMDD_HHMMSS in UTC.',
    exitCode: ExitCode.usage,
    code: 'bad-timestamp',
  });
}

function notOlder(stamp: string, newest: string): Failure {
  return new Failure({
    operation: 'write an older backup pair',
    subject: stamp,
    reason: `it is not before ${newest}, the time of the newest pair`,
    hint: 'Give an earlier time.',
    exitCode: ExitCode.usage,
    code: 'bad-timestamp',
  });
}
