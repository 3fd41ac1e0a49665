import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { folderFailure, writeFailure } from './local-write-failures.js';

/**
 * Looks whether files could be written to a folder, and writes nothing. Of a folder that is not there, the one above it
 * counts in which it would be made.
 *
 * @param folder absolute path
 * @returns bytes that are free there for this user
 * @throws Failure as a write would, where the rights, the path or the mount forbid it
 */
export async function roomIn(folder: string): Promise<number> {
  let there = folder;
  try {
    while (!(await isFolder(there))) there = dirname(there);
  } catch (error) {
    throw folderFailure(folder, error);
  }
  try {
    await access(there, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(there);
    return bavail * bsize;
  } catch (error) {
    throw writeFailure('write the backup file', folder, error);
  }
}

/** @returns false where it is not there @throws ENOTDIR and the like */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw error;
    return false;
  }
  throw Object.assign(new Error('a file is in the way'), { code: 'ENOTDIR' });
}
