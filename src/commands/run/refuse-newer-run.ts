import { ExitCode, Failure } from '../../failure.js';
import { standingChanges, type RunState } from '../../recovery/run-state.js';

/**
 * The run that changed the same stores after this one last did: going on, this one would write older data over what that
 * brought. Whose graph is live after a swap is told by the name beside the graph, see steps/current-run.ts.
 *
 * @param runs every run that is known, newest first
 */
export function newerRunOver(state: RunState, runs: readonly RunState[]): RunState | null {
  const own = standingChanges(state);
  return (
    runs.find(
      (other) =>
        other.header.run !== state.header.run &&
        other.workedAt > state.workedAt &&
        other.changes.some(
          ({ change, phase }) =>
            phase !== 'undone' &&
            change.kind !== 'graph-swap' &&
            isCommon(other, state, own, 'graph' in change),
        ),
    ) ?? null
  );
}

function isCommon(a: RunState, b: RunState, own: RunState['changes'], ofGraph: boolean): boolean {
  if (!own.some(({ change }) => 'graph' in change === ofGraph)) return false;
  const [left, right] = [a.header.stores, b.header.stores];
  return ofGraph
    ? left.graph === right.graph && left.graphName === right.graphName
    : left.vectors === right.vectors && left.collection === right.collection;
}

/**
 * Refuses to go on under a newer run, as a rollback does.
 *
 * @throws Failure `newer-run` (exit 2)
 */
export function refuseUnderNewerRun(state: RunState, runs: readonly RunState[]): void {
  const newer = newerRunOver(state, runs);
  if (newer === null) return;
  const { run, stores } = newer.header;
  const anew = 'To recover as the stores are now, begin a new run: lifeboat recover';
  const undo =
    standingChanges(newer).length === 0
      ? ''
      : ` To go on with this one all the same, undo the newer one first: lifeboat runs rollback ${run} --confirm ${stores.graphName}`;
  throw new Failure({
    operation: 'continue the run',
    subject: state.header.run,
    reason: `the newer run ${run} changed the same stores after this one was stopped; going on would write older data over them`,
    hint: `Nothing was changed. ${anew}.${undo}`,
    exitCode: ExitCode.usage,
    code: 'newer-run',
  });
}
