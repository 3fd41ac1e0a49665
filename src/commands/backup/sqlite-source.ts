import { tmpdir } from 'node:os';
import { basename, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { backUpSqlite, type SqliteBackup } from '../../backup/sqlite/back-up-sqlite.js';
import { sqliteBackups, type SqliteBackupFile } from '../../backup/sqlite/names.js';
import { ExitCode, Failure } from '../../failure.js';
import { formatBytes, formatDuration, formatNumberOf } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import type { CommandContext } from '../context.js';
import { backupPlaces, type Destination } from './places.js';

/** A SQLite store, by the path that was given. */
export interface SqliteSource {
  kind: 'sqlite';
  path: string;
}

/** Reads `sqlite:PATH`. @throws InvalidArgumentError */
export function sqliteSource(text: string): SqliteSource {
  const [, path = ''] = /^sqlite:(.+)$/s.exec(text) ?? [];
  if (path === '') throw new InvalidArgumentError('It must be sqlite:PATH.');
  return { kind: 'sqlite', path };
}

export interface SqliteCreateOptions {
  to: Destination | null;
  encrypt: boolean;
  signal: AbortSignal;
}

/** What a backup of a SQLite store came to at each place. */
export interface PlacedSqliteBackup {
  place: string;
  backup: SqliteBackup | null;
  failure: Failure | null;
}

/**
 * Backs up the SQLite store of MCP Memory Service to the places of the settings, one after the other.
 *
 * @throws Failure when it lies nowhere in the end
 */
export async function makeSqliteBackup(
  context: CommandContext,
  settings: Settings,
  source: SqliteSource,
  { to, encrypt, signal }: SqliteCreateOptions,
): Promise<PlacedSqliteBackup[]> {
  if (encrypt) throw notEncrypted();
  const startedAt = new Date();
  const placed: PlacedSqliteBackup[] = [];
  for (const archive of backupPlaces(settings, to)) {
    try {
      const backup = await backUpSqlite({
        source: resolve(context.cwd, source.path),
        archive,
        scratch: tmpdir(),
        startedAt,
        tool: `lifeboat ${context.version}`,
        signal,
      });
      placed.push({ place: archive.place, backup, failure: null });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      placed.push({ place: archive.place, backup: null, failure: error });
    }
  }
  const [first] = placed;
  if (
    first?.failure !== undefined &&
    first.failure !== null &&
    placed.every(({ failure }) => failure !== null)
  )
    throw first.failure;
  return placed;
}

/** For people; the last line is what to do next. */
export function sqliteLines(placed: readonly PlacedSqliteBackup[]): string[] {
  const made = placed.find(({ backup }) => backup !== null)?.backup;
  if (made === undefined || made === null) return [];
  const rows = Object.values(made.tables).reduce((sum, count) => sum + count, 0);
  return [
    `Backup ${made.timestamp}: ${formatNumberOf(rows, 'row', 'rows')} in ${formatNumberOf(Object.keys(made.tables).length, 'table', 'tables')}, integrity checked`,
    `  ${formatBytes(made.bytes)} in ${formatDuration(made.seconds)}`,
    `  ${made.writesMeanwhile ? 'others wrote meanwhile; what they wrote is not in it' : 'nothing was written meanwhile'}`,
    ...made.notes.map((note) => `  ${note}`),
    ...placed.map(({ place, failure }) =>
      failure === null ? `  ✓ ${place}` : `  ✗ ${place}: ${failure.reason}`,
    ),
    'To see that it can be restored: lifeboat backup restore --source sqlite:PATH --dry-run',
  ];
}

/** For scripts. */
export function sqliteRecord(placed: readonly PlacedSqliteBackup[]): object {
  const made = placed.find(({ backup }) => backup !== null)?.backup ?? null;
  const failed = placed.find(({ failure }) => failure !== null)?.failure ?? null;
  return {
    type: 'backup',
    source: 'sqlite',
    ...made,
    outcome: failed === null ? 'done' : 'incomplete',
    exitCode: failed?.exitCode ?? ExitCode.done,
    places: placed.map(({ place, failure }) => ({
      place,
      failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
    })),
  };
}

/** A backup and where it lies. */
export interface FoundSqliteBackup {
  archive: WritableArchive;
  file: SqliteBackupFile;
}

/**
 * The backup of a SQLite store that is meant, at the first place that has it.
 *
 * @param which a timestamp, or "latest"
 * @throws Failure (exit 4) where there is none
 */
export async function findSqliteBackup(settings: Settings, which: string): Promise<FoundSqliteBackup> {
  const found: FoundSqliteBackup[] = [];
  for (const archive of backupPlaces(settings, null)) {
    for (const file of sqliteBackups(await archive.list())) found.push({ archive, file });
  }
  found.sort((a, b) => (a.file.timestamp < b.file.timestamp ? 1 : -1));
  const chosen = which === 'latest' ? found[0] : found.find(({ file }) => file.timestamp === which);
  if (chosen !== undefined) return chosen;
  const known = found.slice(0, 5).map(({ file }) => file.timestamp);
  throw new Failure({
    operation: 'restore the SQLite store',
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

/** What must be typed to replace a store. */
export function nameOfStore(path: string): string {
  return basename(path);
}

function notEncrypted(): Failure {
  return new Failure({
    operation: 'encrypt the backup',
    subject: 'the SQLite store',
    reason: 'backups of SQLite stores are not encrypted by Lifeboat',
    hint: 'Add --no-encrypt, and encrypt the file yourself with age where it must be.',
    exitCode: ExitCode.usage,
    code: 'not-encrypted',
  });
}
