import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { packageRoot } from '../sandbox/package-root.js';
import { BUILT_IN_PLANS } from './built-in-plans.js';
import type { CommandContext } from './context.js';
import {
  contradiction,
  recoveryOptions,
  seconds,
  withDriftFlags,
  withRunFlags,
  withVectorFlags,
  type RecoveryFlags,
} from './recovery-flags.js';
import { settingsOf } from './run/settings-of.js';
import { RunSession } from './run/session.js';
import { isInteractive, showRun } from './run/show.js';

interface RecoverFlags extends RecoveryFlags {
  plans?: string;
  file?: string;
}

const HELP = `
Without PLAN, the best plan for what the assessment finds is taken; in a terminal you choose and confirm, unless --confirm
says that it may be taken at once. Nothing that exists is changed before its replacement is proven, and what is replaced is
kept until: lifeboat runs forget

Plans:
${Object.entries(BUILT_IN_PLANS)
  .map(([name, title]) => `  ${name.padEnd(16)} ${title}`)
  .join('\n')}

Exit codes:
  0    recovered and validated
  1    failed; both stores are as they were, or the run can be resumed
  2    wrong usage or settings, or not confirmed
  3    recovered, but something could not be brought back or a check failed; or it failed after the swap
  4    nothing usable to recover from
  5    recovered, but later than the objective, or with older data
  10   a store that is needed cannot be reached
  11   another run holds the lease, or took it over
  130  stopped by the operator; to continue: lifeboat runs resume`;

/** Adds `lifeboat recover`. */
export function addRecoverCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('recover [plan]')
    .description('find out what survived, choose a plan, run it, prove the result');
  withRunFlags(command)
    .option(
      '--file <path>',
      'restore from this file: one half of a backup, plain, gzipped or encrypted, or a .tar.gz of AutoMem',
    )
    .option(
      '--restore-unmatched',
      'bring back memories of the backup that had a vector then and have none now',
    )
    .addOption(new Option('--only <store>', 'work on one store').choices(['graph', 'vectors']))
    .option('--merge', 'a restore adds what is missing and changes nothing else')
    .option('--exact', 'a restore deletes points that the backup does not hold')
    .addOption(
      new Option('--wait <time>', 'how long to wait for what a person must do')
        .argParser(seconds)
        .default(30 * 60, '30m'),
    )
    .option('--plans <folder>', 'a folder with plans of your own beside the built-in ones');
  withDriftFlags(withVectorFlags(command))
    .addHelpText('after', HELP)
    .action((plan: string | undefined, flags: RecoverFlags) => runRecovery(context, plan ?? null, flags));
}

async function runRecovery(context: CommandContext, plan: string | null, flags: RecoverFlags): Promise<void> {
  // Who recovers has decided to; what may be left as it is, is a question for cron.
  const recovery = { ...recoveryOptions(flags), always: true };
  if (flags.file !== undefined && flags.backup === 'none')
    throw contradiction('--file', '--backup none', 'one names what to restore from, the other goes without');
  const settings = await settingsOf(context);
  const view = { json: flags.json === true, input: flags.input };
  const session = new RunSession(settings, {
    version: context.version,
    command: 'recover',
    request: {
      plan,
      dryRun: flags.dryRun === true,
      // Whoever confirmed beforehand has no question left: the best plan is taken, as it is without a terminal.
      interactive: isInteractive(context, view) && (plan !== null || flags.confirm === undefined),
      confirm: flags.confirm ?? null,
      confirmName: settings.graph.name,
      fix: flags.fix === true,
      goal: 'recover',
    },
    backup: flags.backup,
    backupFile: flags.file === undefined ? null : resolve(context.cwd, flags.file),
    backupDepth: 'sound',
    deep: 'where-both-hold-data',
    recovery,
    planFolders: planFolders(flags.plans, context),
    keepsRecord: true,
    takesLease: flags.dryRun !== true,
    takeOver: flags.takeOver === true,
    resume: null,
  });
  const summary = await showRun(session, context, view);
  context.setExitCode(summary.exitCode);
}

/** The built-in plans, and the operator's own. */
export function planFolders(own: string | undefined, context: Pick<CommandContext, 'cwd'>): string[] {
  const builtIn = join(packageRoot(), 'recovery-plans');
  return own === undefined ? [builtIn] : [builtIn, resolve(context.cwd, own)];
}
