import { standingChanges, type RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import { proveKept, type Noted } from '../../steps/undo.js';
import { refuseNewerPoints } from './refuse-newer-points.js';
import { refuseUnderNewer } from './refuse-newer.js';
import { undoChanges } from './undo-changes.js';
import { nothingKept, refuseUnconfirmed, withStores, type UndoRequest } from './undo-request.js';
import { warnOfWriters } from './warn-of-writers.js';

/**
 * Puts back what a run replaced, newest change first, each journalled. Doing it again after a crash goes on.
 *
 * @throws Failure (exit 2) where nothing can be undone, it was not confirmed, or a newer run stands in the way
 */
export async function rollBackRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const changes = standingChanges(state);
  if (changes.length === 0) throw nothingKept(state, 'undo');
  const warnings = [
    'What the stores received since the run is not in what is put back; the graph and the points of now are kept until the run is forgotten.',
    ...deletionWarning(changes),
  ];
  refuseUnconfirmed(state, request, warnings);
  for (const warning of warnings) request.say(warning);
  await withStores(state, settings, request, async (stores, journal, openGraph) => {
    await refuseUnderNewer(state, settings.folders.state, stores, request.discardNewer);
    for (const noted of changes) await proveKept(noted, state.header.run, stores);
    if (!request.discardNewer) await refuseNewerPoints(state, changes, stores);
    const { graphName, collection } = state.header.stores;
    const touchesCollection = changes.some(({ change }) => 'collection' in change);
    const watched = { openGraph, graphName, collection: touchesCollection ? collection : null };
    const { signal: stopSignal } = new AbortController();
    await warnOfWriters({ ...stores, ...watched, stopSignal }, request.say);
    journal.append({ entry: 'rolling-back' });
    await undoChanges(changes, { state, stores, journal, say: request.say });
    journal.append({ entry: 'rolled-back' });
  });
  request.say('Rolled back. To see how the stores are now: lifeboat validate');
}

function deletionWarning(changes: readonly Noted[]): string[] {
  return changes.flatMap(({ change, phase }) =>
    change.kind === 'collection-create' && phase === 'done'
      ? [
          change.replaced === undefined
            ? `The collection "${change.collection}", which was not there before, is deleted.`
            : `The collection "${change.collection}" is deleted, and made again as the empty one that it was before.`,
        ]
      : [],
  );
}
