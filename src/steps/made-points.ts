import { Failure } from '../failure.js';
import { parseJson } from '../memory/json.js';
import { isMap } from '../memory/values.js';
import type { RawPoint } from '../stores/vectors/point-pages.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { ChangeLog, Checkpoints } from './change.js';
import { newestTime } from './newest.js';
import { PointMark, type PointNews } from './point-mark.js';
import type { RunWork } from './step.js';

const FILE = 'made-points.mark';

/**
 * At the end of a run that made the collection: notes what the run wrote there, so that a rollback, which deletes it, knows
 * what came from elsewhere, during the run, while it was stopped or later. Where that cannot be read or noted, the rollback
 * asks.
 *
 * @param begun milliseconds since 1970 of the run's first look at the stores
 */
export async function noteMadePoints(
  { changes, work, begun }: { changes: Pick<ChangeLog, 'made'>; work: RunWork; begun: number },
  vectors: VectorStore,
  checkpoints: Checkpoints,
): Promise<void> {
  const made = changes.made('collection-create');
  if (made?.phase !== 'done') return;
  const mark = new PointMark();
  try {
    await mark.look(vectors, made.change.collection, (point) => isOwn(point, work, begun));
    await checkpoints.write(FILE, mark.toBuffer());
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

/** Where no backup says which points the run wrote, their times do: what the service writes is as new as that. */
function isOwn({ id, payload }: RawPoint, work: RunWork, begun: number): boolean {
  const { writtenPoints, foreignPoints, pointsOfBackup } = work;
  if (writtenPoints.find(id) >= 0) return true;
  if (pointsOfBackup !== null) return pointsOfBackup.find(id) >= 0 && foreignPoints.find(id) < 0;
  const fields = parseJson(payload);
  return !isMap(fields) || newestTime(fields) < begun;
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
