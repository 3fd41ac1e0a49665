import { payloadPatch } from '../../memory/encode-payload.js';
import { graphDecides } from '../../memory/newer-payload.js';
import { joinKey, pointId } from '../../memory/ids.js';
import type { PayloadChange } from '../../stores/vectors/vector-writer.js';
import { noDifferences, type MemoryIds } from '../differences.js';
import { vectorWriter } from '../guarded-writers.js';
import { eligibleMemories } from '../repair/compare.js';
import { maybeNewer } from '../repair/find-damage.js';
import type { Step, StepContext } from '../step.js';
import { arePayloadsOwed, settlePayloads } from './embed-through-service.js';
import { selectMemories, type SelectedMemory } from './select-memories.js';
import { canBePoint } from './write-points.js';

/** Makes payloads say what the graph says. Fields that AutoMem does not know stay as they are. */
export const refreshPayloads: Step = {
  id: 'refresh-payloads',
  title: 'Bring payloads up to date',
  writes: true,
  store: 'vectors',
  async run(context) {
    const refreshed = await refresh(context);
    return refreshed === 0
      ? 'every payload says what the graph says'
      : `${refreshed} payloads brought up to date`;
  },
};

/**
 * Those that the last comparison found to differ, or all where AutoMem wrote points: what these lack, no comparison of
 * contents sees.
 *
 * @returns how many payloads were changed
 */
export async function refresh(context: StepContext): Promise<number> {
  const { work } = context;
  const { stale } = work.differences ?? noDifferences();
  const isOwed = await arePayloadsOwed(context);
  const selection: MemoryIds = isOwed ? await eligibleMemories(context) : stale;
  const writer = vectorWriter(context);
  let refreshed = 0;
  let looked = 0;
  for await (const memories of selectMemories(context, selection)) {
    const changes = await changesOf(context, memories);
    if (changes.length > 0) {
      await context.changes.check();
      await writer.setPayload(context.collection, changes);
    }
    refreshed += changes.length;
    looked += memories.length;
    context.progress('payloads', looked, selection.size);
  }
  await writer.flush();
  if (isOwed) await settlePayloads(context);
  stale.clear();
  return refreshed;
}

async function changesOf(
  context: StepContext,
  memories: readonly SelectedMemory[],
): Promise<PayloadChange[]> {
  const { vectors, collection } = context;
  const ids = memories.flatMap(({ key }) => (canBePoint(key) ? [pointId(key)] : []));
  if (ids.length === 0) return [];
  const points = await vectors.retrieve(collection, ids, { payload: true, numbers: 'exact' });
  const payloads = new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
  return memories.flatMap(({ key, properties }): PayloadChange[] => {
    const payload = payloads.get(key);
    // What is newer than the graph is not made older; the comparison that follows tells of it.
    const isLeft = payload === undefined || (maybeNewer(context) && !graphDecides(properties, payload));
    const patch = isLeft ? null : payloadPatch(payload, properties);
    return patch === null ? [] : [{ id: pointId(key), ...patch }];
  });
}
