import type { Command } from 'commander';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import {
  recoveryOptions,
  withDriftFlags,
  withRunFlags,
  withVectorFlags,
  type RecoveryFlags,
} from './recovery-flags.js';
import { settingsOf } from './run/settings-of.js';
import { RunSession } from './run/session.js';
import { showRun } from './run/show.js';

const HELP = `
For cron: compares both stores memory by memory and repairs only what differs, in both directions; the graph decides over
payload fields. Running it twice changes nothing the second time. Copies of both stores from before are kept until:
lifeboat runs forget

Exit codes:
  0    the stores agree, or differ by 5 % or less and nothing was repaired
  1    failed; to continue: lifeboat runs resume
  2    wrong usage or settings, or --orphans delete not confirmed
  3    something could not be repaired, or the drift is above --max-drift: the plan to use is named
  10   a store that is needed cannot be reached
  11   another run holds the lease
  130  stopped by the operator; to continue: lifeboat runs resume`;

/** Adds `lifeboat repair`: the plan sync-drift, without questions. */
export function addRepairCommand(program: Command, context: CommandContext): void {
  const command = program.command('repair').description('bring two stores that drifted apart together again');
  withDriftFlags(withVectorFlags(withRunFlags(command)))
    .option('--always', 'repair also where the drift is 5 % or less')
    .addHelpText('after', HELP)
    .action(async (flags: RecoveryFlags) => {
      const recovery = recoveryOptions(flags);
      const settings = await settingsOf(context);
      const session = new RunSession(settings, {
        version: context.version,
        command: 'repair',
        request: {
          plan: 'sync-drift',
          dryRun: flags.dryRun === true,
          interactive: false,
          confirm: flags.confirm ?? null,
          confirmName: settings.graph.name,
          fix: flags.fix === true,
          goal: 'recover',
        },
        backup: flags.backup,
        backupFile: null,
        backupDepth: 'sound',
        deep: 'never',
        recovery,
        planFolders: planFolders(undefined, context),
        keepsRecord: true,
        takesLease: flags.dryRun !== true,
        takeOver: flags.takeOver === true,
        resume: null,
      });
      const summary = await showRun(session, context, { json: flags.json === true, input: flags.input });
      context.setExitCode(summary.exitCode);
    });
}
