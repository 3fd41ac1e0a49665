import { takeInventory, type Inventory } from '../../backup/inventory/inventory.js';
import { removePin, writePin } from '../../backup/inventory/pin.js';
import { ExitCode, Failure } from '../../failure.js';
import { thisProcess } from '../../recovery/holder.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { backupNamed } from './list-backups.js';
import { backupPlaces } from './places.js';

/** What came of it at one place that has the backup, or that could not be asked. */
export interface PinnedPlace {
  place: string;
  failure: Failure | null;
  /** Whether it was pinned there before. */
  wasPinned: boolean;
}

export interface PinResult {
  timestamp: string;
  places: PinnedPlace[];
  exitCode: ExitCode;
}

/**
 * Pins a backup, at each place that has it: it is never pruned then.
 *
 * @param name a timestamp or "latest"
 * @throws Failure where there is no such backup (exit 4)
 */
export async function pinBackup(
  settings: Settings,
  name: string,
  { reason, now }: { reason: string | null; now: Date },
): Promise<PinResult> {
  const pin = { at: now.toISOString(), by: thisProcess().owner, reason };
  return atEachPlace(settings, 'pin the backup', name, now, (archive, timestamp) =>
    writePin(archive, archive.base, timestamp, pin),
  );
}

/** Takes the pin of a backup away, at each place that has it. @throws as pinBackup */
export async function unpinBackup(
  settings: Settings,
  name: string,
  { now }: { now: Date },
): Promise<PinResult> {
  return atEachPlace(settings, 'unpin the backup', name, now, (archive, timestamp) =>
    removePin(archive, archive.base, timestamp),
  );
}

async function atEachPlace(
  settings: Settings,
  operation: string,
  name: string,
  now: Date,
  act: (archive: WritableArchive, timestamp: string) => Promise<void>,
): Promise<PinResult> {
  const archives = backupPlaces(settings, null);
  const inventory = await takeInventory(archives, now);
  const pair = backupNamed(operation, inventory, name);
  const own = pair.copies.filter(({ isOwn }) => isOwn);
  if (own.length === 0) throw elsewhere(operation, pair.timestamp, pair.copies[0]?.place ?? '');
  const places = unreachable(inventory);
  for (const archive of archives.filter((one) => own.some((copy) => copy.archive === one))) {
    const failure = await act(archive, pair.timestamp).then(
      () => null,
      (error: unknown) => {
        if (error instanceof Failure) return error;
        throw error;
      },
    );
    const wasPinned = own.some((copy) => copy.archive === archive && copy.pinned !== null);
    places.push({ place: archive.place, failure, wasPinned });
  }
  const failed = places.find(({ failure }) => failure !== null)?.failure ?? null;
  return { timestamp: pair.timestamp, places, exitCode: failed?.exitCode ?? ExitCode.done };
}

/** It may lie there too. */
function unreachable({ places }: Inventory): PinnedPlace[] {
  return places.flatMap(({ place, failure }) =>
    failure === null ? [] : [{ place, failure, wasPinned: false }],
  );
}

function elsewhere(operation: string, subject: string, place: string): Failure {
  return new Failure({
    operation,
    subject,
    reason: `it lies in ${place}, where no new backups go`,
    hint: 'It needs no pin: only what lies where new backups go is ever pruned.',
    exitCode: ExitCode.usage,
    code: 'backup-elsewhere',
  });
}
