import type { BackupCopy } from '../../backup/inventory/backup-copy.js';
import { isComplete } from '../../backup/inventory/copy-facts.js';
import type { InventoryBackup } from '../../backup/inventory/inventory.js';
import { salvagedSays } from '../../backup/pair/salvaged.js';
import type { ValueMap } from '../../memory/values.js';
import { formatAge, formatBytes, formatNumberOf } from '../../report/format.js';
import { hangingLines } from '../../report/hanging.js';
import { printable } from '../../report/text.js';
import type { ListedBackup } from './list-backups.js';
import { heldSays } from './list-words.js';
import { firstThatFit, manifestLines, manifestRows, type Row } from './manifest-words.js';

export interface ShowOptions {
  now: Date;
  /** Columns of the terminal; Infinity where there is none. */
  width: number;
  /** Everything that the manifest says, too. */
  isWhole: boolean;
}

/** What stands before the text of a row, in columns. */
const TITLE = 12;

/** Two lines of a terminal of 80 columns, beside the title. */
const TWO_LINES = 2 * (80 - TITLE) - 8;

/**
 * One backup for people: what a screen of 24 lines takes, and where all of it is asked for, the manifest.
 *
 * @param manifest null where there is none that can be trusted
 */
export function shownText(listed: ListedBackup, manifest: ValueMap | null, options: ShowOptions): string {
  const rows = [...backupRows(listed, options), ...manifestRows(manifest)];
  const { timestamp } = listed.backup;
  if (manifest !== null && !options.isWhole)
    rows.push(['All of it', `lifeboat backup show ${timestamp} --manifest`]);
  const lines = rows.flatMap(([title, text]) =>
    hangingLines(title.padEnd(TITLE), printable(text), options.width),
  );
  if (manifest !== null && options.isWhole) lines.push('Manifest', ...manifestLines(manifest));
  return `${lines.join('\n')}\n`;
}

function backupRows({ backup, inUse, decision }: ListedBackup, { now, isWhole }: ShowOptions): Row[] {
  const { timestamp, fromFuture, pinned, copies, kind, source } = backup;
  const age = fromFuture ? 'dated in the future: a clock is wrong' : formatAge(backup.ageSeconds);
  return [
    ['Backup', `${timestamp}, ${age}`],
    ...(kind === 'sqlite' ? [['Store', `${source ?? 'unknown'} (SQLite)`] satisfies Row] : []),
    ['Holds', `${heldSays(backup)}${onlySays(backup)}${backup.encrypted ? '; encrypted' : ''}`],
    ['State', stateSays(backup)],
    ...verifiedRows(backup, now),
    ...nextRows(backup),
    ...(pinned === null ? [] : [['Pinned', pinSays(pinned)] satisfies Row]),
    ['Retention', retentionSays(decision, isWhole)],
    ...(inUse.length === 0 ? [] : [['In use by', inUse.join(', ')] satisfies Row]),
    ...placeRows(copies),
  ];
}

function retentionSays(decision: ListedBackup['decision'], isWhole: boolean): string {
  if (decision === null) return 'stays: it lies where no new backups go, and is never pruned';
  const reasons = decision.reasons.map(({ says }) => says);
  const says = isWhole ? reasons.join('; ') : firstThatFit(reasons, TWO_LINES, '; ');
  return `${decision.action === 'remove' ? 'would be removed' : 'stays'}: ${says}`;
}

function onlySays({ only, salvaged }: InventoryBackup): string {
  if (only === null) return '';
  return salvaged?.halves.length ? `; the ${only} alone` : `; the ${only} alone, on purpose`;
}

function stateSays({ complete, broken, salvaged, copies }: InventoryBackup): string {
  const isPart = complete && !copies.every(isComplete);
  const state = isPart ? 'complete, but not at every place' : complete ? 'complete' : (broken ?? 'broken');
  if (salvaged === null) return state;
  return complete ? salvagedSays(salvaged) : `${state}; ${salvagedSays(salvaged)}`;
}

/** A line for all places, or one for each where they differ: one sound copy does not make the others sound. */
function verifiedRows({ copies }: InventoryBackup, now: Date): Row[] {
  const says = copies.map(({ verified }) => verifiedSays(verified, now));
  if (new Set(says).size < 2) return [['Verified', says[0] ?? '']];
  return copies.map(({ place }, index) => [index === 0 ? 'Verified' : '', `${place}: ${says[index] ?? ''}`]);
}

/** What can be done where it is not sound. */
function nextRows({ kind, timestamp, verified, copies }: InventoryBackup): Row[] {
  if (verified?.newest.ok !== false) return [];
  const sound = copies.find(isComplete);
  if (sound !== undefined) return [['Next', `copy its files from ${sound.place}, and verify it again there`]];
  if (kind === 'sqlite')
    return [['Next', 'while the store is whole, make a new one: lifeboat backup create']];
  return [
    ['Next', `save what is readable: lifeboat backup salvage ${timestamp} --output FOLDER`],
    ['', 'and while the stores are whole, make a new one: lifeboat backup create'],
  ];
}

function pinSays({ at, by, reason }: NonNullable<BackupCopy['pinned']>): string {
  return [reason, by === null ? null : `by ${by}`, at].filter((text) => text !== null).join(', ');
}

function verifiedSays(verified: BackupCopy['verified'], now: Date): string {
  if (verified === null) return 'never, as it lies there now';
  const { newest, best, before } = verified;
  const age = (at: string): string => formatAge((now.getTime() - Date.parse(at)) / 1000);
  if (!newest.ok) {
    const found = formatNumberOf(newest.problems, 'problem', 'problems');
    const sound = before === null ? '' : `; ${before.level} ${age(before.at)}: sound, before that`;
    return `NOT SOUND ${age(newest.at)} (${found})${sound}`;
  }
  const closest = best === null || best === newest ? '' : `; ${best.level} ${age(best.at)}`;
  return `${newest.level} ${age(newest.at)}: sound${closest}`;
}

/** The files of each place; where they are those of the first one, that they are. */
function placeRows(copies: readonly BackupCopy[]): Row[] {
  const listed = ({ base, files }: BackupCopy): string[] =>
    files.map(({ path, bytes }) => `${path.slice(base.length)}, ${formatBytes(bytes)}`);
  const first = copies[0] === undefined ? [] : listed(copies[0]);
  return copies.flatMap((copy, index): Row[] => {
    const files = listed(copy);
    const isSame = index > 0 && files.join('\n') === first.join('\n');
    const wrong = [copy.broken, copy.warning].filter((text) => text !== null);
    return [
      ['Place', isSame ? `${copy.place}: the same ${files.length} files` : copy.place],
      ...(isSame ? [] : files.map((text): Row => ['', text])),
      ...wrong.map((text): Row => ['', `✗ ${text}`]),
    ];
  });
}
