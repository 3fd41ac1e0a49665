import type { BackupCopy } from '../../backup/inventory/backup-copy.js';
import { takeInventory, type Inventory, type InventoryBackup } from '../../backup/inventory/inventory.js';
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

/** Which backup is meant, and when. */
export interface PinOptions {
  now: Date;
  /** Of which stores. */
  isMeant: (backup: InventoryBackup) => boolean;
  signal?: AbortSignal;
}

export interface PinResult {
  backup: InventoryBackup;
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
  { reason, ...which }: { reason: string | null } & PinOptions,
): Promise<PinResult> {
  const pin = { at: which.now.toISOString(), by: thisProcess().owner, reason };
  return atEachPlace(settings, 'pin the backup', name, which, (archive, copy) =>
    writePin(archive, copy, pin),
  );
}

/** Takes the pin of a backup away, at each place that has it. @throws as pinBackup */
export async function unpinBackup(settings: Settings, name: string, which: PinOptions): Promise<PinResult> {
  return atEachPlace(settings, 'unpin the backup', name, which, removePin);
}

async function atEachPlace(
  settings: Settings,
  operation: string,
  name: string,
  { now, isMeant, signal }: PinOptions,
  act: (archive: WritableArchive, copy: BackupCopy) => Promise<void>,
): Promise<PinResult> {
  const archives = backupPlaces(settings, null, signal);
  const inventory = await takeInventory(archives, now);
  const backup = backupNamed(operation, inventory, name, isMeant);
  const own = backup.copies.filter(({ isOwn }) => isOwn);
  if (own.length === 0) throw elsewhere(operation, backup.timestamp, backup.copies[0]?.place ?? '');
  const places = unreachable(inventory);
  for (const archive of archives) {
    const copy = own.find((one) => one.archive === archive);
    if (copy === undefined) continue;
    const failure = await act(archive, copy).then(
      () => null,
      (error: unknown) => {
        if (error instanceof Failure) return error;
        throw error;
      },
    );
    places.push({ place: archive.place, failure, wasPinned: copy.pinned !== null });
  }
  const failed = places.find(({ failure }) => failure !== null)?.failure ?? null;
  return { backup, places, exitCode: failed?.exitCode ?? ExitCode.done };
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
