import { tmpdir } from 'node:os';
import { basename, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { backUpSqlite, type SqliteBackup } from '../../backup/sqlite/back-up-sqlite.js';
import { ExitCode } from '../../failure.js';
import { formatBytes, formatDuration, formatNumberOf } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { recipientsOf } from './make-backup.js';
import { backupPlaces, placeLines, type Destination } from './places.js';

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

/**
 * Backs up the SQLite store of MCP Memory Service to the places of the settings, to all of them the same.
 *
 * @throws Failure when it lies nowhere in the end
 */
export async function makeSqliteBackup(
  context: CommandContext,
  settings: Settings,
  { path }: SqliteSource,
  { to, encrypt, signal }: SqliteCreateOptions,
): Promise<MadeSqliteBackup> {
  const source = resolve(context.cwd, path);
  const recipients = encrypt ? recipientsOf(settings) : [];
  const targets = backupPlaces(settings, to, signal).map((archive) => ({ archive, failure: null }));
  const startedAt = new Date();
  const tool = `lifeboat ${context.version}`;
  const scratch = tmpdir();
  return {
    source,
    ...(await backUpSqlite({ source, targets, recipients, scratch, startedAt, tool, signal })),
  };
}

/** A backup, and the path of the store that it is of. */
export type MadeSqliteBackup = SqliteBackup & { source: string };

/** For people; the last line is what to do next. */
export function sqliteLines(made: MadeSqliteBackup): string[] {
  const rows = Object.values(made.tables).reduce((sum, count) => sum + count, 0);
  const tables = formatNumberOf(Object.keys(made.tables).length, 'table', 'tables');
  return [
    `Backup ${made.timestamp}: ${formatNumberOf(rows, 'row', 'rows')} in ${tables}, integrity checked`,
    `  ${formatBytes(made.bytes)} in ${formatDuration(made.seconds)}${made.encryption === null ? '' : ', encrypted'}`,
    `  ${made.writesMeanwhile ? 'others wrote meanwhile; what they wrote is not in it' : 'nothing was written meanwhile'}`,
    ...made.notes.map((note) => `  ${note}`),
    ...placeLines(made.places),
    `To prove that it can be restored: lifeboat backup verify ${made.timestamp} --deep`,
  ];
}

/** For scripts. */
export function sqliteRecord({ source, places, ...made }: MadeSqliteBackup): object {
  const failed = places.find(({ failure }) => failure !== null)?.failure ?? null;
  return {
    type: 'backup',
    ...{ source: 'sqlite', kind: 'sqlite', store: source },
    ...made,
    outcome: failed === null ? 'done' : 'incomplete',
    exitCode: failed?.exitCode ?? ExitCode.done,
    places: places.map(({ place, failure, made }) => ({
      ...{ place, made },
      failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
    })),
  };
}

/** What must be typed to replace a store. */
export function nameOfStore(path: string): string {
  return basename(path);
}
