import { tmpdir } from 'node:os';
import { openBackupSource } from '../../backup/files/source.js';
import type { Settings } from '../../settings/settings.js';
import type { Archive } from '../../stores/archive/archive.js';
import { archives, secretKeys } from './world.js';

/** Where backups are looked for. Whoever opens it closes it. */
export interface BackupPlaces {
  /** In order of preference. */
  archives: Archive[];
  /** Whether it is one file that the operator named. */
  isFile: boolean;
  /** What the operator must know of how that file was read. */
  notes: string[];
  /** Removes what the file was unpacked to. */
  close(): Promise<void>;
}

/**
 * The folder and the bucket of the settings, or the one file in their place.
 *
 * @param file absolute path; null for the places of the settings
 * @throws Failure where the file is nothing that a restore can use
 */
export async function openPlaces(
  settings: Settings,
  file: string | null,
  signal: AbortSignal,
): Promise<BackupPlaces> {
  if (file === null)
    return { archives: archives(settings), isFile: false, notes: [], close: () => Promise.resolve() };
  const opened = await openBackupSource({
    file,
    scratch: tmpdir(),
    signal,
    identities: () => secretKeys(settings),
  });
  return { archives: [opened.archive], isFile: true, notes: opened.notes, close: () => opened.close() };
}
