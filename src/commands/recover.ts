import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ExitCode, Failure } from '../failure.js';
import { packageRoot } from '../sandbox/package-root.js';
import type { CommandContext } from './context.js';
import { settingsOf } from './run/settings-of.js';
import { RunSession } from './run/session.js';
import { isInteractive, showRun } from './run/show.js';

interface RecoverFlags {
  dryRun?: true;
  confirm?: string;
  backup: string;
  restoreUnmatched?: true;
  plans?: string;
  input: boolean;
  json?: true;
}

const HELP = `
Without PLAN, the best plan for what the assessment finds is taken; in a terminal you choose and confirm. Nothing that
exists is changed before its replacement is proven, and what is replaced is kept.

Exit codes:
  0    recovered and validated
  1    failed; both stores are as they were
  2    wrong usage or settings, or not confirmed
  3    recovered, but something could not be brought back or a check failed
  4    nothing usable to recover from
  5    recovered, but later than the objective, or with older data
  10   a store that is needed cannot be reached
  130  stopped by the operator`;

/** Adds `lifeboat recover`. */
export function addRecoverCommand(program: Command, context: CommandContext): void {
  program
    .command('recover [plan]')
    .description('find out what survived, choose a plan, run it, prove the result')
    .option('--dry-run', 'read everything, change nothing, and print exactly what would happen')
    .option('--confirm <graph>', 'the name of the graph, typed out: agrees to replacing it')
    .option('--backup <timestamp>', 'the backup to use: YYYYMMDD_HHMMSS, latest, or none', 'latest')
    .option(
      '--restore-unmatched',
      'bring back memories of the backup that had a vector then and have none now',
    )
    .option('--plans <folder>', 'a folder with plans of your own beside the built-in ones')
    .option('--no-input', 'never ask; a missing answer fails')
    .option('--json', 'one JSON object a line, the last one the summary')
    .addHelpText('after', HELP)
    .action(async (plan: string | undefined, flags: RecoverFlags) => {
      checkBackupChoice(flags.backup);
      const settings = await settingsOf(context);
      const view = { json: flags.json === true, input: flags.input };
      const session = new RunSession(settings, {
        command: 'recover',
        request: {
          plan: plan ?? null,
          dryRun: flags.dryRun === true,
          interactive: isInteractive(context, view),
          confirm: flags.confirm ?? null,
          confirmName: settings.graph.name,
          goal: 'recover',
        },
        backup: flags.backup,
        backupDepth: 'sound',
        restoreUnmatched: flags.restoreUnmatched === true,
        planFolders: planFolders(flags.plans, context),
        keepsRecord: true,
      });
      const summary = await showRun(session, context, view);
      context.setExitCode(summary.exitCode);
    });
}

/** The built-in plans, and the operator's own. */
export function planFolders(own: string | undefined, context: Pick<CommandContext, 'cwd'>): string[] {
  const builtIn = join(packageRoot(), 'recovery-plans');
  return own === undefined ? [builtIn] : [builtIn, resolve(context.cwd, own)];
}

function checkBackupChoice(choice: string): void {
  if (choice === 'latest' || choice === 'none' || /^\d{8}_\d{6}$/.test(choice)) return;
  throw new Failure({
    operation: 'understand --backup',
    subject: choice,
    reason: 'it is neither a timestamp of the form YYYYMMDD_HHMMSS nor latest or none',
    hint: 'See the backups there are with: lifeboat assess',
    exitCode: ExitCode.usage,
    code: 'usage',
  });
}
