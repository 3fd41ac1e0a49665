import { rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * The folders that are not there yet and would be made for files in these subfolders, the outermost first.
 *
 * @param folder absolute path
 */
export async function missingFolders(folder: string, subfolders: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (let path = folder; !(await isThere(path)) && path !== dirname(path); path = dirname(path))
    missing.unshift(path);
  for (const name of subfolders) {
    const path = join(folder, name);
    if (!(await isThere(path))) missing.push(path);
  }
  return missing;
}

/** Removes those that were made and are empty, the innermost first. Never throws. */
export async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const path of folders.toReversed()) await rmdir(path).catch(() => undefined);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
