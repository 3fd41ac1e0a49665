import { ExitCode, Failure } from '../../failure.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import { besidePath, ENCRYPTED_SUFFIX, halfPath } from '../layout.js';
import { exportGraph, type GraphHalf, type GraphSource } from './export-graph.js';
import { exportVectors, type VectorsHalf } from './export-vectors.js';
import type { OnRead } from './graph-export.js';
import { assertLiving, attempt, HalfFile, living, type Target } from './half-file.js';
import { assertOwnName, underFreeName } from './free-name.js';
import { manifestBody, type ManifestFacts } from './manifest-body.js';
import { shrunkenSince } from './shrunken.js';
import { sealManifest } from './write-manifest.js';

/** What is backed up. */
export interface BackupSources extends GraphSource {
  vectors: VectorStore;
  collection: string;
}

export interface CreateOptions {
  /** Null for both. */
  only: 'graph' | 'vectors' | null;
  /** age recipients; none: not encrypted. */
  recipients: readonly string[];
  /** What the manifest says besides what was read. */
  facts: Pick<ManifestFacts, 'tool' | 'servers' | 'embedding' | 'excludedTypes'>;
  onRead: OnRead;
  /** The last chance to say no: all of it was read, and nothing bears its name yet. */
  beforePlacing?: () => Promise<void>;
  now: () => Date;
  signal: AbortSignal;
}

/** What became of a backup at one place. */
export interface PlacedBackup {
  place: string;
  /** Null where the whole pair lies there. */
  failure: Failure | null;
  /** Whether the folder was not there before: the first backup, a typo, or a disk that is not mounted. */
  made: boolean;
}

export interface CreatedBackup {
  timestamp: string;
  places: PlacedBackup[];
  /** As it was written, without its seal. */
  manifest: ReturnType<typeof manifestBody>;
}

/**
 * Reads both stores at the same time and writes AutoMem's two files and a manifest, at every place at once. Nothing bears
 * its name before all of it was read, reconciled and written; the manifest comes last, so that a pair with a manifest is a
 * whole one. A place that fails does not stop the others, and is told in the result.
 *
 * @param targets where it goes; at least one
 * @throws Failure when it cannot be read, or lies nowhere in the end; then nothing of it is left anywhere
 */
export async function createBackup(
  sources: BackupSources,
  targets: readonly Target[],
  options: CreateOptions,
): Promise<CreatedBackup> {
  const started = options.now();
  return underFreeName(targets, started, (timestamp) =>
    createUnder(timestamp, started, sources, targets, options),
  );
}

async function createUnder(
  timestamp: string,
  started: Date,
  sources: BackupSources,
  targets: readonly Target[],
  options: CreateOptions,
): Promise<CreatedBackup> {
  const halves = await readHalves(sources, targets, timestamp, options);
  const files = [halves.graph?.file, halves.vectors?.file].filter((file) => file !== undefined);
  try {
    const manifest = await describe(sources, targets, timestamp, started, halves, options);
    await options.beforePlacing?.();
    const text = sealManifest(manifest);
    await Promise.all(
      living(targets).map((target) =>
        attempt(target, () => place(target, files, besidePath('manifest', timestamp), text)),
      ),
    );
    assertLiving(targets);
    await assertOwnName(targets, [...files.map(({ path }) => path), besidePath('manifest', timestamp)]);
    const places = targets.map(({ archive, failure, isNew }) => ({
      place: archive.place,
      failure: failure === null ? null : asFailure(failure, archive.place),
      made: isNew === true,
    }));
    return { timestamp, places, manifest };
  } finally {
    await Promise.all(files.map((file) => file.abandon()));
  }
}

/** What the manifest says of the halves, once both were read. */
async function describe(
  sources: BackupSources,
  targets: readonly Target[],
  timestamp: string,
  started: Date,
  halves: Halves,
  options: CreateOptions,
): Promise<ReturnType<typeof manifestBody>> {
  const shrunken = await shrunkenSince(targets, timestamp, {
    memories: halves.graph?.content.memories ?? null,
    relationships: halves.graph?.content.relationships ?? null,
    points: halves.vectors?.content.points ?? null,
  });
  return manifestBody({
    ...options.facts,
    ...halves,
    timestamp,
    started,
    finished: options.now(),
    only: options.only,
    encrypted: options.recipients.length > 0,
    graphName: sources.graphName,
    warnings: [...shrunken, ...otherVectors(halves)],
  });
}

interface Halves {
  graph: GraphHalf | null;
  vectors: VectorsHalf | null;
}

/** Both at the same time: what was read of the one should be of the moment of the other. */
async function readHalves(
  sources: BackupSources,
  targets: readonly Target[],
  timestamp: string,
  { only, recipients, onRead, now, signal }: CreateOptions,
): Promise<Halves> {
  // When one of them fails, the other is read for nothing.
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const context = (half: 'graph' | 'vectors'): Parameters<typeof exportGraph>[1] => {
    const path = halfPath(half, timestamp) + (recipients.length > 0 ? ENCRYPTED_SUFFIX : '');
    const openFile = (): Promise<HalfFile> => HalfFile.open(targets, path, recipients, both);
    return { timestamp, openFile, onRead, now, signal: both };
  };
  const giveUp = (error: unknown): never => {
    stop.abort();
    throw error;
  };
  const [graph, vectors] = await Promise.allSettled([
    only === 'vectors' ? null : exportGraph(sources, context('graph')).catch(giveUp),
    only === 'graph'
      ? null
      : exportVectors(sources.vectors, sources.collection, context('vectors')).catch(giveUp),
  ]);
  if (graph.status === 'fulfilled' && vectors.status === 'fulfilled')
    return { graph: graph.value, vectors: vectors.value };
  const results = [graph, vectors];
  for (const result of results) if (result.status === 'fulfilled') await result.value?.file.abandon();
  signal.throwIfAborted();
  const errors = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  // The one that was given up because of the other says nothing.
  throw errors.find((error) => !isAbort(error)) ?? errors[0];
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Gives the files their names at one place, the manifest last. What cannot be finished is taken away again. */
async function place(
  target: Target,
  files: readonly HalfFile[],
  manifestPath: string,
  manifest: string,
): Promise<void> {
  const { archive } = target;
  const there: string[] = [];
  try {
    for (const file of files) {
      await file.commit(target);
      there.push(archive.base + file.path);
    }
    const pending = await archive.create(archive.base + manifestPath);
    try {
      await pending.write(Buffer.from(manifest));
      await pending.commit();
    } finally {
      await pending.abandon();
    }
  } catch (error) {
    for (const path of there) await archive.remove(path).catch(() => undefined);
    throw error;
  }
}

/** What is in the file, and what no restore of Lifeboat brings back. */
function otherVectors({ vectors }: Halves): string[] {
  const others = vectors?.content.bySize[''] ?? 0;
  return others === 0
    ? []
    : [
        `${others} of ${vectors?.content.points ?? 0} points have named, sparse or several vectors: they are in the file as they are, and Lifeboat restores plain ones alone`,
      ];
}

function asFailure(error: unknown, place: string): Failure {
  if (error instanceof Failure) return error;
  return new Failure(
    {
      operation: 'write the backup',
      subject: place,
      reason: error instanceof Error ? error.message : String(error),
      hint: 'Nothing of it is left there. Mend the place and run it again.',
      exitCode: ExitCode.failed,
      code: 'backup-write',
    },
    { cause: error },
  );
}
