import { catalogue } from '../../backup/catalogue.js';
import { decryptingArchive, type DecryptingArchive } from '../../backup/decrypting-archive.js';
import { readIdentities } from '../../backup/encryption.js';
import { sqliteBackups, type SqliteBackupFile } from '../../backup/sqlite/names.js';
import type { BackupPair } from '../../backup/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { ArchiveEntry } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { backupPlaces, type Destination } from './places.js';

/** A place with backups: as it can be read, with the keys of the settings, and as it can be written. */
export interface ReadablePlace {
  archive: DecryptingArchive;
  writable: WritableArchive;
  /** Newest first. */
  pairs: BackupPair[];
  /** Backups of SQLite stores; newest first. */
  stores: SqliteBackupFile[];
}

export interface ReadablePlaces {
  places: ReadablePlace[];
  /** Of the places that cannot be listed. */
  failures: Failure[];
}

/**
 * The places of the settings that hold backups, the folder first. A folder that is not there holds none.
 *
 * @param at null for all that are set up
 * @param signal ends whatever is being asked of them when it aborts
 * @throws Failure where not one place can be listed
 */
export async function readablePlaces(
  settings: Settings,
  at: Destination | null,
  signal?: AbortSignal,
): Promise<ReadablePlaces> {
  const identities = identitiesOf(settings);
  const places: ReadablePlace[] = [];
  const failures: Failure[] = [];
  for (const writable of backupPlaces(settings, at, signal)) {
    try {
      const entries = await entriesOf(writable);
      const listed = { ...writable, list: () => Promise.resolve(entries) };
      const [pairs, stores] = [await catalogue(listed), sqliteBackups(entries)];
      places.push({ archive: decryptingArchive(writable, identities), writable, pairs, stores });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  if (places.length === 0 && failures[0] !== undefined) throw failures[0];
  return { places, failures };
}

/** Reads the secret keys of the settings; none where no file is set. */
export function identitiesOf({ backups: { identityFile } }: Settings): () => Promise<readonly string[]> {
  return async () => (identityFile === null ? [] : readIdentities(identityFile));
}

async function entriesOf(writable: WritableArchive): Promise<ArchiveEntry[]> {
  try {
    return await writable.list();
  } catch (error) {
    if (error instanceof Failure && error.code === 'archive-missing') return [];
    throw error;
  }
}

/**
 * The pair that is meant by a timestamp or "latest".
 *
 * @throws Failure (exit 4) where there is none of it; what a place said that cannot be listed, where it may lie there
 */
export function namedTimestamp(
  operation: string,
  { places, failures }: ReadablePlaces,
  name: string,
): string {
  const pairs = places.flatMap((place) => place.pairs);
  // One that claims to be of tomorrow is not the latest: a clock is wrong.
  const timestamps = pairs
    .filter(({ fromFuture }) => name !== 'latest' || fromFuture !== true)
    .map(({ timestamp }) => timestamp);
  const found = name === 'latest' ? timestamps.sort().at(-1) : timestamps.find((one) => one === name);
  if (found !== undefined) return found;
  if (places.some(({ stores }) => stores.some(({ timestamp }) => timestamp === name)))
    throw ofSqlite(operation, name);
  throw noneNamed(operation, { places, failures }, name, timestamps.length > 0);
}

function ofSqlite(operation: string, subject: string): Failure {
  return new Failure({
    operation,
    subject,
    reason: 'it is the backup of a SQLite store, which is no pair of graph and vectors',
    hint: 'Verify it with: lifeboat backup verify --source sqlite. What is readable of a damaged database: sqlite3 FILE .recover',
    exitCode: ExitCode.usage,
    code: 'backup-of-sqlite',
  });
}

/**
 * What to say where there is no such backup: what a place said that cannot be listed, where it may lie there; else that there
 * is none.
 *
 * @param hasOthers whether there are others
 */
export function noneNamed(
  operation: string,
  { places, failures }: ReadablePlaces,
  name: string,
  hasOthers: boolean,
): Failure {
  if (failures[0] !== undefined) return failures[0];
  const where = places.map(({ archive }) => archive.place).join(' and ');
  return new Failure({
    operation,
    subject: name,
    reason: hasOthers ? `there is no such backup in ${where}` : `there is no backup in ${where}`,
    hint: 'To see which there are: lifeboat backup list. To make one: lifeboat backup create.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-none',
  });
}
