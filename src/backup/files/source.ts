import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { mkdir, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ExitCode, Failure } from '../../failure.js';
import { readAll, versionOf, type Archive } from '../../stores/archive/archive.js';
import { localArchive } from '../../stores/archive/local-archive.js';
import {
  folderArchive,
  makePrivateFolder,
  noRoom,
  type PrivateFolder,
} from '../../stores/archive/private-folder.js';
import { openTarArchive } from '../../stores/archive/tar-archive.js';
import { catalogue, parseTimestamp } from '../catalogue.js';
import { decryptingArchive } from '../decrypting-archive.js';
import { decrypt, isAge } from '../encryption.js';
import { ENCRYPTED_SUFFIX, halfPath } from '../layout.js';
import { gunzipStream } from './container.js';
import { rewritePointList } from './point-list.js';
import { sniff, SNIFFED, type Sniffed } from './sniff-file.js';
import type { BackupPair } from '../types.js';

export interface BackupSourceOptions {
  /** A single file: AutoMem's archive, either half, or the list of points that its documentation shows. */
  file?: string;
  /** A folder that holds `falkordb/` and `qdrant/`. Either this or `file`. */
  dir?: string;
  /** Absolute path of the folder for temporary files. */
  scratch: string;
  /** Reads the secret keys that open an encrypted file; not given, such a file is refused. */
  identities?: () => Promise<readonly string[]>;
  /** What "the future" is measured against. */
  now?: Date;
  signal?: AbortSignal;
}

/** Backups that are ready to be read, wherever they come from. Whoever opens it closes it. */
export interface OpenedBackups {
  archive: Archive;
  /** Newest first. A single file is one pair whose other half is missing. */
  pairs: BackupPair[];
  /** What the operator must know of how they were read, in plain words. */
  notes: string[];
  /** Removes temporary files. */
  close(): Promise<void>;
}

/**
 * Opens backups from a folder or a single file. What a file is, is found by looking into it: its name says nothing.
 *
 * @throws Failure when it is not there, cannot be read, or is nothing that a restore can use; nothing stays on the disk then
 */
export async function openBackupSource(options: BackupSourceOptions): Promise<OpenedBackups> {
  const { file, dir, now } = options;
  if (file === undefined) {
    const archive = localArchive(resolve(dir ?? '.'));
    return { archive, pairs: await catalogue(archive, now), notes: [], close: () => Promise.resolve() };
  }
  const opened = await openFile(resolve(file), options);
  try {
    const pairs = await catalogue(opened.archive, now);
    if (pairs.length > 0) return { ...opened, pairs };
    throw unusable(file, 'it holds no file that is named as AutoMem names its backups');
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** What the form of age begins with that is text. */
const DASH = 45;

type Opened = Omit<OpenedBackups, 'pairs'>;

async function openFile(file: string, { scratch, signal, identities }: BackupSourceOptions): Promise<Opened> {
  const facts = await lookAt(file);
  const head = await readAll(
    await localArchive(dirname(file)).open(basename(file), { start: 0, length: SNIFFED }),
  );
  if (isAge(head) && head[0] === DASH)
    throw unusable(file, 'it is encrypted with age, as text: decrypt it first');
  if (identities !== undefined && isAge(head)) return openEncrypted(file, facts, scratch, identities);
  const sniffed = sniff(head);
  if (sniffed.kind === 'other') throw unusable(file, `it is ${sniffed.description}`);
  if (sniffed.kind === 'tar') {
    const archive = await openTarArchive(file, scratch, signal);
    const opened = identities === undefined ? archive : decryptingArchive(archive, identities);
    return { archive: opened, notes: [], close: () => archive.close() };
  }
  const { timestamp, notes } = timestampOf(file, sniffed, facts);
  const folder = await makePrivateFolder(scratch);
  try {
    await present(file, facts, sniffed, timestamp, folder, signal);
  } catch (error) {
    await folder.close();
    throw error;
  }
  const version = isLinked(sniffed) ? null : versionOf(facts.size, facts.mtime);
  return { archive: folderArchive(folder, file, version), notes, close: () => folder.close() };
}

/** One half that is encrypted: it is decrypted where it lies, each time it is read, and nothing of it is written in the clear. */
async function openEncrypted(
  file: string,
  facts: Stats,
  scratch: string,
  identities: () => Promise<readonly string[]>,
): Promise<Opened> {
  const sniffed = sniff(await decryptedHead(file, await identities()));
  if (!isLinked(sniffed) || (sniffed.kind !== 'graph' && sniffed.kind !== 'vectors'))
    throw unusable(file, 'it is encrypted with age, and what it holds is no gzipped half: decrypt it first');
  const { timestamp, notes } = timestampOf(file, sniffed, facts);
  const folder = await makePrivateFolder(scratch);
  try {
    const path = join(folder.path, `${halfPath(sniffed.kind, timestamp)}${ENCRYPTED_SUFFIX}`);
    await mkdir(dirname(path), { mode: 0o700 });
    await symlink(file, path);
  } catch (error) {
    await folder.close();
    throw error;
  }
  const linked = folderArchive(folder, file, versionOf(facts.size, facts.mtime));
  return { archive: decryptingArchive(linked, identities), notes, close: () => folder.close() };
}

/** @throws Failure `backup-key` where no key opens it */
async function decryptedHead(file: string, keys: readonly string[]): Promise<Buffer> {
  const source = await localArchive(dirname(file)).open(basename(file));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of (await decrypt(file, source, keys)) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= SNIFFED) break;
  }
  return Buffer.concat(chunks).subarray(0, SNIFFED);
}

async function lookAt(file: string): Promise<Stats> {
  const facts = await stat(file).catch((error: unknown) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw misnamed(file, code === 'ENOENT' ? 'the file is not there' : `it cannot be looked at (${code})`);
  });
  if (facts.isDirectory())
    throw misnamed(file, 'it is a folder', 'Set AUTOMEM_BACKUP_DIR to the folder, or name a file in it.');
  if (!facts.isFile()) throw misnamed(file, 'it is not a file');
  return facts;
}

/** Whether the file can be read where it lies. */
function isLinked({ kind, isGzip }: Sniffed): boolean {
  return kind !== 'point-list' && isGzip;
}

/** Puts one file under the name that AutoMem would give it into a folder laid out as AutoMem lays it out. */
async function present(
  file: string,
  facts: Stats,
  sniffed: Sniffed,
  timestamp: string,
  folder: PrivateFolder,
  signal?: AbortSignal,
): Promise<void> {
  const { kind, isGzip } = sniffed;
  const store = kind === 'graph' ? 'falkordb' : 'qdrant';
  const path = join(folder.path, store, `${store}_${timestamp}.json.gz`);
  await mkdir(dirname(path), { mode: 0o700 });
  if (isLinked(sniffed)) {
    await symlink(file, path);
    return;
  }
  const chunks = isGzip
    ? gunzipStream(localArchive(dirname(file)), { path: basename(file), bytes: facts.size })
    : (createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>);
  const text = kind === 'point-list' ? rewritePointList(file, chunks, timestamp) : chunks;
  try {
    await pipeline(
      within(text, file, folder),
      // Copies for a few minutes' use are not worth the time that compressing takes.
      createGzip({ level: 0 }),
      createWriteStream(path, { flags: 'wx', mode: 0o600 }),
      { signal },
    );
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw code === 'ENOSPC' || code === 'EDQUOT' ? noRoom(file, folder, error) : error;
  }
}

async function* within(
  chunks: AsyncIterable<Buffer | string>,
  file: string,
  folder: PrivateFolder,
): AsyncGenerator<Buffer | string> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += Buffer.byteLength(chunk);
    if (bytes > folder.room) throw noRoom(file, folder);
    yield chunk;
  }
}

/** The run that a file is of: as it says itself, else as its name says, else when it was last changed. */
function timestampOf(file: string, sniffed: Sniffed, facts: Stats): { timestamp: string; notes: string[] } {
  const own = sniffed.timestamp;
  if (own !== null && parseTimestamp(own) !== null) return { timestamp: own, notes: [] };
  const named = /\d{8}_\d{6}/.exec(basename(file))?.[0];
  if (named !== undefined && parseTimestamp(named) !== null)
    return { timestamp: named, notes: [`${file} does not say when it was taken; its name says ${named}.`] };
  const [date = '', time = ''] = facts.mtime.toISOString().split('T');
  const timestamp = `${date.replaceAll('-', '')}_${time.slice(0, 8).replaceAll(':', '')}`;
  return {
    timestamp,
    notes: [
      `${file} does not say when it was taken; its age is counted from when it was last changed, ${timestamp}.`,
    ],
  };
}

const FILES =
  'Name an archive from GET /backup, a graph half (falkordb_….json.gz), a vector half (qdrant_….json.gz), or a JSON list of points.';

/** What is named is no file at all: a mistake of whoever named it. */
function misnamed(file: string, reason: string, hint = FILES): Failure {
  return fileFailure(file, reason, hint, ExitCode.usage);
}

function unusable(file: string, reason: string): Failure {
  return fileFailure(file, reason, FILES, ExitCode.nothingToRecoverFrom);
}

function fileFailure(subject: string, reason: string, hint: string, exitCode: ExitCode): Failure {
  const code = 'backup-file-unusable';
  return new Failure({ operation: 'use the file as a backup', subject, reason, hint, exitCode, code });
}
