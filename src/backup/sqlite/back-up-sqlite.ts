import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { Interrupted } from '../../failure.js';
import { makePrivateFolder, type PrivateFolder } from '../../stores/archive/private-folder.js';
import { openMemoryStore } from '../../stores/sqlite/open-memory-store.js';
import { storeFailure } from '../../stores/sqlite/sqlite-failure.js';
import type { SqliteFile, TableCounts } from '../../stores/sqlite/sqlite-file.js';
import type { PlacedBackup } from '../create/create-backup.js';
import { underFreeName } from '../create/free-name.js';
import type { Target } from '../create/half-file.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { sqliteBesidePath, sqlitePath } from './names.js';
import { placeBackup } from './place-backup.js';
import { PlacedFile } from './placed-file.js';
import { proveCopy, type ProvenCopy } from './prove-copy.js';
import { manifestBytes, type ManifestFile } from './sqlite-manifest.js';

/** Bytes of one read of the copy. */
const READ_SIZE = 1 << 20;

export interface SqliteBackupOptions {
  /** Absolute path of the live store. */
  source: string;
  /** Where it goes; at least one. What goes wrong at one is noted there. */
  targets: readonly Target[];
  /** age recipients; none: not encrypted. */
  recipients: readonly string[];
  /** Absolute folder for the copy while it is proven, with room for the whole store; the backup folder itself, or TMPDIR. */
  scratch: string;
  /** When the run began; its second names the files, or the next one that is free. */
  startedAt: Date;
  /** "lifeboat 0.1.0". */
  tool: string;
  /** Told the pages that are copied. */
  onPages?: (done: number, of: number) => void;
  signal?: AbortSignal;
}

export interface SqliteBackup {
  timestamp: string;
  /** At the first place that has it. */
  path: string;
  manifestPath: string;
  /** Of the file as it lies there. */
  bytes: number;
  sha256: string;
  encryption: 'age' | null;
  /** Of the database. */
  plainBytes: number;
  tables: TableCounts;
  memories: ProvenCopy['memories'];
  /** Whether other processes wrote meanwhile; their writes are not in the backup. */
  writesMeanwhile: boolean;
  notes: string[];
  seconds: number;
  places: PlacedBackup[];
}

/**
 * Backs up the SQLite store of MCP Memory Service while it is in use: SQLite's online backup of one state of it into a private
 * file, which is proven there (integrity check, the rows of every table as they were counted in that state), compressed and
 * encrypted to all places at once, and described by a manifest. In WAL mode, which the service sets, writers are not held up;
 * in rollback mode their commits wait for the copy. A place that fails does not stop the others, and is told in the result.
 *
 * @throws Failure when the source is no sound store, when the copy is not what was counted, or when it lies nowhere in the
 *   end; nothing of it is left anywhere then
 */
export async function backUpSqlite(options: SqliteBackupOptions): Promise<SqliteBackup> {
  const store = await openMemoryStore(options.source);
  let folder: PrivateFolder | undefined;
  try {
    folder = await makePrivateFolder(options.scratch);
    return await backUpTo(options, store, folder);
  } finally {
    store.close();
    await folder?.close();
  }
}

/** It is copied and proven once, whatever name it gets in the end. */
async function backUpTo(
  options: SqliteBackupOptions,
  store: SqliteFile,
  folder: PrivateFolder,
): Promise<SqliteBackup> {
  const { targets, recipients, startedAt, signal } = options;
  let copy: StoreCopy | null = null;
  return underFreeName(targets, startedAt, async (timestamp) => {
    const ending = recipients.length > 0 ? ENCRYPTED_SUFFIX : '';
    // Before any work: whether there is a place to write to.
    const pending = await PlacedFile.open(targets, sqlitePath(timestamp) + ending, recipients);
    try {
      stopIfAsked(signal);
      if (copy === null) checkSource(store, folder);
      copy ??= await copyStore(store, join(folder.path, 'copy.sqlite3'), options);
      stopIfAsked(signal);
      const file = await compressInto(pending, copy.path, options);
      return await finish(options, timestamp, pending, copy, file);
    } finally {
      await pending.abandon();
    }
  });
}

/**
 * A damaged store is not worth a backup that looks like a good one.
 *
 * @throws Failure where it is damaged, or larger than the folder has room for its copy
 */
export function checkSource(store: SqliteFile, folder: PrivateFolder): void {
  const { problems } = store.integrity();
  if (problems.length > 0) {
    throw storeFailure(
      'back up the SQLite store',
      store.path,
      `it is damaged; SQLite's integrity check finds: ${problems.join('; ')}`,
      'Restore its newest good backup, or bring out what is readable with: sqlite3 FILE .recover',
      'sqlite-corrupt',
    );
  }
  const bytes = store.bytes();
  if (bytes > folder.room) {
    throw storeFailure(
      'back up the SQLite store',
      store.path,
      `a copy of it takes ${bytes} bytes, and there is room for ${folder.room} in ${folder.path}`,
      'Point TMPDIR at a folder on a larger disk.',
      'scratch-full',
    );
  }
}

interface StoreCopy extends ProvenCopy {
  path: string;
  writesMeanwhile: boolean;
}

/** One state of the store is counted and copied; the copy must hold exactly those rows. */
async function copyStore(
  store: SqliteFile,
  path: string,
  { onPages, signal }: SqliteBackupOptions,
): Promise<StoreCopy> {
  const before = store.dataVersion();
  const counted = await store.inSnapshot(async () => {
    const tables = store.counts();
    await store.copyTo(path, onPages);
    return tables;
  });
  stopIfAsked(signal);
  const proven = await proveCopy(path, `the copy of ${store.path}`, counted);
  return { ...proven, path, writesMeanwhile: store.dataVersion() !== before };
}

/** Compresses and hashes in one pass. */
async function compressInto(
  pending: PlacedFile,
  copy: string,
  { recipients, signal }: SqliteBackupOptions,
): Promise<ManifestFile> {
  const hash = createHash('sha256');
  let plainBytes = 0;
  const tap = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      plainBytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  let refusal: unknown;
  try {
    await pipeline(
      createReadStream(copy, { highWaterMark: READ_SIZE }),
      tap,
      createGzip({ chunkSize: READ_SIZE }),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          await pending.write(chunk).catch((error: unknown) => {
            refusal = error;
            throw error;
          });
        }
      },
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    stopIfAsked(signal);
    // Node.js 22 throws that it stopped the other streams, not why.
    throw refusal ?? error;
  }
  const { bytes, sha256 } = await pending.finish();
  return {
    ...{ bytes, sha256, encryption: recipients.length > 0 ? ('age' as const) : null },
    ...{ plain_bytes: plainBytes, plain_sha256: hash.digest('hex') },
  };
}

/** Describes it, and gives it its name wherever it can have it. */
async function finish(
  options: SqliteBackupOptions,
  timestamp: string,
  pending: PlacedFile,
  copy: StoreCopy,
  file: ManifestFile,
): Promise<SqliteBackup> {
  const { targets, startedAt } = options;
  const finishedAt = new Date();
  const seconds = Math.max(0, finishedAt.getTime() - startedAt.getTime()) / 1000;
  const { tables, memories, schemaSha256, notes, writesMeanwhile } = copy;
  const manifest = manifestBytes({
    timestamp,
    taken_at: startedAt.toISOString(),
    finished_at: finishedAt.toISOString(),
    seconds,
    tool: options.tool,
    source: { store: 'mcp-memory-service', path: options.source, sqlite: process.versions.sqlite ?? '' },
    files: { [pending.path]: file },
    tables,
    schema_sha256: schemaSha256,
    memories,
    writes_meanwhile: writesMeanwhile,
  });
  const beside = sqliteBesidePath('manifest', timestamp);
  const places = await placeBackup(targets, pending, file.bytes, { path: beside, content: manifest });
  const base = targets.find(({ failure }) => failure === null)?.archive.base ?? '';
  return {
    ...{ timestamp, path: base + pending.path, manifestPath: base + beside },
    ...{ bytes: file.bytes, sha256: file.sha256, encryption: file.encryption, plainBytes: file.plain_bytes },
    ...{ tables, memories, writesMeanwhile, notes, seconds, places },
  };
}

function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new Interrupted();
}
