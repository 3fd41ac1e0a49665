import type { Journal } from '../../recovery/journal.js';
import { listRuns, type RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import { notedSnapshots } from '../../steps/snapshot-asks.js';
import { freeChange, freeStaging, type ChangedStores } from '../../steps/undo.js';
import { undoneGraphs } from '../../steps/undone-key.js';
import { Connections } from '../run/world.js';
import { nothingKept, refuseUnconfirmed, withStores, type UndoRequest } from './undo-request.js';

/** Frees what is kept for the rollback of a run. @throws Failure (exit 2) where nothing is kept or it was not confirmed */
export async function forgetRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const warnings = [
    'The run cannot be undone afterwards.',
    ...snapshotWarnings(state),
    ...(await undoneWarning(state, settings)),
  ];
  refuseUnconfirmed(state, request, warnings);
  for (const warning of warnings) request.say(warning);
  const runs = listRuns(settings.folders.state);
  const isAll = await withStores(state, settings, request, (stores, journal) =>
    letGo(state, runs, stores, journal, request.say),
  );
  request.say(
    isAll
      ? 'Forgotten: nothing is kept of it any more but its folder.'
      : `Forgotten, but for that. Once it can be freed: lifeboat runs forget ${state.header.run} --confirm ${state.header.stores.graphName}`,
  );
}

/**
 * Frees what is kept of a run, each journalled once it is gone. The lease must be held.
 *
 * @param runs all that there are: what another one keeps is never taken for a snapshot that this one could not note
 * @returns false where something could not be freed yet: it stays noted, to be let go of later
 * @throws Failure `nothing-kept` (exit 2) where there is nothing
 */
export async function letGo(
  state: RunState,
  runs: readonly RunState[],
  stores: ChangedStores,
  journal: Journal,
  say: (text: string) => void,
): Promise<boolean> {
  const { run, stores: names } = state.header;
  const changes = state.changes.filter(({ phase }) => phase !== 'freed');
  const others = snapshotsOf(runs.filter(({ header }) => header.run !== run));
  let isAll = true;
  for (const { change } of changes) {
    const { freed, left } = await freeChange(change, run, stores, others);
    if (freed !== null) say(`freed ${freed}`);
    if (left !== null) {
      say(left);
      isAll = false;
      continue;
    }
    journal.append({ entry: 'change', phase: 'freed', change });
  }
  // A run that was killed before it changed anything may have left what it was building.
  const staging = await freeStaging(stores, names.graphName, run);
  if (staging !== null) say(`freed ${staging}`);
  else if (changes.length === 0) throw nothingKept(state, 'forget');
  journal.append({ entry: 'forgotten' });
  return isAll;
}

/** Names of snapshots that runs noted. */
function snapshotsOf(runs: readonly RunState[]): Set<string> {
  const changes = runs.flatMap((run) => run.changes.map(({ change }) => change));
  return new Set(changes.flatMap((change) => ('collection' in change ? notedSnapshots(change) : [])));
}

/** Points that came after the run may be in the snapshot alone that its rollback took. */
function snapshotWarnings({ changes }: RunState): string[] {
  return changes.flatMap(({ change, phase }) =>
    'collection' in change && phase !== 'freed'
      ? (change.undone ?? []).map(
          (name) =>
            `The snapshot "${name}", which holds the points of the collection "${change.collection}" as they were when the run was undone, goes too.`,
        )
      : [],
  );
}

/** What a rollback put aside may be the only place where the memories since the run are. */
async function undoneWarning({ header, changes }: RunState, settings: Settings): Promise<string[]> {
  if (!changes.some(({ change }) => 'graph' in change)) return [];
  const connections = new Connections(settings, () => 0);
  try {
    const graph = await connections.openGraph();
    const keys = await undoneGraphs(graph, header.stores.graphName, header.run);
    return await Promise.all(
      keys.map(async (key) => {
        const { nodes, memories } = await graph.totals(key);
        return `The graph "${key}", which was live until the run was undone, holds ${nodes} nodes, ${memories} of them memories: it goes too.`;
      }),
    );
  } finally {
    connections.close();
  }
}
