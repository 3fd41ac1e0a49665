import { Failure } from '../../failure.js';
import { SqliteFile } from './sqlite-file.js';

/** How long a lock is waited for, in milliseconds: a reader that is just passing is no reason to refuse. */
const PATIENCE_MS = 1_000;

/**
 * - `settled`: no other process has it open, and its write-ahead log is worked in and gone
 * - `in-use`: another process has it open; in rollback mode only one that is reading or writing at this moment can be told
 * - `damaged`: it cannot be opened as a database, so it cannot be told
 */
export type SoleUse = 'settled' | 'in-use' | 'damaged';

const DAMAGED = new Set(['sqlite-corrupt', 'sqlite-not-sqlite', 'sqlite-io']);

/**
 * Finds out whether a database is in use, by taking it for this process alone, and works its write-ahead log in: the file is
 * then complete in itself and can be moved.
 *
 * @throws Failure when it may not be written to
 */
export function takeSoleUse(path: string): SoleUse {
  let file: SqliteFile | undefined;
  try {
    file = SqliteFile.openToWrite(path, PATIENCE_MS);
    // In WAL mode even an idle connection holds a lock that this one runs into.
    file.run('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    file.run('PRAGMA wal_checkpoint(TRUNCATE)');
    return 'settled';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'sqlite-locked') return 'in-use';
    if (DAMAGED.has(error.code)) return 'damaged';
    throw error;
  } finally {
    file?.close();
  }
}
