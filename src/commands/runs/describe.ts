import { isResumable, standingChanges, type RunState } from '../../recovery/run-state.js';
import type { Change, ChangePhase } from '../../steps/change.js';
import { newerRunOver } from '../run/refuse-newer-run.js';

const STATUS: Partial<Record<RunState['status'], string>> = {
  unfinished: 'unfinished (killed, or still running)',
  'recovered-with-losses': 'recovered, with losses',
  'validation-failed': 'recovered, but a check failed',
  'nothing-to-do': 'nothing to do',
  'dry-run': 'dry run',
  'rolling-back': 'rollback begun, not ended',
  'rolled-back': 'rolled back',
};

/**
 * One line of `lifeboat runs list`.
 *
 * @param runs all of them, newest first
 */
export function runLine(state: RunState, runs: readonly RunState[]): string {
  const { header, plan, startedAt } = state;
  const kept = standingChanges(state).length > 0 ? '; can be rolled back' : '';
  const newer = newerRunOver(state, runs)?.header.run;
  const above = newer === undefined ? '; can be resumed' : `; cannot be resumed above the newer run ${newer}`;
  const resumable = isResumable(state) ? above : '';
  return `${header.run}  ${startedAt.slice(0, 16).replace('T', ' ')} UTC  ${(plan?.name ?? header.command).padEnd(16)}  ${statusOf(state)}${resumable}${kept}`;
}

/** What `lifeboat runs show` prints, line by line. */
export function describeRun(state: RunState): string[] {
  const { header, plan, done, changes, folder, startedAt, lastAt } = state;
  const { stores } = header;
  return [
    `Run      ${header.run} (${header.command}, Lifeboat ${header.version})`,
    `Status   ${statusOf(state)}`,
    `Time     ${startedAt} to ${lastAt}`,
    `Stores   graph "${stores.graphName}" at ${stores.graph}, collection "${stores.collection}" at ${stores.vectors}`,
    `Folder   ${folder}`,
    ...(plan === null ? [] : [`Plan     ${plan.name}, backup ${plan.backup ?? 'none'}`]),
    ...(plan?.steps ?? []).map((step) => `  ${done.includes(step) ? 'done   ' : 'not done'}  ${step}`),
    ...(changes.length === 0 ? ['Changes  none'] : ['Changes']),
    ...changes.map((noted) => `  ${PHASE[noted.phase]}  ${changeText(noted.change)}`),
    ...nextFor(state),
  ];
}

const PHASE: Record<ChangePhase, string> = {
  intent: 'begun   ',
  done: 'made    ',
  undone: 'undone  ',
  freed: 'let go  ',
};

function changeText(change: Change): string {
  switch (change.kind) {
    case 'graph-swap':
      return `the graph "${change.graph}" was replaced${change.replaced === null ? '; there was none before' : `; the one before is "${change.replaced}"`}`;
    case 'graph-edit':
      return `the graph "${change.graph}" was changed${change.copy === null ? '' : `; a copy from before is "${change.copy}"`}`;
    case 'collection-edit':
      return `points of the collection "${change.collection}" were changed${change.snapshot === null ? '' : `; its snapshot from before is "${change.snapshot}"`}`;
    case 'collection-create':
      return `the collection "${change.collection}" was made${change.replaced === undefined ? '' : ', in place of an empty one that the vectors did not fit into'}`;
  }
}

function nextFor(state: RunState): string[] {
  const { run, stores } = state.header;
  const steps = isResumable(state) ? [`Next     to continue it: lifeboat runs resume ${run}`] : [];
  if (standingChanges(state).length > 0) {
    steps.push(
      `Next     ${state.status === 'rolling-back' ? 'to undo the rest of it' : 'to undo it'}: lifeboat runs rollback ${run} --confirm ${stores.graphName}`,
      `Next     to let go of what is kept: lifeboat runs forget ${run} --confirm ${stores.graphName}`,
    );
  } else if (keepsUndone(state)) {
    steps.push(
      `Next     to let go of what was live until it was undone: lifeboat runs forget ${run} --confirm ${stores.graphName}`,
    );
  }
  return steps;
}

/** A rollback keeps what it replaced. Of a collection that it left alone, or that was empty, there is nothing to keep. */
function keepsUndone({ changes }: RunState): boolean {
  return changes.some(
    ({ phase, change }) =>
      phase === 'undone' && (change.kind !== 'collection-create' || (change.undone ?? []).length > 0),
  );
}

function statusOf({ status }: RunState): string {
  return STATUS[status] ?? status;
}

/** A run for `--json`; fields are only ever added. */
export function runRecord(state: RunState): Record<string, unknown> {
  const { header, plan, done, changes, folder, startedAt, lastAt, status, exitCode } = state;
  return {
    type: 'run',
    run: header.run,
    command: header.command,
    status,
    exitCode,
    startedAt,
    lastAt,
    folder,
    stores: header.stores,
    plan: plan?.name ?? null,
    backup: plan?.backup ?? null,
    steps: (plan?.steps ?? []).map((step) => ({ step, done: done.includes(step) })),
    changes,
    resumable: isResumable(state),
    canRollBack: standingChanges(state).length > 0,
  };
}
