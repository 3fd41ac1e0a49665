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

/**
 * The places of the settings that hold backups, the folder first. A folder that is not there holds none.
 *
 * @param at null for all that are set up
 * @throws Failure where a place cannot be listed
 */
export async function readablePlaces(settings: Settings, at: Destination | null): Promise<ReadablePlace[]> {
  const { identityFile } = settings.backups;
  const identities = async (): Promise<string[]> =>
    identityFile === null ? [] : readIdentities(identityFile);
  const places: ReadablePlace[] = [];
  for (const writable of backupPlaces(settings, at)) {
    const pairs = await pairsOf(writable);
    places.push({ archive: decryptingArchive(writable, identities), writable, pairs });
  }
  return places;
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
 * @throws Failure (exit 4) where there is none of it
 */
export function namedTimestamp(operation: string, places: readonly ReadablePlace[], name: string): string {
  const timestamps = places.flatMap(({ pairs }) => pairs.map(({ timestamp }) => timestamp));
  const found = name === 'latest' ? timestamps.sort().at(-1) : timestamps.find((one) => one === name);
  if (found !== undefined) return found;
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
