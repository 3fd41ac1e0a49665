import type { Command } from 'commander';
import type { RunRequest } from '../recovery/machine.js';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import { RunSession, type SessionOptions } from './run/session.js';
import { settingsOf } from './run/settings-of.js';
import { showRun } from './run/show.js';

interface Flags {
  input: boolean;
  json?: true;
  plans?: string;
}

const ASSESS_HELP = `
Only reads, whatever it finds. The newest backup is verified record by record.

Exit codes:
  0   both stores are intact
  2   wrong usage or settings
  3   a store is degraded, empty or lost
  10  a store cannot be reached`;

const VALIDATE_HELP = `
Only reads. Every memory is compared with its payload, by id and by content; equal counts prove nothing.

Exit codes:
  0   all five checks passed, and at least one of them looked at data
  2   wrong usage or settings
  3   a check failed: its fix is named
  10  a store cannot be reached`;

/** Adds `lifeboat assess`. */
export function addAssessCommand(program: Command, context: CommandContext): void {
  withViewFlags(program.command('assess'))
    .description('find out what survived in both stores and the backups')
    .option('--plans <folder>', 'a folder with plans of your own beside the built-in ones')
    .addHelpText('after', ASSESS_HELP)
    .action((flags: Flags) => runReadOnly(context, 'assess', flags));
}

/** Adds `lifeboat validate`. */
export function addValidateCommand(program: Command, context: CommandContext): void {
  withViewFlags(program.command('validate'))
    .description('prove in five steps that both stores are whole and agree')
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
    interactive: false,
    confirm: null,
    confirmName: settings.graph.name,
    goal: command === 'assess' ? 'plan' : 'validate',
  };
  const options: SessionOptions = {
    command,
    request,
    backup: 'latest',
    backupDepth: command === 'assess' ? 'verified' : 'sound',
    restoreUnmatched: false,
    planFolders: planFolders(flags.plans, context),
    keepsRecord: false,
  };
  const summary = await showRun(new RunSession(settings, options), context, view);
  context.setExitCode(summary.exitCode);
}
