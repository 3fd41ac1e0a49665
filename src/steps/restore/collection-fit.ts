import type { PairVerification } from '../../backup/pair/verify-pair.js';
import type { BackupPair } from '../../backup/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { StepContext } from '../step.js';
import { replacesEmpty } from '../vectors/unfit-collection.js';
import { placeIn } from '../vectors/vector-place.js';

/**
 * Refuses vectors that the collection cannot take, before anything is changed: of another size, or made for another
 * distance as far as the backup's manifest tells. Where there is no collection, it is made of what the manifest says; one
 * that is empty makes room for it.
 *
 * @throws Failure with what to do
 */
export async function checkFit(
  context: StepContext,
  { timestamp }: BackupPair,
  { vectorSize, manifest }: PairVerification,
): Promise<void> {
  const live = await context.vectors.collection(context.collection);
  const written = placeIn(manifest?.collection?.config);
  const place = live === null ? written : placeIn(live.config);
  if (live !== null && place === null)
    throw refusal(context, 'all its vectors have names, and those of the backup have none', 'other-vectors');
  if (place === null) return;
  if (live !== null && vectorSize !== null && (written?.size ?? vectorSize) === vectorSize) {
    if (await replacesEmpty(context, written ?? { size: vectorSize })) return;
  }
  if (vectorSize !== null && vectorSize !== place.size) {
    const reason = `its vectors have ${place.size} components, and those of the backup ${timestamp} ${vectorSize}`;
    throw refusal(context, reason, 'other-size');
  }
  if (written !== null && written.distance !== place.distance) {
    const reason = `it compares by ${place.distance}, and the vectors of the backup ${timestamp} by ${written.distance}`;
    throw refusal(context, reason, 'other-distance');
  }
}

function refusal({ collection }: StepContext, reason: string, code: string): Failure {
  return new Failure({
    operation: 'restore vectors into the collection',
    subject: collection,
    reason,
    hint: 'Nothing was changed. Restore the graph alone (lifeboat recover restore-backup --only graph) and make its vectors anew (lifeboat recover reembed-vectors). Or delete the collection, or name another with QDRANT_COLLECTION: one that is not there is made as it was.',
    exitCode: ExitCode.usage,
    code,
  });
}
