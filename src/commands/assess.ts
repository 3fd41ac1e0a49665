import type { Command } from 'commander';
import type { RunRequest } from '../recovery/run-context.js';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import { withBackupFlag } from './recovery-flags.js';
import { RunSession } from './run/session.js';
import { DEFAULT_RECOVERY, type SessionOptions } from './run/session-options.js';
import { settingsOf } from './run/settings-of.js';
import { isInteractive, showRun } from './run/show.js';

interface Flags {
  input: boolean;
  json?: true;
  plans?: string;
  deep?: true;
  fix?: true;
  /** What --fix may take from; of `validate` alone. */
  backup?: string;
  takeOver?: true;
}

const ASSESS_HELP = `
Only reads, whatever it finds. The newest backup is verified record by record.

Exit codes:
  0   both stores are intact (with --deep: and agree)
  2   wrong usage or settings
  3   a store is degraded, empty or lost (with --deep: or the stores differ)
  10  a store cannot be reached`;

const VALIDATE_HELP = `
Every memory is compared with its payload, by id and by content; equal counts prove nothing. Only reads, unless you
accept its offer to mend in a terminal, or give --fix: then it mends what a check names, and keeps copies of both stores
from before until: lifeboat runs forget

Exit codes:
  0   all five checks passed, and at least one of them looked at data
  2   wrong usage or settings
  1   mending failed
  3   a check failed: its fix is named
  10  a store cannot be reached
  11  to mend: another run holds the lease
  130 stopped by the operator`;

/** Adds `lifeboat assess`. */
export function addAssessCommand(program: Command, context: CommandContext): void {
  withViewFlags(program.command('assess'))
    .description('find out what survived in both stores and the backups')
    .option('--deep', 'also compare the stores memory by memory, by id and content')
    .option('--plans <folder>', 'a folder with plans of your own beside the built-in ones')
    .addHelpText('after', ASSESS_HELP)
    .action((flags: Flags) => runReadOnly(context, 'assess', flags));
}

/** Adds `lifeboat validate`. */
export function addValidateCommand(program: Command, context: CommandContext): void {
  withBackupFlag(withViewFlags(program.command('validate')))
    .description('prove in five steps that both stores are whole and agree')
    .option('--fix', 'mend what a failed check names, at once, in at most three rounds')
    .option('--take-over', 'with --fix: take the lease from a run that is certainly dead')
    .addHelpText('after', VALIDATE_HELP)
    .action((flags: Flags) => runReadOnly(context, 'validate', flags));
}

function withViewFlags(command: Command): Command {
  return command
    .option('--no-input', 'plain lines, also in a terminal')
    .option('--json', 'one JSON object a line, the last one the summary');
}

async function runReadOnly(
  context: CommandContext,
  command: 'assess' | 'validate',
  flags: Flags,
): Promise<void> {
  const settings = await settingsOf(context);
  const view = { json: flags.json === true, input: flags.input };
  const request: RunRequest = {
    plan: null,
    dryRun: false,
    // An assessment asks for nothing; of a validation, mending is offered.
    interactive: command === 'validate' && isInteractive(context, view),
    fix: flags.fix === true,
    confirm: null,
    confirmName: settings.graph.name,
    goal: command === 'assess' ? 'plan' : 'validate',
  };
  const options: SessionOptions = {
    version: context.version,
    command,
    request,
    backup: flags.backup ?? 'latest',
    backupFile: null,
    backupDepth: command === 'assess' ? 'verified' : 'sound',
    deep: flags.deep === true ? 'always' : 'never',
    recovery: DEFAULT_RECOVERY,
    planFolders: planFolders(flags.plans, context),
    keepsRecord: flags.fix === true,
    takesLease: flags.fix === true,
    takeOver: flags.takeOver === true,
    resume: null,
  };
  const summary = await showRun(new RunSession(settings, options), context, view);
  context.setExitCode(summary.exitCode);
}
