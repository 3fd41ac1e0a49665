import type { PlacedBackup } from '../../backup/create/create-backup.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import { writableLocalArchive } from '../../stores/archive/local-writer.js';
import { writableS3Archive } from '../../stores/archive/s3-writer.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { stoppableArchive } from '../run/stoppable-archive.js';

/** Where backups are written. */
export const DESTINATIONS = ['local', 's3', 'both'] as const;
export type Destination = (typeof DESTINATIONS)[number];

/** What became of a backup at each place, for people. */
export function placeLines(places: readonly PlacedBackup[]): string[] {
  return places.flatMap(({ place, failure, made }) => {
    if (failure !== null) return [`  ✗ ${place}: ${failure.reason}`];
    const says = `  ! ${place} was not there, and was made. Was another folder meant, or a disk that is not mounted?`;
    return [`  ✓ ${place}`, ...(made ? [says] : [])];
  });
}

/**
 * The places that backups go to.
 *
 * @param to null for all that are set up: the folder, and the bucket where there is one
 * @param signal ends whatever is being asked of them when it aborts
 * @throws Failure (exit 2) where a bucket is asked for and none is set
 */
export function backupPlaces(
  settings: Settings,
  to: Destination | null,
  signal?: AbortSignal,
): WritableArchive[] {
  const places = allPlaces(settings, to);
  return signal === undefined ? places : places.map((archive) => stoppableArchive(archive, signal));
}

function allPlaces({ backups }: Settings, to: Destination | null): WritableArchive[] {
  const local = writableLocalArchive(backups.dir);
  const s3 = backups.s3 === null ? null : writableS3Archive(backups.s3);
  if (s3 === null) {
    if (to === null || to === 'local') return [local];
    throw new Failure({
      operation: 'back up to S3',
      subject: 'AUTOMEM_S3_BUCKET',
      reason: 'no bucket is set',
      hint: 'Set AUTOMEM_S3_BUCKET to the name of the bucket, or write to the folder alone with --to local.',
      exitCode: ExitCode.usage,
      code: 'no-bucket',
    });
  }
  if (to === 'local') return [local];
  return to === 's3' ? [s3] : [local, s3];
}
