import { createWriteStream, type Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline as connect, type Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import type { Header } from 'tar-stream';

import { ExitCode, Failure } from '../../failure.js';
import { BESIDE_PREFIX, LAYOUT_PREFIX, readAll, STORE_FOLDERS, versionOf, type Archive } from './archive.js';
import { localArchive } from './local-archive.js';
import { folderArchive, makePrivateFolder, noRoom, type PrivateFolder } from './private-folder.js';
import { TarGuard, TarTrouble } from './tar-guard.js';

/** AutoMem's archive holds two files; a whole backup folder, some hundreds. */
const MAX_ENTRIES = 2_000;

const STORES = STORE_FOLDERS.join('|');
/** A name that begins with a letter or digit and holds no slash cannot lead anywhere else. */
const FILE_NAME = new RegExp(
  `^(?:${LAYOUT_PREFIX}/)?(?:(?:${STORES})/[A-Za-z0-9][A-Za-z0-9._-]{0,199}|${BESIDE_PREFIX}[0-9_]{15}\\.[a-z]{1,20}\\.json)$`,
);
const FOLDER_NAME = new RegExp(`^(?:${LAYOUT_PREFIX}/?)?(?:${STORES})?/?$`);

/** An archive that was unpacked. Whoever opens it closes it. */
export interface TemporaryArchive extends Archive {
  /** Removes what was unpacked. */
  close(): Promise<void>;
}

/**
 * Unpacks AutoMem's backup archive (`.tar`, `.tar.gz`, `.tgz`: what GET /backup gives) into a private folder. Nothing of
 * the archive is trusted: what does not belong into a backup is refused, and then nothing of it stays on the disk.
 *
 * @param file absolute path
 * @param scratch absolute path of the folder for temporary files
 * @throws Failure when it cannot be read, is cut short or damaged, holds what no backup holds, or does not fit the disk
 */
export async function openTarArchive(
  file: string,
  scratch: string,
  signal?: AbortSignal,
): Promise<TemporaryArchive> {
  const folder = await makePrivateFolder(scratch);
  try {
    const { size, mtime } = await unpack(file, folder, signal);
    const archive = folderArchive(folder, file, versionOf(size, mtime));
    return { ...archive, close: () => folder.close() };
  } catch (error) {
    await folder.close();
    throw asFailure(file, folder, error);
  }
}

/** @returns what the file was when its reading began */
async function unpack(file: string, folder: PrivateFolder, signal?: AbortSignal): Promise<Stats> {
  const source = await openUnzipped(file);
  const facts = await stat(file);
  const guard = new TarGuard(folder.room, facts.size);
  const entries = (await import('tar-stream')).extract();
  // Errors reach the loop through `entries`, but not the entry that is just being written: it would wait forever.
  // The parser's streams are of another make, with the same events.
  const broken = new Promise<never>((_, reject) => {
    connect(source, guard, entries as unknown as Writable, (error) => {
      if (error) reject(error);
    });
  });
  broken.catch(() => undefined);
  const seen = new Set<string>();
  for await (const entry of entries) {
    signal?.throwIfAborted();
    guard.expectBytes(entry.header.size);
    const name = checkedName(entry.header, seen);
    if (name === null) entry.resume();
    else await Promise.race([writeEntry(entry, join(folder.path, name)), broken]);
  }
  if (seen.size === 0) throw new TarTrouble('tar-empty', 'it holds no files');
  return facts;
}

async function openUnzipped(file: string): Promise<Readable> {
  const parent = localArchive(dirname(file));
  const magic = await readAll(await parent.open(basename(file), { start: 0, length: 2 }));
  const source = await parent.open(basename(file));
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return source;
  return connect(source, createGunzip({ chunkSize: 256 * 1024 }), () => undefined);
}

async function writeEntry(entry: AsyncIterable<unknown>, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // "wx" follows no link and replaces no file.
  await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
}

/** @returns where to unpack a file to, or null for a folder @throws TarTrouble for what no backup holds */
function checkedName({ name, type }: Header, seen: Set<string>): string | null {
  const shown = JSON.stringify(name.slice(0, 100));
  const path = name.replace(/^(?:\.\/)+/, '').replace(/^\.$/, '');
  if (type === 'directory') {
    if (FOLDER_NAME.test(path)) return null;
    throw foreign(`the folder ${shown}`);
  }
  if (type !== 'file' && type !== 'contiguous-file') {
    throw new TarTrouble('tar-unsafe', `${shown} is a ${type}, and a backup holds only files`);
  }
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new TarTrouble('tar-unsafe', `${shown} leads out of the archive`);
  if (!FILE_NAME.test(path)) throw foreign(shown);
  // Where upper and lower case are one, so are these names.
  const key = path.toLowerCase();
  if (seen.has(key)) throw new TarTrouble('tar-unsafe', `it holds ${shown} twice`);
  seen.add(key);
  if (seen.size > MAX_ENTRIES) throw new TarTrouble('tar-unsafe', `it holds more than ${MAX_ENTRIES} files`);
  return path;
}

function foreign(what: string): TarTrouble {
  const reason = `it holds ${what}, where a backup of AutoMem holds falkordb/… and qdrant/…`;
  return new TarTrouble('tar-foreign', reason);
}

function asFailure(file: string, folder: PrivateFolder, error: unknown): unknown {
  if (error instanceof TarTrouble)
    return error.code === 'tar-too-large' ? noRoom(file, folder) : failure(file, error.code, error.message);
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (error instanceof Failure || (error as Error).name === 'AbortError') return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return noRoom(file, folder, error);
  if (code === 'Z_BUF_ERROR' || message === 'Unexpected end of data')
    return failure(file, 'tar-truncated', 'it ends early: it was not downloaded or written whole', error);
  if (code.startsWith('Z_') || /header|tar|checksum/i.test(message))
    return failure(file, 'tar-corrupt', `it is damaged or no tar archive (${message})`, error);
  return error;
}

function failure(file: string, code: string, reason: string, cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'unpack the backup',
      subject: file,
      reason,
      hint: 'Fetch it again with GET /backup, or use another backup.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code,
    },
    { cause },
  );
}
