import type { Command } from 'commander';
import { ExitCode, Failure } from '../../failure.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { terminalWidth } from './list.js';
import { pruneBackups, type PruneResult } from './prune-backups.js';
import { pruneLines, pruneRecords, pruneSummary } from './prune-words.js';
import { isOf, sourceOption, type WhichStores } from './which-backups.js';
import { nameOfStore } from './sqlite-source.js';
import { policyOf, withRetentionFlags, type RetentionFlags } from './retention-flags.js';

interface Flags extends RetentionFlags {
  source?: WhichStores;
  dryRun?: true;
  confirm?: string;
  json?: true;
}

const HELP = `
Without --confirm nothing is removed: what would go is listed, and the exit code is 2 where there is anything of it.

A backup is decided on once, and kept or removed at all places. Backups of AutoMem are counted among themselves, and so are
those of each SQLite store: none takes the place of another store's. Never removed: the newest verified one at each place, what
is pinned, what a run uses or can be resumed with, and the newest "minimum" complete ones at each place. What Object Lock
holds stays at that place. "Verified" is one that passed any look, --quick too; where that was none that read its records, the
newest whose records were read stays besides. Only what lies where new backups go is removed, and only files that bear the names of
backups. What a versioned bucket removes, it keeps behind a delete marker until a lifecycle rule removes it.

Exit codes:
  0    done, or nothing to do
  1    something could not be removed
  2    wrong usage or settings, or not confirmed
  10   a place cannot be reached: nothing was removed there
  11   a recovery of another machine is at work
  130  stopped by the operator; what is left of a backup goes with the next prune`;

/** Adds `lifeboat backup prune`. */
export function addPruneCommand(backup: Command, context: CommandContext): void {
  const command = backup
    .command('prune')
    .description('remove the backups that the retention does not keep')
    .option('--dry-run', 'change nothing, and print what would be kept and removed, and why')
    .option(
      '--confirm <name>',
      'the name of the graph, or with --source sqlite:PATH that of the file, typed out: agrees to the removal',
    );
  withRetentionFlags(command.addOption(sourceOption()))
    .option('--json', 'one JSON object a backup, then one of all')
    .addHelpText('after', HELP)
    .action((flags: Flags) => prune(context, flags));
}

async function prune(context: CommandContext, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const path = flags.source?.path ?? null;
  const name = path === null ? settings.graph.name : nameOfStore(path);
  // Whoever learned the name of the graph for it may go on typing that.
  const isNamed = flags.confirm === name || flags.confirm === settings.graph.name;
  if (flags.confirm !== undefined && !isNamed) throw notConfirmed(name, path !== null, flags.confirm);
  const isConfirmed = isNamed && flags.dryRun !== true;
  const stop = interruption(context);
  try {
    const result = await pruneBackups(settings, {
      policy: policyOf(flags, settings.retention),
      ...(flags.source === undefined ? {} : { isMeant: isOf(flags.source, context.cwd) }),
      remove: isConfirmed,
      now: () => new Date(),
      signal: stop.signal,
    });
    tell(context, result, flags);
    if (result.exitCode !== ExitCode.done) context.setExitCode(result.exitCode);
    if (flags.dryRun !== true && !isConfirmed && result.copiesRemoved > 0)
      throw notConfirmed(name, path !== null, null);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

function tell(context: CommandContext, result: PruneResult, { json }: Flags): void {
  if (json === true) {
    for (const record of pruneRecords(result)) context.out(`${JSON.stringify(record)}\n`);
    return;
  }
  context.out(`${[...pruneLines(result, terminalWidth(context)), pruneSummary(result)].join('\n')}\n`);
  for (const { message, hint } of result.failures) context.err(`${message}\n${hint}\n`);
}

function notConfirmed(name: string, isStore: boolean, given: string | null): Failure {
  return new Failure({
    operation: 'prune the backups',
    subject: name,
    reason:
      given === null
        ? 'it was not confirmed, and nothing was removed'
        : `--confirm names ${JSON.stringify(given)}, but the ${isStore ? 'store' : 'graph'} is ${JSON.stringify(name)}`,
    hint: `To remove what is listed to be removed, add --confirm ${name}. To look only, add --dry-run.`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
}
