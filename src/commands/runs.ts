import type { Command } from 'commander';
import { ExitCode, Failure } from '../failure.js';
import { isResumable, listRuns, readRun, type RunState } from '../recovery/run-state.js';
import type { Settings } from '../settings/settings.js';
import type { CommandContext } from './context.js';
import { describeRun, runLine, runRecord } from './runs/describe.js';
import { seconds } from './recovery-flags.js';
import { forgetRun } from './runs/forget-run.js';
import { rollBackRun } from './runs/undo-run.js';
import { resumedOptions, storesOf } from './run/session-options.js';
import { notResumableFailure } from './run/not-resumable.js';
import { settingsOf } from './run/settings-of.js';
import { RunSession } from './run/session.js';
import { isInteractive, showRun } from './run/show.js';

interface Flags {
  json?: true;
  confirm?: string;
  takeOver?: true;
  discardNewer?: true;
  input: boolean;
  wait?: number;
  viaApi?: true;
}

const HELP = `
A run that was stopped, killed or failed goes on with: lifeboat runs resume RUN
What a run replaced stays on the servers until: lifeboat runs forget RUN

Exit codes:
  0    done; resume: as recover
  1    failed; running the same command again goes on
  2    no such run, not confirmed, or the run is not one that can be resumed or undone
  4    what was kept for the rollback is gone
  10   a store that is needed cannot be reached
  11   another run holds the lease
  130  stopped by the operator`;

/** Adds `lifeboat runs` with its subcommands. */
export function addRunsCommand(program: Command, context: CommandContext): void {
  const runs = program
    .command('runs')
    .description('earlier runs: look at them, continue them, undo them')
    .addHelpText('after', HELP);
  runs
    .command('list', { isDefault: true })
    .description('every run, newest first')
    .option('--json', 'one JSON object a line')
    .action((flags: Flags) => list(context, flags));
  runs
    .command('show <run>')
    .description('one run: its steps, what it changed, what is kept')
    .option('--json', 'one JSON object')
    .action((run: string, flags: Flags) => show(context, run, flags));
  withConfirmation(runs.command('resume <run>'))
    .description('continue a run that was stopped, killed or failed')
    .option('--wait <time>', 'how long to wait for what a person must do', seconds)
    .option('--via-api', 'let AutoMem embed what is still missing, through its own API')
    .option('--no-input', 'never ask; a missing answer fails')
    .action((run: string, flags: Flags) => resume(context, run, flags));
  withConfirmation(runs.command('rollback <run>'))
    .description('put back what the run replaced, in both stores')
    .option(
      '--discard-newer',
      'also where what came after the run is then kept only aside, until `runs forget`',
    )
    .action((run: string, flags: Flags) => undo(context, run, flags, rollBackRun));
  withConfirmation(runs.command('forget <run>'))
    .description('free what is kept for the rollback of a run; it cannot be undone afterwards')
    .action((run: string, flags: Flags) => undo(context, run, flags, forgetRun));
}

function withConfirmation(command: Command): Command {
  return command
    .option('--confirm <graph>', 'the name of the graph, typed out')
    .option('--take-over', 'take the lease from a run that is certainly dead')
    .option('--json', 'one JSON object a line');
}

async function list(context: CommandContext, flags: Flags): Promise<void> {
  const runs = listRuns((await settingsOf(context)).folders.state);
  for (const run of runs) {
    context.out(`${flags.json === true ? JSON.stringify(runRecord(run)) : runLine(run, runs)}\n`);
  }
  if (runs.length === 0 && flags.json !== true) context.out('There are no runs yet.\n');
}

async function show(context: CommandContext, run: string, flags: Flags): Promise<void> {
  const state = readRun((await settingsOf(context)).folders.state, run);
  const text = flags.json === true ? JSON.stringify(runRecord(state)) : describeRun(state).join('\n');
  context.out(`${text}\n`);
}

async function resume(context: CommandContext, run: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const state = readRun(settings.folders.state, run);
  if (!isResumable(state)) throw notResumableFailure(state);
  refuseOtherStores(state, settings);
  const view = { json: flags.json === true, input: flags.input };
  const options = resumedOptions(state, {
    version: context.version,
    interactive: isInteractive(context, view),
    confirm: flags.confirm ?? null,
    takeOver: flags.takeOver === true,
    recovery: {
      ...(flags.wait === undefined ? {} : { waitSeconds: flags.wait }),
      ...(flags.viaApi === true ? { viaApi: true } : {}),
    },
  });
  const summary = await showRun(new RunSession(settings, options), context, view);
  context.setExitCode(summary.exitCode);
}

async function undo(
  context: CommandContext,
  run: string,
  flags: Flags,
  act: typeof rollBackRun,
): Promise<void> {
  const settings = await settingsOf(context);
  const state = readRun(settings.folders.state, run);
  refuseOtherStores(state, settings);
  const say = (text: string): void =>
    context.out(`${flags.json === true ? JSON.stringify({ type: 'notice', run, message: text }) : text}\n`);
  const { confirm = null, takeOver = false, discardNewer = false } = flags;
  await act(state, settings, { confirm, takeOver, discardNewer, say });
}

/** A journal speaks of certain stores; on others its changes mean nothing. */
function refuseOtherStores({ header }: RunState, settings: Settings): void {
  const now = storesOf(settings);
  const differing = (Object.keys(now) as (keyof typeof now)[]).filter(
    (key) => now[key] !== header.stores[key],
  );
  if (differing.length === 0) return;
  throw new Failure({
    operation: 'take up the run',
    subject: header.run,
    reason: `it worked on ${differing.map((key) => header.stores[key]).join(' and ')}, the settings now name ${differing.map((key) => now[key]).join(' and ')}`,
    hint: 'Set FALKORDB_HOST, FALKORDB_GRAPH, QDRANT_URL and QDRANT_COLLECTION as they were for that run.',
    exitCode: ExitCode.usage,
    code: 'run-of-other-stores',
  });
}
