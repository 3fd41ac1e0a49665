import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

import { ExitCode, Failure, Interrupted } from '../../failure.js';
import { makePrivateFolder, type PrivateFolder } from '../../stores/archive/private-folder.js';
import type { PendingFile, WritableArchive } from '../../stores/archive/writable.js';
import { openMemoryStore } from '../../stores/sqlite/open-memory-store.js';
import { storeFailure } from '../../stores/sqlite/sqlite-failure.js';
import type { SqliteFile, TableCounts } from '../../stores/sqlite/sqlite-file.js';
import { timestampOf } from '../layout.js';
import { sqliteManifestPath, sqlitePath } from './names.js';
import { proveCopy, type ProvenCopy } from './prove-copy.js';
import { manifestBytes, type ManifestFile } from './sqlite-manifest.js';

/** Bytes of one read of the copy. */
const READ_SIZE = 1 << 20;

export interface SqliteBackupOptions {
  /** Absolute path of the live store. */
  source: string;
  archive: WritableArchive;
  /** Absolute folder for the copy while it is proven, with room for the whole store; the backup folder itself, or TMPDIR. */
  scratch: string;
  /** When the run began; its second names the files. */
  startedAt: Date;
  /** "lifeboat 0.1.0". */
  tool: string;
  /** Told the pages that are copied. */
  onPages?: (done: number, of: number) => void;
  signal?: AbortSignal;
}

export interface SqliteBackup {
  timestamp: string;
  path: string;
  manifestPath: string;
  /** Of the file as it lies there. */
  bytes: number;
  sha256: string;
  /** Of the database. */
  plainBytes: number;
  tables: TableCounts;
  memories: ProvenCopy['memories'];
  /** Whether other processes wrote meanwhile; their writes are not in the backup. */
  writesMeanwhile: boolean;
  notes: string[];
  seconds: number;
}

/**
 * Backs up the SQLite store of MCP Memory Service while it is in use: SQLite's online backup of one state of it into a private
 * file, which is proven there (integrity check, the rows of every table as they were counted in that state), compressed into
 * the archive, and described by a manifest. In WAL mode, which the service sets, writers are not held up; in rollback mode
 * their commits wait for the copy.
 *
 * @throws Failure when the source is no sound store, when the copy is not what was counted, or when either cannot be read
 *   or written; nothing is left in the archive then
 */
export async function backUpSqlite(options: SqliteBackupOptions): Promise<SqliteBackup> {
  const { archive, scratch, startedAt } = options;
  const path = `${archive.base}${sqlitePath(timestampOf(startedAt))}`;
  const store = await openMemoryStore(options.source);
  let folder: PrivateFolder | undefined;
  let pending: PendingFile | undefined;
  try {
    // Before any work: whether there is a place to write to.
    pending = await archive.create(path);
    folder = await makePrivateFolder(scratch);
    checkSource(store, folder);
    const copy = await copyStore(store, join(folder.path, 'copy.sqlite3'), options);
    stopIfAsked(options.signal);
    const file = await compressInto(pending, copy.path, options.signal);
    return await finish(options, pending, path, copy, file);
  } finally {
    store.close();
    await pending?.abandon();
    await folder?.close();
  }
}

/** A damaged store is not worth a backup that looks like a good one. */
function checkSource(store: SqliteFile, folder: PrivateFolder): void {
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
async function compressInto(pending: PendingFile, copy: string, signal?: AbortSignal): Promise<ManifestFile> {
  const plain = new Tally();
  const packed = new Tally();
  let refusal: unknown;
  try {
    await pipeline(
      createReadStream(copy, { highWaterMark: READ_SIZE }),
      plain.tap(),
      createGzip({ chunkSize: READ_SIZE }),
      packed.tap(),
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
  return {
    bytes: packed.bytes,
    sha256: packed.digest(),
    encryption: null,
    plain_bytes: plain.bytes,
    plain_sha256: plain.digest(),
  };
}

/** Gives the file its name, then the manifest: a file without one is still whole, a manifest without a file would be a lie. */
async function finish(
  options: SqliteBackupOptions,
  pending: PendingFile,
  path: string,
  copy: StoreCopy,
  file: ManifestFile,
): Promise<SqliteBackup> {
  const { archive, startedAt } = options;
  const timestamp = timestampOf(startedAt);
  const finishedAt = new Date();
  const seconds = Math.max(0, finishedAt.getTime() - startedAt.getTime()) / 1000;
  const { tables, memories, notes, writesMeanwhile } = copy;
  const manifest = manifestBytes({
    timestamp,
    taken_at: startedAt.toISOString(),
    finished_at: finishedAt.toISOString(),
    seconds,
    tool: options.tool,
    source: { store: 'mcp-memory-service', path: options.source, sqlite: process.versions.sqlite ?? '' },
    files: { [sqlitePath(timestamp)]: file },
    tables,
    memories,
    writes_meanwhile: writesMeanwhile,
  });
  const manifestPath = `${archive.base}${sqliteManifestPath(timestamp)}`;
  const { bytes } = await pending.commit();
  try {
    if (bytes !== file.bytes) throw shortFile(archive, path, bytes, file.bytes);
    await writeWhole(archive, manifestPath, manifest);
  } catch (error) {
    // What is wrong with the backup is the news; that its file cannot be removed either is not.
    await archive.remove(path).catch(() => undefined);
    throw error;
  }
  return {
    ...{ timestamp, path, manifestPath, bytes: file.bytes, sha256: file.sha256 },
    ...{ plainBytes: file.plain_bytes, tables, memories, writesMeanwhile, notes, seconds },
  };
}

async function writeWhole(archive: WritableArchive, path: string, content: Buffer): Promise<void> {
  const pending = await archive.create(path);
  try {
    await pending.write(content);
    await pending.commit();
  } finally {
    await pending.abandon();
  }
}

function shortFile(archive: WritableArchive, path: string, found: number, written: number): Failure {
  return new Failure({
    operation: 'write the backup',
    subject: `${archive.place}: ${path}`,
    reason: `${found} bytes lie there where ${written} were written`,
    hint: 'Check the disk or the bucket, and try again.',
    exitCode: ExitCode.failed,
    code: 'backup-short',
  });
}

function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new Interrupted();
}

/** Counts and hashes what passes. */
class Tally {
  bytes = 0;
  private readonly hash = createHash('sha256');

  tap(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.bytes += chunk.length;
        this.hash.update(chunk);
        done(null, chunk);
      },
    });
  }

  digest(): string {
    return this.hash.digest('hex');
  }
}
