import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { checkPath } from './archive-path.js';
import { localArchive } from './local-archive.js';
import { roomIn } from './local-room.js';
import { folderFailure, writeFailure } from './local-write-failures.js';
import { partialName, sweepPartials } from './partial-file.js';
import type { PendingFile, WritableArchive } from './writable.js';

const WRITE = 'write the backup file';
const REMOVE = 'remove the backup file';

/** What file systems without hard links answer (exFAT, some network shares). */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Backups in a folder of this machine, to be written and removed. The folder is made with the first file, for this user
 * alone (0700, files 0600); one that is there keeps its permissions.
 *
 * @param folder absolute path
 */
export function writableLocalArchive(folder: string): WritableArchive {
  const reader = localArchive(folder);
  const root = reader.place;
  return {
    ...reader,
    base: '',
    create: async (path, { replace = false } = {}) => {
      checkPath(WRITE, root, path);
      return LocalFile.begin(root, path, replace);
    },
    tryOut: async (path) => {
      checkPath(WRITE, root, path);
      return roomIn(dirname(resolve(root, path)));
    },
    remove: async (path) => {
      checkPath(REMOVE, root, path);
      await removeFile(resolve(root, path));
    },
    lockedUntil: () => Promise.resolve(null),
  };
}

async function removeFile(full: string): Promise<void> {
  try {
    await unlink(full);
    await syncFolder(dirname(full));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw writeFailure(REMOVE, full, error);
  }
}

class LocalFile implements PendingFile {
  private position = 0;
  private trouble: unknown = null;
  private isOver = false;

  private constructor(
    readonly path: string,
    private readonly full: string,
    private readonly partial: string,
    private readonly file: FileHandle,
    private readonly replace: boolean,
  ) {}

  static async begin(root: string, path: string, replace: boolean): Promise<PendingFile> {
    const full = resolve(root, path);
    const folder = dirname(full);
    await makeFolder(folder);
    await sweepPartials(folder, Date.now());
    const partial = join(folder, partialName(basename(full)));
    try {
      if (!replace) await refuseTaken(full);
      // "wx" follows no link and replaces no file.
      return new LocalFile(path, full, partial, await open(partial, 'wx', 0o600), replace);
    } catch (error) {
      throw writeFailure(WRITE, full, error);
    }
  }

  async write(chunk: Buffer): Promise<void> {
    this.mustBeOpen();
    const start = this.position;
    this.position += chunk.length;
    try {
      // The system may take a part of it only, and says what is wrong when asked to take the rest.
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.file.write(chunk, done, chunk.length - done, start + done);
        done += bytesWritten;
      }
    } catch (error) {
      this.trouble ??= error;
      throw writeFailure(WRITE, this.full, this.trouble);
    }
  }

  async commit(): Promise<{ bytes: number }> {
    this.mustBeOpen();
    let isNamed = false;
    try {
      // What a write said once, a network disk may say again only now.
      if (this.trouble !== null) throw this.trouble as Error;
      await this.file.sync();
      const { size } = await this.file.stat();
      if (size !== this.position) throw Object.assign(new Error('another size'), { code: 'short' });
      await this.file.close();
      await this.giveName();
      isNamed = true;
      await syncFolder(dirname(this.full));
      this.isOver = true;
      return { bytes: size };
    } catch (error) {
      await this.abandon();
      // Nobody knows whether the name outlives a crash: better none than one that may vanish.
      if (isNamed && !this.replace) await rm(this.full, { force: true }).catch(() => undefined);
      throw writeFailure(WRITE, this.full, error);
    }
  }

  async abandon(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.file.close().catch(() => undefined);
    await rm(this.partial, { force: true }).catch(() => undefined);
  }

  /** A hard link, unlike a rename, replaces nothing. */
  private async giveName(): Promise<void> {
    if (this.replace) return rename(this.partial, this.full);
    try {
      await link(this.partial, this.full);
    } catch (error) {
      if (!NO_LINKS.has(codeOf(error))) throw error;
      await refuseTaken(this.full);
      return rename(this.partial, this.full);
    }
    // It stays as a second name of a whole file where this fails; the next attempts remove it.
    await rm(this.partial, { force: true }).catch(() => undefined);
  }

  private mustBeOpen(): void {
    if (this.isOver) throw new Error(`${this.path} was committed or abandoned already`);
  }
}

async function refuseTaken(full: string): Promise<void> {
  const taken = await lstat(full).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (taken !== null) throw Object.assign(new Error('it is there'), { code: 'EEXIST' });
}

/** Makes a folder and those above it that are missing, so that they outlive a crash too. */
async function makeFolder(folder: string): Promise<void> {
  try {
    // One at a time: below /proc, making all of them at once never comes to its end (Node.js 24).
    const missing: string[] = [];
    for (let path = folder; !(await isThere(path)); path = dirname(path)) missing.unshift(path);
    for (const path of missing) {
      await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      await syncFolder(dirname(path));
    }
  } catch (error) {
    throw folderFailure(folder, error);
  }
}

/** @throws ENOTDIR and the like, where it cannot be made either */
async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory() || (await readdir(path)).length >= 0;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || path === dirname(path)) throw error;
    return false;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network disks know no such thing.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) throw error;
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
