import { randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const PATTERN = /^\..+\.[0-9a-f]{16}\.partial$/;

/** Milliseconds after which nobody writes to a file any more: no backup is silent for a day. */
const DEAD_AFTER_MS = 86_400_000;

/** A name for a file that is not whole yet, beside the file that it becomes: a rename must not cross devices. */
export function partialName(name: string): string {
  return `.${name}.${randomBytes(8).toString('hex')}.partial`;
}

/** Whether a name is one that {@link partialName} gives. */
export function isPartial(name: string): boolean {
  return PATTERN.test(name);
}

/** Removes what attempts that were killed left in a folder. Never throws: the space is all that it is about. */
export async function sweepPartials(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!isPartial(name)) continue;
    const path = join(folder, name);
    const facts = await stat(path).catch(() => null);
    if (facts === null || now - facts.mtimeMs < DEAD_AFTER_MS) continue;
    await rm(path).catch(() => undefined);
  }
}
