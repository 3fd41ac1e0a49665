import { ExitCode, Failure } from '../../failure.js';
import { listRuns, standingChanges, type RunState } from '../../recovery/run-state.js';
import { currentRun, newerRun } from '../../steps/current-run.js';
import type { Change } from '../../steps/change.js';
import type { ChangedStores, Noted } from '../../steps/undo.js';

/**
 * Refuses to undo a run under another one: what the newer run did would be lost, and what it keeps would no longer belong to
 * what is live.
 *
 * @param discardNewer goes on although the live graph is that of a newer run, where that one cannot be undone any more
 * @throws Failure `newer-run` (exit 2)
 */
export async function refuseUnderNewer(
  state: RunState,
  stateFolder: string,
  stores: ChangedStores,
  discardNewer: boolean,
): Promise<void> {
  const { run, stores: names } = state.header;
  const changes = standingChanges(state);
  const runs = listRuns(stateFolder);
  const current = await currentRun(stores.graph, names.graphName);
  for (const noted of changes) {
    if (!(await isUnder(noted, run, current, stores))) continue;
    const newer = runs.find(({ header }) => header.run === current);
    const isFinal = newer !== undefined && standingChanges(newer).length === 0;
    if (!isFinal || !discardNewer)
      throw newerRun('undo the run', run, current ?? '', names.graphName, isFinal);
  }
  for (const newer of runs.filter(({ startedAt }) => startedAt > state.startedAt)) {
    const common = standingChanges(newer).find(
      // The name beside the graph tells which of two swaps is the later one, also where the older run went on later.
      ({ change }) =>
        !(change.kind === 'graph-swap' && current === run) && isCommon(change, newer, state, changes),
    );
    if (common !== undefined) throw standing(state, newer, common.change);
  }
}

/** Whether another run put its graph in the place of the one that this change made, or changed. */
async function isUnder(
  { change, phase }: Noted,
  run: string,
  current: string | null,
  { graph }: ChangedStores,
): Promise<boolean> {
  if (current === null) return false;
  // An edit leaves the graph that of the run before it.
  if (change.kind === 'graph-edit' && phase === 'done' && change.earlier !== undefined)
    return current !== run && current !== change.earlier;
  if (change.kind !== 'graph-swap') return false;
  const { replaced, earlier = null } = change;
  const isMade = phase === 'done' || (replaced !== null && (await graph.kindOf(replaced)) === 'graph');
  return isMade && current !== run && current !== earlier;
}

function isCommon(change: Change, newer: RunState, older: RunState, changes: readonly Noted[]): boolean {
  const ofGraph = 'graph' in change;
  if (!changes.some((other) => 'graph' in other.change === ofGraph)) return false;
  const [a, b] = [newer.header.stores, older.header.stores];
  return ofGraph
    ? a.graph === b.graph && a.graphName === b.graphName
    : a.vectors === b.vectors && a.collection === b.collection;
}

function standing({ header }: RunState, newer: RunState, change: Change): Failure {
  const what = 'graph' in change ? `graph "${change.graph}"` : `collection "${change.collection}"`;
  const command = `${newer.header.run} --confirm ${header.stores.graphName}`;
  return new Failure({
    operation: 'undo the run',
    subject: header.run,
    reason: `the newer run ${newer.header.run} changed the ${what} too, and is not undone`,
    hint: `Nothing was changed. Undo the newer one first: lifeboat runs rollback ${command}`,
    exitCode: ExitCode.usage,
    code: 'newer-run',
  });
}
