import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { InventoryPlace } from '../../backup/inventory/inventory.js';
import { ExitCode } from '../../failure.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { listBackups } from './list-backups.js';
import { backupRecord, listLines, listSummary } from './list-words.js';
import { isOf, sourceOption, type WhichStores } from './which-backups.js';

interface Flags {
  file?: string;
  source?: WhichStores;
  json?: true;
}

const HELP = `
Newest first, over all places. How many memories (mem.), relationships (rel.) and points a backup holds stands in its
manifest; AutoMem's own have none, and tell once they were verified in full. Of a SQLite store they are its memories, the edges of its graph table and its vectors.
"verified" is the closest look that it passed, and how long ago, for each place by itself where they differ; "kept by" the
first rule of the retention that keeps it, and how many others do: "last +6" is kept as one of the last, and by six rules besides,
which backup show names. "enc." is there where a backup is encrypted. "FAILED" is how the newest look ended; "*" marks a salvaged backup, and a line
below says what it lost.

Exit codes:
  0    all places were listed
  2    wrong usage or settings
  4    the file holds no backup
  1    a place may not be read; the others are shown
  10   a place cannot be reached, or there is no such bucket; the others are shown`;

/** Adds `lifeboat backup list`. */
export function addListCommand(backup: Command, context: CommandContext): void {
  backup
    .command('list')
    .description('all backups: when, how much, verified or not, where, and what keeps them')
    .option(
      '--file <path>',
      "a folder, an archive from AutoMem's API or one file, in place of those of the settings",
    )
    .addOption(sourceOption())
    .option('--json', 'one JSON object a backup, then one of all')
    .addHelpText('after', HELP)
    .action((flags: Flags) => list(context, flags));
}

async function list(context: CommandContext, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const now = new Date();
  const stop = interruption(context);
  try {
    const file = flags.file === undefined ? null : resolve(context.cwd, flags.file);
    const listed = await listBackups(settings, { file, now, signal: stop.signal });
    const isMeant = flags.source === undefined ? () => true : isOf(flags.source, context.cwd);
    const shown = { ...listed, backups: listed.backups.filter(({ backup }) => isMeant(backup)) };
    if (flags.json === true) {
      for (const backup of shown.backups) context.out(`${JSON.stringify(backupRecord(backup))}\n`);
      context.out(`${JSON.stringify(listSummary(shown))}\n`);
    } else {
      context.out(`${listLines(shown, terminalWidth(context), now).join('\n')}\n`);
      tellFailures(context, listed.inventory.places);
    }
    if (listed.exitCode !== ExitCode.done) context.setExitCode(listed.exitCode);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

/** Says which places could not be read. */
function tellFailures(context: CommandContext, places: readonly InventoryPlace[]): void {
  for (const { failure } of places)
    if (failure !== null) context.err(`${failure.message}\n${failure.hint}\n`);
}

/** Columns of the terminal; what no terminal shows has no limit. */
export function terminalWidth({ terminal }: CommandContext): number {
  const stdout = terminal?.stdout;
  return stdout?.isTTY === true && stdout.columns > 0 ? stdout.columns : Infinity;
}
