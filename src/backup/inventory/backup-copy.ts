import type { CopyFacts } from './copy-facts.js';
import { lookAtPair } from './pair-copy.js';
import type { FoundBackup } from './place-files.js';
import { lookAtSqlite } from './sqlite-copy.js';

/** One backup in one folder of one place. */
export type BackupCopy = FoundBackup & CopyFacts;

/**
 * Reads what lies beside a backup; of the backup itself nothing.
 *
 * @throws Failure when the place cannot be read
 */
export async function lookAtCopy(found: FoundBackup): Promise<BackupCopy> {
  return found.kind === 'automem'
    ? { ...found, ...(await lookAtPair(found)) }
    : { ...found, ...(await lookAtSqlite(found)) };
}
