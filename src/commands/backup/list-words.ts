import type { InventoryPair, InventoryPlace } from '../../backup/inventory/inventory.js';
import type { PairCopy } from '../../backup/inventory/pair-copy.js';
import type { RetentionRule } from '../../backup/keep/retention.js';
import { salvagedSays } from '../../backup/salvaged.js';
import { formatBytes, formatCount, formatNumberOf } from '../../report/format.js';
import { tableLines, type Column } from '../../report/table.js';
import { printable } from '../../report/text.js';
import type { BackupList, ListedBackup } from './list-backups.js';

/** What a backup is to scripts. Fields are only ever added. */
export function backupRecord({ pair, inUse, decision }: ListedBackup): object {
  const { timestamp, takenAt, ageSeconds, bytes, complete, broken, encrypted, hasManifest, only, counts } =
    pair;
  return {
    type: 'backup',
    ...{ timestamp, takenAt, ageSeconds: Math.round(ageSeconds), fromFuture: pair.fromFuture, bytes },
    ...{ complete, broken, encrypted, hasManifest, only },
    memories: counts?.memories ?? null,
    relationships: counts?.relationships ?? null,
    points: counts?.points ?? null,
    verified: verifiedRecord(pair.verified),
    salvaged: pair.salvaged,
    pinned: pair.pinned,
    inUse,
    kept: decision === null ? null : decision.action === 'keep',
    keptBy: decision?.action === 'keep' ? decision.reasons : [],
    removedBy: decision?.action === 'remove' ? decision.reasons : [],
    places: pair.copies.map(copyRecord),
  };
}

function verifiedRecord(verified: InventoryPair['verified']): object | null {
  if (verified === null) return null;
  const { at, level, ok, problems, tool } = verified.newest;
  return { at, level, ok, problems, tool, passed: verified.best?.level ?? null, before: verified.before };
}

function copyRecord(copy: PairCopy): object {
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
export function listSummary({ backups, places, exitCode }: BackupList): object {
  return {
    type: 'backups',
    exitCode,
    backups: backups.length,
    complete: backups.filter(({ pair }) => pair.complete).length,
    verified: backups.filter(({ pair }) => pair.complete && pair.verified?.best != null).length,
    bytes: backups.flatMap(({ pair }) => pair.copies).reduce((sum, { bytes }) => sum + bytes, 0),
    newest: backups[0]?.pair.timestamp ?? null,
    places: places.map(placeRecord),
  };
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

/** The table of all backups, and what is to be known of it, line by line. */
export function listLines({ backups, places, notes }: BackupList, width: number, now: Date): string[] {
  const names = placeNames(places);
  const rows = backups.map((backup) => rowOf(backup, names, now));
  const table = rows.length === 0 ? ['There are no backups yet.'] : tableLines(COLUMNS, rows, width);
  const broken = backups.filter(({ pair }) => !pair.complete);
  const warned = backups.flatMap(({ pair }) =>
    pair.copies.flatMap(({ warning }) => (warning === null ? [] : [`${pair.timestamp}: ${warning}`])),
  );
  return [
    ...table,
    ...broken.map(({ pair }) => `✗ ${pair.timestamp}: ${printable(pair.broken ?? '')}`),
    ...partlyBroken(backups),
    ...backups.flatMap(({ pair: { timestamp, salvaged } }) =>
      salvaged === null ? [] : [`* ${timestamp}: ${printable(salvagedSays(salvaged))}`],
    ),
    ...warned.map((text) => `! ${printable(text)}`),
    ...places.flatMap(({ place, missing }) => (missing === null ? [] : [`${place}: ${missing}.`])),
    ...notes,
  ];
}

function partlyBroken(backups: readonly ListedBackup[]): string[] {
  return backups.flatMap(({ pair }) =>
    pair.complete
      ? pair.copies.flatMap(({ broken, place }) =>
          broken === null ? [] : [`! ${pair.timestamp} in ${place}: ${printable(broken)}`],
        )
      : [],
  );
}

function rowOf({ pair, decision }: ListedBackup, names: ReadonlyMap<string, string>, now: Date): string[] {
  const count = (value: number | null | undefined): string => (value == null ? '-' : formatCount(value));
  return [
    `${pair.timestamp}${pair.salvaged === null ? '' : '*'}`,
    shortAge(pair.ageSeconds),
    formatBytes(pair.bytes),
    count(pair.counts?.memories),
    count(pair.counts?.relationships),
    count(pair.counts?.points),
    pair.broken !== null && pair.verified === null ? 'broken' : verifiedSays(pair.verified, now),
    placeSays(pair.copies.map(({ place }) => names.get(place) ?? 'other')),
    keptSays(pair.pinned !== null, decision),
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

function verifiedSays(verified: InventoryPair['verified'], now: Date): string {
  if (verified === null) return 'never';
  const { newest, best } = verified;
  const { at, level } = newest.ok ? (best ?? newest) : newest;
  return `${newest.ok ? level : 'FAILED'} ${shortAge((now.getTime() - Date.parse(at)) / 1000)}`;
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
export function heldSays({ counts, bytes }: InventoryPair): string {
  if (counts === null) return formatBytes(bytes);
  const { memories, relationships, points } = counts;
  const held = [
    memories === null ? null : formatNumberOf(memories, 'memory', 'memories'),
    relationships === null ? null : formatNumberOf(relationships, 'relationship', 'relationships'),
    points === null ? null : formatNumberOf(points, 'point', 'points'),
  ].filter((text) => text !== null);
  return [...held, formatBytes(bytes)].join(', ');
}
