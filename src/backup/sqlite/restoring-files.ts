import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { discard } from './replace-store.js';

/** Milliseconds after which nobody writes to a file any more, as with what is left of backups. */
const DEAD_AFTER_MS = 86_400_000;

/** A name for what is unpacked beside a store, and becomes it. */
export function restoringName(store: string): string {
  return `.${store}.restoring-${randomBytes(4).toString('hex')}`;
}

/**
 * Removes what restores of a store that were killed left beside it. Which process wrote a file, its name does not tell, and the
 * folder may be shared with another machine: only what nobody has written to for a day goes. Never throws.
 *
 * @param target absolute path of the store
 * @param now milliseconds since 1970
 */
export async function sweepRestoring(target: string, now: number): Promise<void> {
  const prefix = `.${basename(target)}.restoring-`;
  const folder = dirname(target);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{8}$/.test(name.slice(prefix.length))) continue;
    const facts = await stat(join(folder, name)).catch(() => null);
    if (facts?.isFile() === true && now - facts.mtimeMs >= DEAD_AFTER_MS) await discard(join(folder, name));
  }
}
