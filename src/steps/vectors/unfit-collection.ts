import type { StepContext } from '../step.js';
import { placeIn, placeInBackup, type WantedPlace } from './vector-place.js';

/**
 * Whether the collection that is there may be deleted and made as the backup had it: it holds not one point, by an exact
 * count, has a single vector, and takes no vector of the backup. A service that was started with another VECTOR_SIZE, or
 * `fresh-start`, leaves such a one. Says so, and notes it for the step that makes collections.
 *
 * @param wanted where the vectors of the backup fit in; a distance that is not known is not compared
 */
export async function replacesEmpty(context: StepContext, wanted: WantedPlace): Promise<boolean> {
  const { vectors, collection, work, notice, options } = context;
  const live = await vectors.collection(collection);
  const place = live === null ? null : placeIn(live.config);
  if (place?.isAlone !== true || options.newSpace) return false;
  const { size, distance = place.distance } = wanted;
  if (place.size === size && place.distance === distance) return false;
  if ((await vectors.count(collection)) > 0) return false;
  work.makesCollectionAnew = true;
  notice(
    `The collection "${collection}" is empty and made for vectors of ${place.size} components (${place.distance}); those of the backup have ${size}${distance === place.distance ? '' : ` (${distance})`}: it makes room for one as the backup had it, with its payload indexes and aliases.`,
  );
  return true;
}

/** The same for a run that takes from the backup only what it has: without vectors there, the collection stays as it is. */
export async function replacesEmptyAsInBackup(context: StepContext): Promise<boolean> {
  if (context.options.newSpace) return false;
  const wanted = await placeInBackup(context);
  return wanted !== null && (await replacesEmpty(context, wanted));
}
