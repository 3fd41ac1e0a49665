import { mapAtMost } from '../../backup/inventory/at-most.js';
import type { BackupCopy } from '../../backup/inventory/backup-copy.js';
import { decideBackups, type BackupDecision, type Holds } from '../../backup/inventory/decide-backups.js';
import {
  takeInventory,
  type Inventory,
  type InventoryBackup,
  type InventoryPlace,
} from '../../backup/inventory/inventory.js';
import { keyOf } from '../../backup/inventory/place-files.js';
import { lockOf, removeCopies, type RemovedCopy } from '../../backup/inventory/remove-copies.js';
import type { RetentionPolicy } from '../../backup/keep/retention.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { backupPlaces } from './places.js';
import { backupsInUse, refuseForeignRecovery } from './runs-in-use.js';

export interface PruneOptions {
  /** Null for that of the settings. */
  policy: RetentionPolicy | null;
  /** Of which stores; without it, of all. */
  isMeant?: (backup: InventoryBackup) => boolean;
  /** False changes nothing, and tells what would be removed. */
  remove: boolean;
  now: () => Date;
  signal?: AbortSignal;
  /** Told of each copy when it is done with. */
  onRemoved?: (removed: RemovedCopy) => void;
}

/** What became of the backups, or would. */
export interface PruneResult {
  policy: RetentionPolicy;
  /** Whether anything was to be removed, and not only told of. */
  removing: boolean;
  /** Newest first; of the backups that lie where new ones go. */
  decisions: BackupDecision[];
  /** Backups elsewhere, such as in the same bucket outside the prefix: they are never removed. */
  leftAlone: number;
  places: InventoryPlace[];
  /** Of the backups to be removed, what became of each copy; empty where nothing was removed. */
  copies: RemovedCopy[];
  /** Backups that stay, in part too, and backups that went; where nothing was removed, as it would be. */
  kept: number;
  removed: number;
  /** Copies that went, of backups that went and of such that stay elsewhere; and how many of the latter backups there are. */
  copiesRemoved: number;
  inPart: number;
  /** Bytes of what was removed, or would be. */
  bytesFreed: number;
  /** Of places that were left alone, and of files that could not be removed. */
  failures: Failure[];
  exitCode: ExitCode;
}

/**
 * Removes what the retention does not keep. A place that cannot be read to the end is left alone entirely, and what is
 * guarded is guarded at each of the others by itself. Nothing is removed while a recovery of another machine is at work.
 *
 * @throws Failure while such a recovery is at work (exit 11), or when a bucket does not tell what is locked
 */
export async function pruneBackups(settings: Settings, options: PruneOptions): Promise<PruneResult> {
  const archives = backupPlaces(settings, null, options.signal);
  const now = options.now();
  const policy = options.policy ?? settings.retention;
  const inventory = await takeInventory(archives, now);
  const inUse = backupsInUse(settings.folders.state, now);
  const isMeant = options.isMeant ?? ((): boolean => true);
  const backups = inventory.backups.filter(isMeant);
  const { decisions, lockedUntil } = await decideWithLocks({ ...inventory, backups }, policy, inUse, now);
  const doomed = decisions.filter(({ action }) => action === 'remove');
  const going = doomed.flatMap(({ copies }) => copies).filter((copy) => lockedUntil(copy) === null);
  const whole = doomed.filter(({ copies }) => copies.every((copy) => going.includes(copy)));
  const result: PruneResult = {
    ...{ policy, removing: options.remove, decisions, places: inventory.places, copies: [] },
    leftAlone: backups.length - decisions.length,
    ...{ kept: decisions.length - whole.length, removed: whole.length },
    ...{ copiesRemoved: going.length, inPart: doomed.length - whole.length },
    bytesFreed: going.reduce((sum, { bytes }) => sum + bytes, 0),
    failures: inventory.places.flatMap(({ failure }) => failure ?? []),
    exitCode: ExitCode.done,
  };
  if (options.remove && doomed.length > 0) {
    await unlessAborted(refuseForeignRecovery(settings), options.signal);
    await remove(archives, settings, options, lockedUntil, result);
  }
  return { ...result, exitCode: result.failures[0]?.exitCode ?? ExitCode.done };
}

/**
 * Locks are asked for only of what would go: each costs a request. What is locked stays, and makes no difference for the
 * others, so that nothing else has to go in its place.
 */
async function decideWithLocks(
  inventory: Inventory,
  policy: RetentionPolicy,
  inUse: Holds['inUse'],
  now: Date,
): Promise<{ decisions: BackupDecision[]; lockedUntil: Holds['lockedUntil'] }> {
  const locks = new Map<BackupCopy, string | null>();
  const lockedUntil = (copy: BackupCopy): string | null => locks.get(copy) ?? null;
  const holds = { inUse, lockedUntil };
  const doomed = decideBackups(inventory, policy, holds, now)
    .filter(({ action }) => action === 'remove')
    .flatMap(({ copies }) => copies);
  await mapAtMost(doomed, 8, async (copy) => {
    // What lies where new backups go was listed by who can write there.
    locks.set(copy, await lockOf(copy.archive as WritableArchive, copy));
  });
  return { decisions: decideBackups(inventory, policy, holds, now), lockedUntil };
}

async function remove(
  archives: readonly WritableArchive[],
  settings: Settings,
  { now, signal, onRemoved }: PruneOptions,
  lockedUntil: Holds['lockedUntil'],
  result: PruneResult,
): Promise<void> {
  const inUse = (timestamp: string): string[] => backupsInUse(settings.folders.state, now())(timestamp);
  for (const archive of archives) {
    try {
      const copies = await removeCopies(archive, result.decisions, {
        ...{ inUse, lockedUntil, now: now(), signal, onRemoved },
      });
      result.copies.push(...copies);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      result.failures.push(error);
    }
  }
  result.failures.push(...result.copies.flatMap(({ failure }) => failure ?? []));
  result.bytesFreed = result.copies.reduce((sum, { bytes }) => sum + bytes, 0);
  result.removed = result.decisions.filter((decision) => isGone(decision, result.copies)).length;
  result.kept = result.decisions.length - result.removed;
  result.copiesRemoved = result.copies.filter(({ outcome }) => outcome === 'removed').length;
  result.inPart = result.decisions.filter((decision) => isInPart(decision, result.copies)).length;
}

/** What became of the copies of one backup. */
export function copiesOf({ copies }: BackupDecision, removed: readonly RemovedCopy[]): RemovedCopy[] {
  return removed.filter((one) =>
    copies.some((copy) => keyOf(copy) === keyOf(one) && copy.place === one.place),
  );
}

/** Whether no copy of a backup is left. */
export function isGone(decision: BackupDecision, removed: readonly RemovedCopy[]): boolean {
  const done = copiesOf(decision, removed).filter(
    ({ outcome }) => outcome === 'removed' || outcome === 'gone',
  );
  return decision.action === 'remove' && done.length === decision.copies.length;
}

/** Whether a copy of a backup went, and another one stays. */
export function isInPart(decision: BackupDecision, removed: readonly RemovedCopy[]): boolean {
  const went = copiesOf(decision, removed).some(({ outcome }) => outcome === 'removed');
  return went && !isGone(decision, removed);
}
