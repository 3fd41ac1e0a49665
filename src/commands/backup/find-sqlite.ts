import { realpath } from 'node:fs/promises';
import { isFromFuture } from '../../backup/catalogue.js';
import { sqliteBackups, type SqliteBackupFile } from '../../backup/sqlite/names.js';
import { readSqliteManifest } from '../../backup/sqlite/sqlite-manifest.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { backupPlaces } from './places.js';

const OPERATION = 'restore the SQLite store';

/** A backup and where it lies. */
export interface FoundSqliteBackup {
  archive: WritableArchive;
  file: SqliteBackupFile;
}

/**
 * The backup of a SQLite store that is meant, at the first place that has it.
 *
 * @param which a timestamp, or "latest": the newest one of the store that lies at the target. Where there is none of it, as
 *   when it is restored to another path, the newest one there is, if all are of one store
 * @param target absolute path of the store that is to be restored
 * @throws Failure (exit 4) where there is none, or what a place said that cannot be listed; (exit 2) where several stores are
 *   backed up there, and none of them is the target
 */
export async function findSqliteBackup(
  settings: Settings,
  which: string,
  target: string,
): Promise<FoundSqliteBackup> {
  const { found, failure } = await allSqliteBackups(settings);
  const past = found.filter(({ file }) => !isFromFuture(new Date(file.takenAt), new Date()));
  const chosen =
    which === 'latest' ? await newestOf(past, target) : found.find(({ file }) => file.timestamp === which);
  if (chosen !== undefined) return chosen;
  if (failure !== null) throw failure;
  const known = found.slice(0, 5).map(({ file }) => file.timestamp);
  throw new Failure({
    operation: OPERATION,
    subject: which,
    reason: 'there is no such backup of a SQLite store',
    hint:
      known.length === 0
        ? 'Make one with: lifeboat backup create --source sqlite:PATH'
        : `There are: ${known.join(', ')}.`,
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-unknown',
  });
}

/** Newest first; the place that is asked first goes first. A folder that is not there holds none. */
async function allSqliteBackups(
  settings: Settings,
): Promise<{ found: FoundSqliteBackup[]; failure: Failure | null }> {
  const found: FoundSqliteBackup[] = [];
  let failure: Failure | null = null;
  for (const archive of backupPlaces(settings, null)) {
    try {
      found.push(...sqliteBackups(await archive.list()).map((file) => ({ archive, file })));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.code !== 'archive-missing') failure ??= error;
    }
  }
  found.sort((a, b) => byTimestamp(b, a));
  return { found, failure };
}

function byTimestamp({ file: a }: FoundSqliteBackup, { file: b }: FoundSqliteBackup): number {
  return a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? -1 : 1;
}

/** Two services may keep their backups in one folder: the one must not be restored in place of the other. */
async function newestOf(
  found: readonly FoundSqliteBackup[],
  target: string,
): Promise<FoundSqliteBackup | undefined> {
  const paths = new Set([target, await realpath(target).catch(() => target)]);
  const sources = new Set<string>();
  for (const one of found) {
    const source = await sourceOf(one);
    if (source === null) continue;
    if (paths.has(source)) return one;
    sources.add(source);
  }
  if (sources.size < 2) return found[0];
  throw new Failure({
    operation: OPERATION,
    subject: target,
    reason: `there are backups of ${sources.size} stores, and none of this path: ${[...sources].join(', ')}`,
    hint: 'Name the one that is meant: lifeboat backup list --source sqlite shows them, backup restore TIMESTAMP takes one.',
    exitCode: ExitCode.usage,
    code: 'backup-ambiguous',
  });
}

/** The path of the store that a backup is of; null where nothing that can be trusted says it. @throws Failure as the archive */
export async function sourceOf({ archive, file }: FoundSqliteBackup): Promise<string | null> {
  try {
    return (await readSqliteManifest(archive, file.base, file.timestamp))?.source.path ?? null;
  } catch (error) {
    if (error instanceof Failure && error.code === 'sqlite-manifest-damaged') return null;
    throw error;
  }
}
