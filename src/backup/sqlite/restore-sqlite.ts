import { statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { ExitCode, Failure, Interrupted } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { makePrivateFolder } from '../../stores/archive/private-folder.js';
import { SqliteFile, type TableCounts } from '../../stores/sqlite/sqlite-file.js';
import { timestampOf } from '../layout.js';
import type { SqliteBackupFile } from './names.js';
import { compareCounts, proveCopy, type ProvenCopy } from './prove-copy.js';
import { rebuildGraph, type GraphRebuild } from './rebuild-graph.js';
import { discard, replaceStore, type Replaced } from './replace-store.js';
import { restoringName, sweepRestoring } from './restoring-files.js';
import { examineTarget, refuseIfInUse, type RestoreTarget } from './restore-target.js';
import { expectedOf, readSqliteManifest, type SqliteManifest } from './sqlite-manifest.js';
import { unpackSqlite, type Identities, type Unpacked } from './unpack-sqlite.js';

/** How much of a disk's free space may be filled. */
const SHARE = 0.9;

export interface SqliteRestoreOptions {
  /** Whose files are as they lie there. */
  archive: Archive;
  /** Which backup. */
  file: SqliteBackupFile;
  /** Where it is encrypted. */
  identities: Identities;
  /** Absolute path of the store; it need not be there. */
  target: string;
  /** Absolute folder for what a dry run unpacks. */
  scratch: string;
  /** When the run began; names the old file. */
  startedAt: Date;
  /** Proves the backup and looks at the target, and changes nothing. */
  dryRun: boolean;
  /** Replaces the store even when it is in use or not one of the memory service. */
  force: boolean;
  /** Also writes the edges that association memories tell of into the graph table, before the store is replaced. */
  rebuildGraph: boolean;
  signal?: AbortSignal;
}

export interface SqliteRestore {
  timestamp: string;
  /** Of the backup in the archive. */
  path: string;
  /** Whether the backup was held against a manifest. */
  hasManifest: boolean;
  target: RestoreTarget;
  /** Where the old store lies now; null where there was none, and in a dry run. */
  kept: string | null;
  /** Rows by table of the store as it is now, or would be. */
  tables: TableCounts;
  memories: ProvenCopy['memories'];
  graph: GraphRebuild | null;
  unpacked: Unpacked;
  notes: string[];
  dryRun: boolean;
  seconds: number;
}

/**
 * Restores a backup of the SQLite store of MCP Memory Service. The backup is unpacked beside the store and proven there
 * completely (gzip, SHA-256 and counts of its manifest, SQLite's integrity check, schema) before the store is touched; then it
 * takes the store's place in one step, and the old file is kept beside it. What lies there afterwards is proven again.
 *
 * @throws Failure when the backup is not sound, when the target must not be replaced, or when the disk does not take it. The
 *   store is as it was then, unless the code is `sqlite-restore-unproven`
 */
export async function restoreSqlite(options: SqliteRestoreOptions): Promise<SqliteRestore> {
  const started = performance.now();
  const { archive, file, dryRun, force } = options;
  const target = await examineTarget(options.target, { force, onlyAsk: dryRun });
  const manifest = await readSqliteManifest(archive, file.base, file.timestamp);
  const place = await makePlace(target.path, options);
  try {
    const { proven, graph, unpacked } = await prepare(place, manifest, options);
    let replaced: Replaced = { kept: null, notes: [] };
    if (!dryRun) {
      refuseIfInUse(target, force);
      replaced = await replaceStore(place.path, target.path, timestampOf(options.startedAt));
      proveRestored(target.path, proven.tables, replaced);
    }
    const seconds = (performance.now() - started) / 1000;
    return {
      ...{ timestamp: file.timestamp, path: file.path, hasManifest: manifest !== null, target },
      ...{ kept: replaced.kept, tables: proven.tables, memories: proven.memories, graph, unpacked },
      ...{
        notes: [
          ...proven.notes,
          ...replaced.notes,
          ...notesOn(target),
          ...fromElsewhere(manifest, [options.target, target.path]),
        ],
      },
      ...{ dryRun, seconds },
    };
  } finally {
    await place.clear();
  }
}

/** Where the backup is unpacked and proven. */
interface Place {
  path: string;
  room: number;
  clear(): Promise<void>;
}

/** Beside the store, because only there it can take its place in one step; a dry run leaves that folder alone. */
async function makePlace(target: string, { dryRun, scratch }: SqliteRestoreOptions): Promise<Place> {
  if (dryRun) {
    const folder = await makePrivateFolder(scratch);
    return { path: join(folder.path, 'store.sqlite3'), room: folder.room, clear: () => folder.close() };
  }
  await sweepRestoring(target, Date.now());
  const path = join(dirname(target), restoringName(basename(target)));
  const { bavail, bsize } = await statfs(dirname(target));
  return { path, room: Math.floor(bavail * bsize * SHARE), clear: () => discard(path) };
}

async function prepare(
  place: Place,
  manifest: SqliteManifest | null,
  options: SqliteRestoreOptions,
): Promise<{ proven: ProvenCopy; graph: GraphRebuild | null; unpacked: Unpacked }> {
  const { archive, file, identities, signal, startedAt } = options;
  const { path } = file;
  const isScratch = options.dryRun || dirname(place.path) === options.scratch;
  const to = { to: place.path, room: place.room, isScratch, signal };
  const unpacked = await unpackSqlite(archive, file, expectedOf(manifest, file), identities, to);
  stopIfAsked(signal);
  const proven = await proveCopy(place.path, path, manifest?.tables ?? null);
  stopIfAsked(signal);
  if (!options.rebuildGraph) return { proven, graph: null, unpacked };
  const graph = await rebuildGraph({ path: place.path, dryRun: false, now: startedAt });
  const expected = { ...proven.tables, memory_graph: graph.rowsAfter };
  return { proven: await proveCopy(place.path, path, expected), graph, unpacked };
}

/** The file was proven under another name; this proves the place. */
function proveRestored(path: string, expected: TableCounts, { kept }: Replaced): void {
  let file: SqliteFile | undefined;
  try {
    // Opened for writing, though nothing is written: whoever only reads leaves the files of the log behind.
    file = SqliteFile.openToWrite(path);
    const { problems } = file.integrity();
    if (problems.length > 0) throw unproven(path, problems.join('; '), kept);
    compareCounts(path, expected, file.counts());
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'sqlite-restore-unproven') throw error;
    throw unproven(path, error.reason, kept, error);
  } finally {
    file?.close();
  }
}

function unproven(path: string, reason: string, kept: string | null, cause?: unknown): Failure {
  const back = kept === null ? '' : ` The store from before is kept: mv ${kept} ${path}`;
  return new Failure(
    {
      operation: 'prove the restored SQLite store',
      subject: path,
      reason: `it was proven before it was put in place, and is not sound now: ${reason}`,
      hint: `Check the disk, and that nothing writes to it.${back}`,
      exitCode: ExitCode.failed,
      code: 'sqlite-restore-unproven',
    },
    { cause },
  );
}

/** Two services may keep their backups in one folder. */
function fromElsewhere(manifest: SqliteManifest | null, targets: readonly string[]): string[] {
  const path = manifest?.source.path;
  return path === undefined || targets.includes(path) ? [] : [`the backup is of another store: ${path}`];
}

function notesOn({ state, inUse, path }: RestoreTarget): string[] {
  if (inUse === false) return [];
  const goesOn = 'a process that has it open goes on with the old file until it is started again';
  if (inUse === true) return [`another process has ${path} open: ${goesOn}`];
  return state === 'store'
    ? [`whether another process has ${path} open is only tried when it is restored`]
    : [`whether another process has ${path} open cannot be told, for it is no sound store: ${goesOn}`];
}

function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new Interrupted();
}
