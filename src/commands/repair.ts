import { InvalidArgumentError, type Command } from 'commander';
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
payload fields. Running it twice changes nothing the second time. Copies of both stores from before are kept, so that it
can be rolled back. Once everything is repaired, those of older repairs are let go of, but for the newest ones (--keep);
--keep 0 keeps only what was there before this one. Runs that can go on, were rolled back, or were no repair stay as they
are, until: lifeboat runs forget

Exit codes:
  0    the stores agree, or differ by 5 % or less and nothing was repaired
  1    failed; to continue: lifeboat runs resume
  2    wrong usage or settings, or --orphans delete not confirmed
  3    something could not be repaired, or the drift is above --max-drift: the plan to use is named
  10   a store that is needed cannot be reached
  11   another run holds the lease
  130  stopped by the operator; to continue: lifeboat runs resume`;

/** A copy of the graph takes its memory once more. */
const KEPT_REPAIRS = 5;

/** Adds `lifeboat repair`: the plan sync-drift, without questions. */
export function addRepairCommand(program: Command, context: CommandContext): void {
  const command = program.command('repair').description('bring two stores that drifted apart together again');
  withDriftFlags(withVectorFlags(withRunFlags(command)))
    .option('--always', 'repair also where the drift is 5 % or less')
    .option(
      '--keep <repairs>',
      'how many of the repairs before this one can still be rolled back afterwards',
      wholeNumber,
      KEPT_REPAIRS,
    )
    .addHelpText('after', HELP)
    .action(async (flags: RecoveryFlags & { keep: number }) => {
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
        keepRepairs: flags.keep,
      });
      const summary = await showRun(session, context, { json: flags.json === true, input: flags.input });
      context.setExitCode(summary.exitCode);
    });
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, 0 or more.');
}
