import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { BackupKind } from '../../backup/inventory/place-files.js';
import { ExitCode, Failure } from '../../failure.js';

/** Of which stores backups are meant: of AutoMem, of SQLite stores, or of one of them. */
export interface WhichStores {
  kind: BackupKind;
  /** The path of the SQLite store as it was typed; null for any. */
  path: string | null;
}

/** A backup, as far as it tells of which store it is. */
interface OfAStore {
  kind: BackupKind;
  source: string | null;
}

/** `--source`, where backups are looked for; as `backup create` has it, and the kinds besides. */
export function sourceOption(): Option {
  const says = 'only backups of: automem, sqlite, or sqlite:PATH, one SQLite store';
  return new Option('--source <store>', says).argParser(whichStores);
}

/** Reads `automem`, `sqlite` or `sqlite:PATH`. @throws InvalidArgumentError */
function whichStores(text: string): WhichStores {
  if (text === 'automem' || text === 'sqlite') return { kind: text, path: null };
  const path = /^sqlite:(.+)$/s.exec(text)?.[1];
  if (path === undefined) throw new InvalidArgumentError('It can be automem, sqlite or sqlite:PATH.');
  return { kind: 'sqlite', path };
}

/** Whether a backup is of such a store. */
export function isOf(which: WhichStores, cwd: string): (backup: OfAStore) => boolean {
  const path = which.path === null ? null : resolve(cwd, which.path);
  return ({ kind, source }) => kind === which.kind && (path === null || source === path);
}

/**
 * The one that is meant by a timestamp or "latest". Where both kinds lie there and none is named, "latest" is AutoMem's: a
 * store that was added later must not take the place of what a script always meant.
 *
 * @param backups of the stores that are meant
 * @returns undefined where there is none
 * @throws Failure (exit 2) where a timestamp is that of several
 */
export function chosenBackup<B extends OfAStore & { timestamp: string; fromFuture: boolean }>(
  operation: string,
  backups: readonly B[],
  name: string,
): B | undefined {
  if (name === 'latest') {
    const past = backups.filter(({ fromFuture }) => !fromFuture);
    past.sort((a, b) => (a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? 1 : -1));
    return past.find(({ kind }) => kind === 'automem') ?? past[0];
  }
  const named = backups.filter(({ timestamp }) => timestamp === name);
  const stores = new Set(named.map(storeOf));
  if (stores.size < 2) return named[0];
  throw new Failure({
    operation,
    subject: name,
    reason: `there are backups of ${stores.size} stores from that second: ${[...stores].join(', ')}`,
    hint: 'Say which is meant: --source automem or --source sqlite:PATH',
    exitCode: ExitCode.usage,
    code: 'backup-ambiguous',
  });
}

/** As `--source` takes it. */
export function storeOf({ kind, source }: OfAStore): string {
  return kind === 'sqlite' && source !== null ? `sqlite:${source}` : kind;
}
