import type { Change } from './change.js';
import { LatePoints } from './late-points.js';
import { ownName, takeAsked, withAsk } from './snapshot-asks.js';
import type { ChangedStores, Noted } from './undo.js';

type CollectionChange = Extract<Change, { collection: string }>;

/** What was kept of a collection that a rollback is about to replace. */
interface Kept {
  /** The change with the snapshot that was taken, for the journal. */
  change: CollectionChange;
  /** What is written after the snapshot. */
  late: LatePoints;
}

/**
 * Keeps what a rollback is about to replace, or delete, in the collection, since nobody else keeps it.
 *
 * @param note is given the change before the snapshot is taken, for the journal
 * @returns null where the rollback takes nothing away there
 */
export async function keepPresent(
  noted: Noted,
  { vectors, check }: ChangedStores,
  note: (change: Change) => void,
): Promise<Kept | null> {
  const { change } = noted;
  if (!('collection' in change) || !isReplaced(noted)) return null;
  const name = ownName(change);
  if (change.kind === 'collection-create') {
    const isEmpty = (await vectors.collection(name)) === null || (await vectors.count(name)) === 0;
    if (isEmpty) return null;
  }
  await check();
  const late = await LatePoints.begin(vectors, name);
  const asked = await withAsk(vectors, change);
  note(asked);
  const snapshot = await takeAsked(vectors, asked);
  return { change: { ...asked, undone: [...(asked.undone ?? []), snapshot] }, late };
}

function isReplaced({ change, phase }: Noted): boolean {
  return change.kind === 'collection-edit' ? change.snapshot !== null : phase === 'done';
}
