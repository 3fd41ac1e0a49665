import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { decideBackups, type BackupDecision } from '../../backup/inventory/decide-backups.js';
import { takeInventory, type Inventory, type InventoryBackup } from '../../backup/inventory/inventory.js';
import { openBackupSource, type OpenedBackups } from '../../backup/files/source.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { Archive } from '../../stores/archive/archive.js';
import { backupPlaces } from './places.js';
import { backupsInUse } from './runs-in-use.js';
import { chosenBackup } from './which-backups.js';

export interface ListOptions {
  /** Absolute path of a folder, an archive from AutoMem's API, or one half, in place of the settings' places. */
  file: string | null;
  now: Date;
  signal?: AbortSignal;
}

/** A backup and what the retention of the settings makes of it. */
export interface ListedBackup {
  backup: InventoryBackup;
  /** Ids of runs that use it or may come back to it. */
  inUse: string[];
  /** Null where the retention has no say: it lies elsewhere than where new backups go. Locks are not asked for. */
  decision: BackupDecision | null;
}

export interface BackupList {
  inventory: Inventory;
  /** Newest first. */
  backups: ListedBackup[];
  /** What the operator must know of how a file was read. */
  notes: string[];
  exitCode: ExitCode;
}

/**
 * All backups there are, over all places of the settings, or in one file or folder. A place that cannot be reached is in
 * the result with its failure, and the others are shown nevertheless.
 *
 * @throws Failure where the file is nothing that holds backups
 */
export async function listBackups(settings: Settings, options: ListOptions): Promise<BackupList> {
  const opened = await openArchives(settings, options);
  try {
    return await listOf(settings, opened, options.now);
  } finally {
    await opened.close();
  }
}

/** Where backups are looked for. Whoever opens it closes it. */
export type OpenedArchives = Pick<OpenedBackups, 'notes' | 'close'> & { archives: readonly Archive[] };

/** The places of the settings, or one file or folder in their stead. @throws Failure where that is nothing of use */
export async function openArchives(
  settings: Settings,
  { file, now, signal }: ListOptions,
): Promise<OpenedArchives> {
  if (file === null)
    return { archives: backupPlaces(settings, null, signal), notes: [], close: () => Promise.resolve() };
  const rest = { scratch: tmpdir(), now, ...(signal === undefined ? {} : { signal }) };
  const isFolder = (await stat(file).catch(() => null))?.isDirectory() === true;
  const opened = await openBackupSource(isFolder ? { dir: file, ...rest } : { file, ...rest });
  return { archives: [opened.archive], notes: opened.notes, close: () => opened.close() };
}

/** The list of backups of archives that are open. */
export async function listOf(
  settings: Settings,
  { archives, notes }: OpenedArchives,
  now: Date,
): Promise<BackupList> {
  const inventory = await takeInventory(archives, now);
  const inUse = backupsInUse(settings.folders.state, now);
  const holds = { inUse, lockedUntil: () => null };
  const decisions = new Map(
    decideBackups(inventory, settings.retention, holds, now).map((decision) => [decision.backup, decision]),
  );
  const backups = inventory.backups.map((backup) => ({
    backup,
    inUse: backup.kind === 'automem' ? inUse(backup.timestamp) : [],
    decision: decisions.get(backup) ?? null,
  }));
  const failed = inventory.places.find(({ failure }) => failure !== null)?.failure ?? null;
  return { inventory, backups, notes, exitCode: failed === null ? ExitCode.done : exitOfPlace(failed) };
}

/** A bucket that is not there cannot be listed, like any other that cannot; it is no file without a backup. */
function exitOfPlace({ exitCode }: Failure): ExitCode {
  return exitCode === ExitCode.nothingToRecoverFrom ? ExitCode.unreachable : exitCode;
}

/**
 * The backup that is meant by a timestamp or "latest"; see chosenBackup.
 *
 * @param isMeant of which stores
 * @throws Failure (exit 4) where there is none of it; what a place said that could not be reached, where it may lie there
 */
export function backupNamed(
  operation: string,
  { backups, places }: Inventory,
  name: string,
  isMeant: (backup: InventoryBackup) => boolean,
): InventoryBackup {
  const meant = backups.filter(isMeant);
  const found = chosenBackup(operation, meant, name);
  if (found !== undefined) return found;
  const unreachable = places.find(({ failure }) => failure !== null)?.failure ?? null;
  if (unreachable !== null) throw unreachable;
  const where = places.map(({ place }) => place).join(' and ');
  throw new Failure({
    operation,
    subject: name,
    reason: meant.length === 0 ? `there is no backup in ${where}` : `there is no such backup in ${where}`,
    hint: 'To see which there are: lifeboat backup list. To make one: lifeboat backup create.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-none',
  });
}
