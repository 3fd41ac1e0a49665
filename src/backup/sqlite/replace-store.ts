import { chmod, chown, copyFile, constants, link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { diskFailure, storeFailure } from '../../stores/sqlite/sqlite-failure.js';

const OPERATION = 'replace the SQLite store';

/** The files that SQLite keeps beside a database. Left there, it would take them for those of the new one. */
const BESIDE = ['-wal', '-shm', '-journal'] as const;

/** What became of the old store. */
export interface Replaced {
  /** Where it lies now, with its log if it had one; null where there was none. */
  kept: string | null;
  notes: string[];
}

/**
 * Puts a proven file in the place of a store, in one step: under the name there is at every moment either the old store or the
 * new one, and the old one is kept as `<name>.before-<timestamp>`.
 *
 * @param fresh absolute path in the folder of the target; closed, without files beside it
 * @param target absolute path
 * @param timestamp of this restore, for the name of the old file
 * @throws Failure when the file system does not allow it
 */
export async function replaceStore(fresh: string, target: string, timestamp: string): Promise<Replaced> {
  const kept = `${target}.before-${timestamp}`;
  try {
    const notes = await takeOver(target, fresh);
    const wasThere = await keepOld(target, kept);
    for (const ending of BESIDE) await moveIfThere(`${target}${ending}`, `${kept}${ending}`);
    await rename(fresh, target);
    await syncFolder(dirname(target));
    return { kept: wasThere ? kept : null, notes };
  } catch (error) {
    throw diskFailure(OPERATION, target, error);
  }
}

/** The service must be able to open the new file as it did the old one. */
async function takeOver(target: string, fresh: string): Promise<string[]> {
  const old = await stat(target).catch(() => null);
  if (old === null) return [];
  await chmod(fresh, old.mode & 0o777);
  const now = await stat(fresh);
  if (now.uid === old.uid && now.gid === old.gid) return [];
  try {
    await chown(fresh, old.uid, old.gid);
    return [];
  } catch {
    return [
      `the store belonged to user ${old.uid}, group ${old.gid}, and now to user ${now.uid}, group ${now.gid}: the memory service may not be able to open it`,
    ];
  }
}

/** A second name for the old file, so that it never is without one. @returns whether there was one */
async function keepOld(target: string, kept: string): Promise<boolean> {
  try {
    await link(target, kept);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT') return false;
    if (code === 'EEXIST') throw keptAlready(target, kept);
    // Not every file system has links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
  }
  await copyFile(target, kept, constants.COPYFILE_EXCL);
  const file = await open(kept, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}

async function moveIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Removes a file that was not put in place, with what SQLite may have left beside it. Never throws. */
export async function discard(fresh: string): Promise<void> {
  for (const ending of ['', ...BESIDE]) await rm(`${fresh}${ending}`, { force: true }).catch(() => undefined);
}

function keptAlready(target: string, kept: string): Error {
  return storeFailure(
    OPERATION,
    target,
    `an old store is kept under the name of this second: ${kept}`,
    'Try again.',
    'sqlite-kept-exists',
  );
}
