import { Failure } from '../failure.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { ChangeLog, Checkpoints } from './change.js';
import { PointMark, type PointNews } from './point-mark.js';

const FILE = 'made-points.mark';

/**
 * At the end of a run that made the collection: notes what it holds, so that a rollback, which deletes it, knows what came
 * later. Where that cannot be read or noted, the rollback asks.
 */
export async function noteMadePoints(
  changes: Pick<ChangeLog, 'made'>,
  vectors: VectorStore,
  checkpoints: Checkpoints,
): Promise<void> {
  const made = changes.made('collection-create');
  if (made?.phase !== 'done') return;
  const mark = new PointMark();
  try {
    await mark.look(vectors, made.change.collection);
    await checkpoints.write(FILE, mark.toBuffer());
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

/** What came to the collection since the run that made it ended; null where the run noted nothing. */
export async function newsSinceMade(
  collection: string,
  vectors: VectorStore,
  checkpoints: Pick<Checkpoints, 'read'>,
): Promise<PointNews | null> {
  const data = await checkpoints.read(FILE);
  const mark = data === null ? null : PointMark.fromBuffer(data);
  return mark === null ? null : mark.look(vectors, collection);
}
