import { resolve } from 'node:path';
import type { Command } from 'commander';
import { undecrypted } from '../../backup/decrypting-archive.js';
import type { InventoryPair } from '../../backup/inventory/inventory.js';
import type { PairCopy } from '../../backup/inventory/pair-copy.js';
import { readManifest } from '../../backup/manifest.js';
import { salvagedSays } from '../../backup/salvaged.js';
import { Double, isMap, numeric, type Value, type ValueMap } from '../../memory/values.js';
import { plainNumbers } from '../../recovery/run-directory.js';
import { formatAge, formatBytes, formatCount, formatNumberOf } from '../../report/format.js';
import { printable } from '../../report/text.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { backupNamed, listOf, openArchives, type ListedBackup } from './list-backups.js';
import { backupRecord, heldSays } from './list-words.js';

interface Flags {
  file?: string;
  json?: true;
}

const HELP = `
Exit codes:
  0    it is shown
  2    wrong usage or settings
  4    there is no such backup
  10   a place cannot be reached, and no other one has it`;

/** Adds `lifeboat backup show`. */
export function addShowCommand(backup: Command, context: CommandContext): void {
  backup
    .command('show')
    .description(
      'one backup: its files, what it holds, what its manifest says, how it was verified, what keeps it',
    )
    .argument('[timestamp]', 'YYYYMMDD_HHMMSS, or "latest"', 'latest')
    .option(
      '--file <path>',
      "a folder, an archive from AutoMem's API or one file, in place of those of the settings",
    )
    .option('--json', 'one JSON object, with the whole manifest')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) => show(context, timestamp, flags));
}

async function show(context: CommandContext, timestamp: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const now = new Date();
  const stop = interruption(context);
  const file = flags.file === undefined ? null : resolve(context.cwd, flags.file);
  const opened = await openArchives(settings, { file, now, signal: stop.signal });
  try {
    const listed = await listOf(settings, opened, now);
    const pair = backupNamed('show the backup', listed, timestamp);
    const backup = listed.backups.find((one) => one.pair === pair);
    if (backup === undefined) throw new Error('what is named was listed');
    const manifest = await manifestOf(pair.copies);
    context.out(
      flags.json === true
        ? `${JSON.stringify({ ...backupRecord(backup), manifest }, plainNumbers)}\n`
        : `${shownLines(backup, manifest, now).join('\n')}\n`,
    );
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
    await opened.close();
  }
}

/** Of the first copy whose manifest can be trusted. */
async function manifestOf(copies: readonly PairCopy[]): Promise<ValueMap | null> {
  const copy = copies.find(
    ({ hasManifest, warning, counts }) => hasManifest && warning === null && counts !== null,
  );
  if (copy === undefined) return null;
  const manifest = await readManifest(undecrypted(copy.archive), copy.pair);
  return manifest === null || typeof manifest === 'string' ? null : manifest.body;
}

function shownLines({ pair, inUse, decision }: ListedBackup, manifest: ValueMap | null, now: Date): string[] {
  const age = formatAge(pair.ageSeconds);
  const keeps = decision?.reasons.map(({ says }) => says).join('; ');
  const kept = decision === null ? 'it lies where no new backups go, and is never pruned' : keeps;
  return [
    `Backup      ${pair.timestamp}, ${pair.fromFuture ? 'dated in the future: a clock is wrong' : age}`,
    `Holds       ${heldSays(pair)}${onlySays(pair)}${pair.encrypted ? '; encrypted' : ''}`,
    `State       ${stateSays(pair)}`,
    `Verified    ${verifiedSays(pair.verified, now)}`,
    ...nextLines(pair),
    ...(pair.pinned === null ? [] : [`Pinned      ${pinSays(pair.pinned)}`]),
    `Retention   ${decision?.action === 'remove' ? 'would be removed' : 'stays'}: ${printable(kept ?? '')}`,
    ...(inUse.length === 0 ? [] : [`In use by   ${inUse.join(', ')}`]),
    ...pair.copies.flatMap(copyLines),
    ...(manifest === null
      ? ['Manifest    none that can be trusted']
      : ['Manifest', ...memberLines(manifest, 1)]),
  ];
}

function onlySays({ only, salvaged }: InventoryPair): string {
  if (only === null) return '';
  return salvaged?.halves.length ? `; the ${only} alone` : `; the ${only} alone, on purpose`;
}

function stateSays({ complete, broken, salvaged }: InventoryPair): string {
  const state = complete ? 'complete' : (broken ?? 'broken');
  if (salvaged === null) return printable(state);
  return printable(complete ? salvagedSays(salvaged) : `${state}; ${salvagedSays(salvaged)}`);
}

/** What can be done where it is not sound. */
function nextLines({ timestamp, verified }: InventoryPair): string[] {
  if (verified?.newest.ok !== false) return [];
  return [
    `Next        save what is readable: lifeboat backup salvage ${timestamp} --output FOLDER`,
    '            and while the stores are whole, make a new one: lifeboat backup create',
  ];
}

function pinSays({ at, by, reason }: NonNullable<PairCopy['pinned']>): string {
  return printable([reason, by === null ? null : `by ${by}`, at].filter((text) => text !== null).join(', '));
}

function verifiedSays(verified: PairCopy['verified'], now: Date): string {
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

function copyLines({ place, files, broken, warning }: PairCopy): string[] {
  return [
    `Place       ${place}`,
    ...files.map(({ path, bytes }) => `            ${printable(path)}, ${formatBytes(bytes)}`),
    ...[broken, warning].flatMap((text) => (text === null ? [] : [`            ✗ ${printable(text)}`])),
  ];
}

/** Lists of so many items are told by their number: nobody reads two thousand blocks. */
const FEW = 20;

/** Everything that a map says, a line for each member, what lies inside indented. */
function memberLines(map: ValueMap, depth: number): string[] {
  const indent = '  '.repeat(depth);
  return Object.entries(map).flatMap(([name, value]) => {
    const title = `${indent}${printable(name)}`;
    if (isMap(value)) {
      const lines = memberLines(value, depth + 1);
      return lines.length === 0 ? [`${title}: none`] : [title, ...lines];
    }
    if (!Array.isArray(value)) return [`${title}: ${scalar(name, value)}`];
    if (value.length === 0) return [`${title}: none`];
    if (value.length > FEW || name === 'blocks') return [`${title}: ${formatCount(value.length)}`];
    if (value.some((item) => isMap(item) || Array.isArray(item)))
      return [title, ...value.map((item) => `${indent}  ${printable(JSON.stringify(item, plainNumbers))}`)];
    return [`${title}: ${value.map((item) => scalar('', item)).join(', ')}`];
  });
}

function scalar(name: string, value: Value): string {
  if (value === null) return '-';
  const number = numeric(value);
  if (number !== null && name.endsWith('bytes')) return formatBytes(number);
  if (number !== null && Number.isInteger(number) && !(value instanceof Double)) return formatCount(number);
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
