import { catalogue } from '../../backup/catalogue.js';
import { decryptingArchive, type DecryptingArchive } from '../../backup/decrypting-archive.js';
import { readIdentities } from '../../backup/encryption.js';
import type { BackupPair } from '../../backup/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { backupPlaces, type Destination } from './places.js';

/** A place with backups: as it can be read, with the keys of the settings, and as it can be written. */
export interface ReadablePlace {
  archive: DecryptingArchive;
  writable: WritableArchive;
  /** Newest first. */
  pairs: BackupPair[];
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
 * @throws Failure where not one place can be listed
 */
export async function readablePlaces(settings: Settings, at: Destination | null): Promise<ReadablePlaces> {
  const { identityFile } = settings.backups;
  const identities = async (): Promise<string[]> =>
    identityFile === null ? [] : readIdentities(identityFile);
  const places: ReadablePlace[] = [];
  const failures: Failure[] = [];
  for (const writable of backupPlaces(settings, at)) {
    try {
      const pairs = await pairsOf(writable);
      places.push({ archive: decryptingArchive(writable, identities), writable, pairs });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  if (places.length === 0 && failures[0] !== undefined) throw failures[0];
  return { places, failures };
}

async function pairsOf(writable: WritableArchive): Promise<BackupPair[]> {
  try {
    return await catalogue(writable);
  } catch (error) {
    if (error instanceof Failure && error.code === 'archive-missing') return [];
    throw error;
  }
}

/**
 * The backup that is meant by a timestamp or "latest".
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
  if (failures[0] !== undefined) throw failures[0];
  const where = places.map(({ archive }) => archive.place).join(' and ');
  throw new Failure({
    operation,
    subject: name,
    reason:
      timestamps.length === 0 ? `there is no backup in ${where}` : `there is no such backup in ${where}`,
    hint: 'To see which there are: lifeboat backup list. To make one: lifeboat backup create.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-none',
  });
}
