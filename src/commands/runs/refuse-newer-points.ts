import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, Failure } from '../../failure.js';
import { runFolderFailure } from '../../recovery/run-directory.js';
import type { RunState } from '../../recovery/run-state.js';
import type { Change, Checkpoints } from '../../steps/change.js';
import { newsSinceMade } from '../../steps/made-points.js';
import type { ChangedStores, Noted } from '../../steps/undo.js';

/**
 * Refuses to delete a collection that the run made, where it holds anything else than what the run left in it.
 *
 * @throws Failure `newer-points` (exit 2)
 */
export async function refuseNewerPoints(
  state: RunState,
  changes: readonly Noted[],
  stores: ChangedStores,
): Promise<void> {
  for (const { change, phase } of changes) {
    if (change.kind !== 'collection-create' || phase !== 'done') continue;
    const found = await newerPoints(change, state, stores);
    if (found !== null) throw holdsNewer(state, change.collection, found);
  }
}

/** In words; null where there are none. */
async function newerPoints(
  { collection }: Extract<Change, { kind: 'collection-create' }>,
  { folder }: RunState,
  { vectors }: ChangedStores,
): Promise<string | null> {
  if ((await vectors.collection(collection)) === null) return null;
  const points = await vectors.count(collection);
  if (points === 0) return null;
  const news = await newsSinceMade(collection, vectors, filesOf(folder));
  if (news === null)
    return `it holds ${points} points, and what the run left in it is not known, since it did not come to its end`;
  const { added, changed } = news;
  const found = [
    ...(added.length === 0 ? [] : [`${added.length} points that came after the run`]),
    ...(changed.length === 0 ? [] : [`${changed.length} that were changed after it`]),
  ];
  return found.length === 0 ? null : `it holds ${found.join(', and ')}`;
}

function filesOf(folder: string): Pick<Checkpoints, 'read'> {
  return {
    read: async (name) => {
      try {
        return await readFile(join(folder, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw runFolderFailure(join(folder, name), error);
      }
    },
  };
}

function holdsNewer({ header }: RunState, collection: string, reason: string): Failure {
  return new Failure({
    operation: 'delete the collection that the run made',
    subject: collection,
    reason,
    hint: `Nothing was changed. To delete it all the same, and keep its points only in a snapshot until the run is forgotten: lifeboat runs rollback ${header.run} --confirm ${header.stores.graphName} --discard-newer`,
    exitCode: ExitCode.usage,
    code: 'newer-points',
  });
}
