import type { BackupCopy } from '../../backup/inventory/backup-copy.js';
import { isComplete } from '../../backup/inventory/copy-facts.js';
import type { InventoryBackup, InventoryPlace } from '../../backup/inventory/inventory.js';
import type { RetentionRule } from '../../backup/keep/retention.js';
import { salvagedSays } from '../../backup/pair/salvaged.js';
import { formatBytes, formatCount, formatNumberOf } from '../../report/format.js';
import { tableLines, type Column } from '../../report/table.js';
import { printable } from '../../report/text.js';
import type { BackupList, ListedBackup } from './list-backups.js';
import { storeNames } from './store-names.js';

/** What a backup is to scripts. Fields are only ever added. */
export function backupRecord({ backup, inUse, decision }: ListedBackup): object {
  const { kind, source, timestamp, takenAt, ageSeconds, fromFuture, bytes } = backup;
  const { complete, broken, encrypted, hasManifest, only, counts } = backup;
  return {
    type: 'backup',
    ...{ kind, store: source, timestamp, takenAt, ageSeconds: Math.round(ageSeconds), fromFuture, bytes },
    ...{ complete, broken, encrypted, hasManifest, only },
    memories: counts?.memories ?? null,
    relationships: counts?.relationships ?? null,
    points: counts?.points ?? null,
    verified: verifiedRecord(backup.verified),
    salvaged: backup.salvaged,
    pinned: backup.pinned,
    inUse,
    kept: decision === null ? null : decision.action === 'keep',
    keptBy: decision?.action === 'keep' ? decision.reasons : [],
    removedBy: decision?.action === 'remove' ? decision.reasons : [],
    places: backup.copies.map(copyRecord),
  };
}

function verifiedRecord(verified: InventoryBackup['verified']): object | null {
  if (verified === null) return null;
  const { at, level, ok, problems, tool } = verified.newest;
  return { at, level, ok, problems, tool, passed: verified.best?.level ?? null, before: verified.before };
}

function copyRecord(copy: BackupCopy): object {
  const { place, isOwn, bytes, broken, warning, encrypted, files } = copy;
  return {
    ...{ place, prunable: isOwn, complete: broken === null, broken, warning, encrypted, bytes },
    verified: verifiedRecord(copy.verified),
    pinned: copy.pinned !== null,
    files: files.map(({ path, bytes: size, modified }) => ({ path, bytes: size, modified })),
  };
}

/** A place to scripts. */
export function placeRecord({ place, failure, missing }: InventoryPlace): object {
  return {
    place,
    reachable: failure === null,
    missing,
    failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
  };
}

/** The last line of `lifeboat backup list --json`. */
export function listSummary({ backups, inventory, exitCode }: BackupList): object {
  return {
    type: 'backups',
    exitCode,
    backups: backups.length,
    complete: backups.filter(({ backup }) => backup.complete).length,
    verified: backups.filter(({ backup }) => backup.copies.some(isProven)).length,
    bytes: backups.flatMap(({ backup }) => backup.copies).reduce((sum, { bytes }) => sum + bytes, 0),
    newest: backups[0]?.backup.timestamp ?? null,
    places: inventory.places.map(placeRecord),
  };
}

/** One sound copy proves a backup, whatever became of the others. */
function isProven(copy: BackupCopy): boolean {
  return isComplete(copy) && copy.verified?.best != null;
}

/** The less a column says of whether a backup is good, the sooner it goes. */
const COLUMNS: readonly Column[] = [
  { title: 'timestamp', align: 'left' },
  { title: 'age', align: 'right' },
  { title: 'size', align: 'right', drop: 4 },
  { title: 'mem.', align: 'right', drop: 5 },
  { title: 'rel.', align: 'right', drop: 6 },
  { title: 'points', align: 'right', drop: 7 },
  { title: 'verified', align: 'left' },
  { title: 'place', align: 'left', drop: 3 },
  { title: 'kept by', align: 'left', drop: 2 },
];

/** Only where some backup is encrypted. */
const ENCRYPTED_COLUMN: Column = { title: 'enc.', align: 'left', drop: 4 };

/** Only where there are other backups than AutoMem's. */
const STORE_COLUMN: Column = { title: 'store', align: 'left', drop: 1 };

/** The table of all backups, and what is to be known of it, line by line. */
export function listLines(
  { backups: listed, inventory: { places }, notes }: BackupList,
  width: number,
  now: Date,
): string[] {
  const names = placeNames(places);
  const backups = listed.map(({ backup }) => backup);
  const stores = storeNames(backups);
  const isEncrypted = backups.some(({ encrypted }) => encrypted);
  const rows = listed.map((one) => {
    const [timestamp = '', ...cells] = rowOf(one, names, now);
    const store = stores === null ? [] : [stores(one.backup)];
    const encryption = isEncrypted ? [one.backup.encrypted ? 'age' : '-'] : [];
    return [timestamp, ...store, ...encryption, ...cells];
  });
  const columns = [
    ...COLUMNS.slice(0, 1),
    ...(stores === null ? [] : [STORE_COLUMN]),
    ...(isEncrypted ? [ENCRYPTED_COLUMN] : []),
    ...COLUMNS.slice(1),
  ];
  const table = rows.length === 0 ? ['There are no backups yet.'] : tableLines(columns, rows, width);
  return [
    ...table,
    ...backups.flatMap(brokenLines),
    ...backups.flatMap(({ timestamp, salvaged }) =>
      salvaged === null ? [] : [`* ${timestamp}: ${printable(salvagedSays(salvaged))}`],
    ),
    ...backups.flatMap(({ timestamp, copies }) =>
      copies.flatMap(({ warning }) =>
        warning === null ? [] : [`! ${printable(`${timestamp}: ${warning}`)}`],
      ),
    ),
    ...places.flatMap(({ place, missing }) => (missing === null ? [] : [`${place}: ${missing}.`])),
    ...notes,
    ...(rows.some((row) => / \+\d+$/.test(row.at(-1) ?? '')) ? [PLUS_SAYS] : []),
  ];
}

const PLUS_SAYS = '"+N" under "kept by": so many other rules keep it too, see backup show.';

/** What is wrong with it; where one copy is sound, with which of the others. */
function brokenLines({ timestamp, complete, broken, copies }: InventoryBackup): string[] {
  if (!complete) return [`✗ ${timestamp}: ${printable(broken ?? '')}`];
  return copies
    .filter((copy) => !isComplete(copy))
    .map((copy) => {
      const why = copy.broken ?? 'a verification of this copy did not pass';
      return `✗ ${timestamp} in ${copy.place}: ${printable(why)}`;
    });
}

function rowOf({ backup, decision }: ListedBackup, names: ReadonlyMap<string, string>, now: Date): string[] {
  const count = (value: number | null | undefined): string => (value == null ? '-' : formatCount(value));
  return [
    `${backup.timestamp}${backup.salvaged === null ? '' : '*'}`,
    shortAge(backup.ageSeconds),
    formatBytes(backup.bytes),
    count(backup.counts?.memories),
    count(backup.counts?.relationships),
    count(backup.counts?.points),
    verifiedSays(backup, names, now),
    placeSays(backup.copies.map(({ place }) => names.get(place) ?? 'other')),
    keptSays(backup.pinned !== null, decision),
  ];
}

/** A word for all places that a backup lies at. */
export function placeSays(names: readonly string[]): string {
  const all = new Set(names);
  return all.size === 2 && all.has('local') && all.has('s3') ? 'both' : [...all].join('+');
}

/** In a table a place has a word. */
export function placeNames(places: readonly InventoryPlace[]): Map<string, string> {
  return new Map(places.map(({ place }) => [place, place.startsWith('s3://') ? 's3' : 'local']));
}

/** One word where it is the same at all places; else each place has its own, so that a bad copy is not taken for a good one. */
function verifiedSays({ copies }: InventoryBackup, names: ReadonlyMap<string, string>, now: Date): string {
  const verdicts = copies.map((copy) => ({
    place: names.get(copy.place) ?? 'other',
    ...verdictOf(copy, now),
  }));
  const [first] = verdicts;
  if (first === undefined) return '';
  if (verdicts.every(({ word }) => word === first.word)) {
    const oldest = verdicts.reduce((a, b) => (b.seconds > a.seconds ? b : a));
    return wordsOf(oldest);
  }
  return verdicts.map((verdict) => `${verdict.place} ${wordsOf(verdict)}`).join('; ');
}

/** How a copy was found, and how long ago; 0 where that says nothing. */
function verdictOf({ broken, verified }: BackupCopy, now: Date): { word: string; seconds: number } {
  if (verified === null) return { word: broken === null ? 'never' : 'broken', seconds: 0 };
  const { newest, best } = verified;
  const { at, level } = newest.ok ? (best ?? newest) : newest;
  return { word: newest.ok ? level : 'FAILED', seconds: (now.getTime() - Date.parse(at)) / 1000 };
}

function wordsOf({ word, seconds }: { word: string; seconds: number }): string {
  if (word === 'never' || word === 'broken') return word;
  const age = shortAge(seconds);
  return `${word}, ${age === 'future' ? 'in the future' : `${age} ago`}`;
}

const SHORT: Partial<Record<RetentionRule, string>> = {
  'newest-verified': 'newest',
  'newest-complete': 'newest',
  'from-future': 'future',
  'no-rules': 'all',
};

/** The rule that counts most, and how many keep it besides. */
function keptSays(isPinned: boolean, decision: ListedBackup['decision']): string {
  if (decision?.action === 'remove') return 'nothing';
  const rules = (decision?.reasons ?? []).map(({ rule }) => SHORT[rule] ?? rule);
  const all = [...new Set([...(isPinned ? ['pinned'] : []), ...rules])];
  return `${all[0] ?? '-'}${all.length > 1 ? ` +${all.length - 1}` : ''}`;
}

/** An age in its largest unit: "3d", "4h", "12m", "5s". */
function shortAge(seconds: number): string {
  if (seconds < -300) return 'future';
  const length = Math.max(0, seconds);
  if (length >= 2 * 86_400) return `${Math.floor(length / 86_400)}d`;
  if (length >= 2 * 3600) return `${Math.floor(length / 3600)}h`;
  return length >= 60 ? `${Math.floor(length / 60)}m` : `${Math.floor(length)}s`;
}

/** A backup's size and what it holds, in words. */
export function heldSays({ kind, counts, bytes }: InventoryBackup): string {
  if (counts === null) return formatBytes(bytes);
  const { memories, relationships, points } = counts;
  const isSqlite = kind === 'sqlite';
  const held = [
    memories === null ? null : formatNumberOf(memories, 'memory', 'memories'),
    relationships === null ? null : edgesSay(relationships, isSqlite),
    points === null ? null : pointsSay(points, isSqlite),
  ].filter((text) => text !== null);
  return [...held, formatBytes(bytes)].join(', ');
}

function edgesSay(count: number, isSqlite: boolean): string {
  return isSqlite
    ? `${formatNumberOf(count, 'edge', 'edges')} in the graph table`
    : formatNumberOf(count, 'relationship', 'relationships');
}

function pointsSay(count: number, isSqlite: boolean): string {
  return isSqlite ? formatNumberOf(count, 'vector', 'vectors') : formatNumberOf(count, 'point', 'points');
}
