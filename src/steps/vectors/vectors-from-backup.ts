import { noDifferences, toEmbed, type MemoryIds } from '../differences.js';
import { proveVectorHalf } from '../prove-halves.js';
import type { Step, StepContext } from '../step.js';
import { usablePoints, vectorsFile, type BackupCoverage, type UsablePoint } from './backup-coverage.js';
import { usableCoverage, survivingSamples } from './space-guard.js';
import { memoriesNow } from './select-memories.js';
import { vectorPlace, type VectorPlace } from './vector-place.js';
import { forget, stillWanted } from './wanted.js';
import { MemoryPoints } from './write-points.js';

/**
 * Brings back vectors of memories whose content is what it was when the newest backup was taken: the same vector, and
 * nothing to pay for. Each comes with the payload of the backup, brought up to the state of the graph.
 */
export const vectorsFromBackup: Step = {
  id: 'vectors-from-backup',
  title: 'Bring vectors from the backup',
  writes: true,
  store: 'vectors',
  async run(context) {
    const wanted = stillWanted(context, toEmbed(context.work.differences ?? noDifferences()));
    if (wanted.size === 0) return 'no vector is missing';
    await proveVectorHalf(context);
    if (vectorsFile(context) === null)
      return context.options.newSpace ? 'everything is embedded anew' : 'there is no backup with vectors';
    const written = await bringVectors(context, wanted);
    context.work.restored.vectors += written;
    return `${written} of ${wanted.size} vectors come from the backup`;
  },
};

async function bringVectors(context: StepContext, wanted: MemoryIds): Promise<number> {
  const place = await vectorPlace(context);
  // What was planned; where nothing was, as in a repair, it is found out now: a damaged file must change nothing.
  const ids = context.work.coverage ?? (await coverageNow(context, wanted, place)).ids;
  const covered: MemoryIds = new Map([...wanted].filter(([key]) => ids.has(key)));
  const points = await MemoryPoints.open(context, place);
  let written = 0;
  if (covered.size > 0) {
    for await (const batch of usablePoints(context, covered, place.size)) {
      written += await bringBatch(context, points, covered, batch);
      context.progress('vectors', written, covered.size);
    }
  }
  await points.flush();
  return written - points.refused;
}

async function coverageNow(
  context: StepContext,
  wanted: MemoryIds,
  { size }: VectorPlace,
): Promise<BackupCoverage> {
  return usableCoverage(context, wanted, size, await survivingSamples(context, wanted));
}

async function bringBatch(
  context: StepContext,
  points: MemoryPoints,
  covered: MemoryIds,
  batch: readonly UsablePoint[],
): Promise<number> {
  const memories = await memoriesNow(context, new Map(batch.map(({ key }) => [key, covered.get(key) ?? -1])));
  const vectors = batch.flatMap(({ key, point, content }) => {
    const memory = memories.get(key);
    const isSame = memory?.properties['content'] === content;
    return isSame ? [{ memory, vector: point.vector.text, payload: point.payload }] : [];
  });
  await points.write(vectors);
  for (const { memory } of vectors) forget(context, memory.key);
  return vectors.length;
}
