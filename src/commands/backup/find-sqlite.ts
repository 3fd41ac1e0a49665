import { realpath } from 'node:fs/promises';
import { lookAtCopy, type BackupCopy } from '../../backup/inventory/backup-copy.js';
import { findBackups, type FoundSqlite } from '../../backup/inventory/place-files.js';
import type { SqliteBackupFile } from '../../backup/sqlite/names.js';
import { readSqliteManifest } from '../../backup/sqlite/sqlite-manifest.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';

const OPERATION = 'restore the SQLite store';

/** A copy of the backup that is meant. */
export interface FoundSqliteBackup {
  archive: Archive;
  /** For people. */
  place: string;
  file: SqliteBackupFile;
  /** What speaks against it, as far as is known without opening it; null where nothing does. */
  objection: string | null;
}

/** A place, or a copy there, that was not taken, though it may be what was meant. */
export interface PassedOver {
  /** Null where the place could not be listed. */
  timestamp: string | null;
  place: string;
  reason: string;
}

export interface SqliteChoice {
  /** Copies of one backup, the best first; never empty. */
  copies: FoundSqliteBackup[];
  passedOver: PassedOver[];
}

/** A copy and what lies beside it. */
interface Seen {
  found: FoundSqlite;
  /** The path of the store that it is of; null where nothing that can be trusted says it. */
  source: string | null;
  /** Why nothing says it. */
  unknown: string;
  objection: string | null;
}

/**
 * The backup of a SQLite store that is meant, with all its copies.
 *
 * @param which a timestamp, or "latest": the newest one of the store that lies at the target. Where there is none of it, as
 *   when it is restored to another path, the newest one there is, if all are of one store
 * @param target absolute path of the store that is to be restored
 * @throws Failure (exit 4) where there is none, or what a place said that cannot be listed; (exit 2) where several stores are
 *   backed up there, and none of them is the target
 */
export async function findSqliteBackup(
  archives: readonly Archive[],
  which: string,
  target: string,
): Promise<SqliteChoice> {
  const { found, failures } = await allSqliteBackups(archives, new Date());
  const paths = new Set([target, await realpath(target).catch(() => target)]);
  const past = found.filter(({ fromFuture }) => !fromFuture);
  const { timestamp, passedOver } =
    which === 'latest' ? await newestOf(past, target, paths) : { timestamp: which, passedOver: [] };
  const named = found.filter((one) => one.timestamp === timestamp && one.store !== null);
  const unreachable = failures.find(({ failure }) => failure.code !== 'archive-missing')?.failure;
  if (named.length === 0) throw unreachable ?? unknownBackup(which, found);
  const unlisted = failures.map(({ place, failure }) => ({ timestamp: null, place, reason: failure.reason }));
  const seen = await Promise.all(named.map(look));
  return { copies: copiesOf(seen, target, paths), passedOver: [...unlisted, ...passedOver] };
}

/** Newest first; the place that is asked first goes first. A folder that is not there may be a disk that is not mounted. */
async function allSqliteBackups(
  archives: readonly Archive[],
  now: Date,
): Promise<{ found: FoundSqlite[]; failures: { place: string; failure: Failure }[] }> {
  const found: FoundSqlite[] = [];
  const failures: { place: string; failure: Failure }[] = [];
  for (const archive of archives) {
    try {
      found.push(...(await findBackups(archive, now)).filter((one) => one.kind === 'sqlite'));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push({ place: archive.place, failure: error });
    }
  }
  found.sort((a, b) => (a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? 1 : -1));
  return { found, failures };
}

async function look(found: FoundSqlite): Promise<Seen> {
  let copy: BackupCopy;
  try {
    copy = await lookAtCopy(found);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { found, source: null, unknown: error.reason, objection: error.reason };
  }
  const { source, warning, broken, verified } = copy;
  const failed = verified?.newest.ok === false ? `its verification at ${verified.newest.at} failed` : null;
  return { found, source, unknown: warning ?? 'its manifest is missing', objection: broken ?? failed };
}

/** Two services may keep their backups in one folder: the one must not be restored in place of the other. */
async function newestOf(
  found: readonly FoundSqlite[],
  target: string,
  paths: ReadonlySet<string>,
): Promise<{ timestamp: string | null; passedOver: PassedOver[] }> {
  const sources = new Set<string>();
  const passedOver: PassedOver[] = [];
  for (const one of found) {
    const { source, unknown, objection } = await look(one);
    const { timestamp, place, store } = one;
    if (source === null)
      passedOver.push({ timestamp, place, reason: `${unknown}: of which store it is cannot be told` });
    else if (!paths.has(source)) sources.add(source);
    else if (store !== null) return { timestamp, passedOver };
    else passedOver.push({ timestamp, place, reason: objection ?? 'its file is missing' });
  }
  if (sources.size > 1) throw ambiguous('latest', target, sources);
  return { timestamp: found.find(({ store }) => store !== null)?.timestamp ?? null, passedOver: [] };
}

/**
 * The copies of one second that are of the store at the target; where it has none, of the only store that has. One that does
 * not say of which it is comes last, and only where no other store was backed up in that second.
 */
function copiesOf(seen: readonly Seen[], target: string, paths: ReadonlySet<string>): FoundSqliteBackup[] {
  const sources = new Set(seen.flatMap(({ source }) => source ?? []));
  const isMeant = ({ source }: Seen): boolean => source !== null && paths.has(source);
  if (sources.size > 1 && !seen.some(isMeant))
    throw ambiguous(seen[0]?.found.timestamp ?? '', target, sources);
  const rank = ({ source, objection }: Seen): number =>
    (source === null ? 2 : 0) + (objection === null ? 0 : 1);
  return seen
    .filter((one) => sources.size < 2 || isMeant(one))
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(({ found: { archive, place, store }, objection }) =>
      store === null ? [] : [{ archive, place, file: store, objection }],
    );
}

function ambiguous(which: string, target: string, sources: ReadonlySet<string>): Failure {
  const ofSecond = which === 'latest' ? '' : ` from ${which}`;
  return new Failure({
    operation: OPERATION,
    subject: target,
    reason: `there are backups of ${sources.size} stores${ofSecond}, and none of this path: ${[...sources].join(', ')}`,
    hint:
      which === 'latest'
        ? 'Name the one that is meant: lifeboat backup list --source sqlite shows them, backup restore TIMESTAMP takes one.'
        : 'Restore it to the path of its own store, or name the place that has the one that is meant: --at local or --at s3.',
    exitCode: ExitCode.usage,
    code: 'backup-ambiguous',
  });
}

function unknownBackup(which: string, found: readonly FoundSqlite[]): Failure {
  const known = [...new Set(found.map(({ timestamp }) => timestamp))].slice(0, 5);
  return new Failure({
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

/** The path of the store that a backup is of; null where nothing that can be trusted says it. @throws Failure as the archive */
export async function sourceOf({
  archive,
  file,
}: Pick<FoundSqliteBackup, 'archive' | 'file'>): Promise<string | null> {
  try {
    return (await readSqliteManifest(archive, file.base, file.timestamp))?.source.path ?? null;
  } catch (error) {
    if (error instanceof Failure && error.code === 'sqlite-manifest-damaged') return null;
    throw error;
  }
}
