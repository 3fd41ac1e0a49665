import { constants, type Dirent } from 'node:fs';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';

import { ExitCode, Failure } from '../../failure.js';
import {
  BESIDE_PREFIX,
  changedFile,
  LAYOUT_PREFIX,
  STORE_FOLDERS,
  versionOf,
  type Archive,
  type ArchiveEntry,
  type ByteRange,
} from './archive.js';
import { isPartial } from './partial-file.js';

/** Bytes of one read. Large reads keep inflating fed. */
const READ_SIZE = 1 << 20;

/**
 * Backups in a folder of this machine: `<folder>/falkordb/…`, `<folder>/qdrant/…` and `<folder>/lifeboat_…`, also under
 * `automem-backups/`, as a copy of the S3 bucket has them.
 *
 * @param folder absolute path
 */
export function localArchive(folder: string): Archive {
  const root = resolve(folder);
  return {
    place: root,
    list: () => listFolder(root),
    open: (path, range, version) => openFile(root, path, range, version),
  };
}

async function listFolder(root: string): Promise<ArchiveEntry[]> {
  const facts = await stat(root).catch((error: unknown) => {
    throw folderFailure(root, error);
  });
  if (!facts.isDirectory()) throw folderFailure(root, { code: 'ENOTDIR' });
  const entries: ArchiveEntry[] = [];
  for (const base of ['', LAYOUT_PREFIX]) {
    entries.push(...(await filesBeside(root, base)));
    for (const store of STORE_FOLDERS) entries.push(...(await walk(root, join(base, store))));
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What lies beside the folders of the stores, and in no folder. */
async function filesBeside(root: string, folder: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  for (const child of await childrenOf(join(root, folder))) {
    if (!child.name.startsWith(BESIDE_PREFIX) || !(child.isFile() || child.isSymbolicLink())) continue;
    const entry = await entryOf(root, join(folder, child.name));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

async function childrenOf(path: string): Promise<Dirent[]> {
  return readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    // A path that ends in a file is not one of AutoMem's folders.
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw folderFailure(path, error);
  });
}

/** Files under a folder. A link to a folder below the first level is left alone: it may lead in a circle. */
async function walk(root: string, folder: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  for (const child of await childrenOf(join(root, folder))) {
    // It has no name of its own yet.
    if (isPartial(child.name)) continue;
    const inner = join(folder, child.name);
    if (child.isDirectory()) entries.push(...(await walk(root, inner)));
    else if (child.isFile() || child.isSymbolicLink()) {
      const entry = await entryOf(root, inner);
      if (entry !== null) entries.push(entry);
    }
  }
  return entries;
}

async function entryOf(root: string, inner: string): Promise<ArchiveEntry | null> {
  const path = inner.split(sep).join('/');
  try {
    const facts = await stat(join(root, inner));
    if (!facts.isFile()) return null;
    const { size: bytes, mtime, ctime } = facts;
    return {
      ...{ path, bytes, modified: mtime.toISOString() },
      ...{ version: versionOf(bytes, mtime), changed: ctime.toISOString() },
    };
  } catch (error) {
    // One bad link must not hide the good backups beside it: it is listed with what is wrong.
    const code = codeOf(error);
    const unusable =
      code === 'ENOENT'
        ? 'it is a link to a file that is not there'
        : code === 'ELOOP'
          ? 'it is a link that leads in a circle'
          : `it cannot be looked at (${code})`;
    return { path, bytes: 0, modified: new Date(0).toISOString(), unusable };
  }
}

async function openFile(root: string, path: string, range?: ByteRange, version?: string): Promise<Readable> {
  const full = resolve(root, path);
  const inside = relative(root, full);
  if (inside === '' || inside.startsWith('..') || isAbsolute(inside)) {
    throw fileFailure(full, { code: 'outside' });
  }
  if (range?.length === 0) return Readable.from([]);
  let handle: FileHandle | undefined;
  try {
    // A pipe without a writer would never open otherwise.
    handle = await open(full, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await handle.stat();
    if (!facts.isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' });
    if (versionOf(facts.size, facts.mtime) !== (version ?? versionOf(facts.size, facts.mtime)))
      throw changedFile(full);
  } catch (error) {
    await handle?.close();
    throw fileFailure(full, error);
  }
  const opened = handle;
  const stream = Readable.from(readChunks(opened, full, range), {
    objectMode: false,
    highWaterMark: READ_SIZE,
  });
  // A generator that was never asked for anything never comes to its end.
  return stream.once('close', () => void opened.close().catch(() => undefined));
}

async function* readChunks(handle: FileHandle, path: string, range?: ByteRange): AsyncGenerator<Buffer> {
  let position = range?.start ?? 0;
  let left = range?.length ?? Infinity;
  try {
    while (left > 0) {
      // A fresh buffer for each read: the reader may still hold the last one.
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_SIZE, left));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch((error: unknown) => {
        throw fileFailure(path, error);
      });
      if (bytesRead === 0) return;
      position += bytesRead;
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

const FOLDER_REASONS: Readonly<Record<string, [reason: string, hint: string, code: string]>> = {
  ENOENT: [
    'the folder is not there',
    'Set AUTOMEM_BACKUP_DIR to the folder that holds falkordb/ and qdrant/.',
    'archive-missing',
  ],
  ENOTDIR: ['it is not a folder', 'Set AUTOMEM_BACKUP_DIR to a folder.', 'archive-missing'],
  EACCES: [
    'permission denied',
    'Run as a user who may read it, or change its permissions.',
    'archive-denied',
  ],
  EPERM: ['permission denied', 'Run as a user who may read it, or change its permissions.', 'archive-denied'],
  ELOOP: ['it is a link that leads in a circle', 'Set AUTOMEM_BACKUP_DIR to a folder.', 'archive-missing'],
};

function folderFailure(path: string, error: unknown): Failure {
  const code = codeOf(error);
  const [reason, hint, word] = FOLDER_REASONS[code] ?? [
    `it cannot be read (${code})`,
    'Check the disk and the mount.',
    'archive-unreadable',
  ];
  return new Failure(
    {
      operation: 'list the backups',
      subject: path,
      reason,
      hint,
      exitCode: word === 'archive-missing' ? ExitCode.nothingToRecoverFrom : ExitCode.failed,
      code: word,
    },
    { cause: error },
  );
}

const FILE_REASONS: Readonly<Record<string, [reason: string, code: string]>> = {
  ENOENT: ['the file is not there', 'archive-file-missing'],
  ENOTDIR: ['the file is not there', 'archive-file-missing'],
  EACCES: ['permission denied', 'archive-file-denied'],
  EPERM: ['permission denied', 'archive-file-denied'],
  ELOOP: ['it is a link that leads in a circle', 'archive-file-unusable'],
  EISDIR: ['it is not a file', 'archive-file-unusable'],
  outside: ['it lies outside the backup folder', 'archive-file-unusable'],
};

function fileFailure(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const code = codeOf(error);
  const [reason, word] = FILE_REASONS[code] ?? [`reading broke off (${code})`, 'archive-unreadable'];
  return new Failure(
    {
      operation: 'read the backup file',
      subject: path,
      reason,
      hint: 'Use another backup, or make this file readable and try again.',
      exitCode: ExitCode.failed,
      code: word,
    },
    { cause: error },
  );
}
