import { describeTally } from './apply-delta.js';
import { catchUpPoints } from './catch-up-points.js';
import { GraphMark } from './graph-mark.js';
import { applyLateWrites } from './late-writes.js';
import type { Step, StepContext } from './step.js';

/**
 * Fetches what the service wrote between the last look at the live graph and the swap: it stands in the replaced graph,
 * which comes to rest then. Then memories whose points came after the collection was read. The service goes on writing to the
 * new graph, so of two versions the newest wins, and what it made by itself meanwhile is left alone.
 */
export const catchUp: Step = {
  id: 'catch-up',
  title: 'Catch up with writes',
  writes: true,
  store: 'graph',
  async run(context) {
    const { work, checkpoints } = context;
    const mark = work.mark ?? (await GraphMark.load(checkpoints));
    if (mark === null) return 'nothing was promoted, so there is nothing to catch up with';
    const written = await catchUpGraph(context, mark);
    const { made, deleted } = await catchUpPoints(context, mark);
    // A service at work goes on changing what the checks would hold against these numbers.
    if (!mark.settled) work.byRelationship = null;
    mark.settled = true;
    const parts = [
      ...(written === null ? [] : [`from the replaced graph: ${written}`]),
      ...(made === 0 ? [] : [`${made} memories from points that came during the run`]),
      ...(deleted === 0 ? [] : [`${deleted} memories deleted whose points were deleted during the run`]),
    ];
    if (parts.length === 0) return 'nothing was written at the time of the swap';
    await countAnew(context);
    return parts.join('; ');
  },
};

/** @returns what was done, in words; null where there was nothing to do */
async function catchUpGraph(context: StepContext, mark: GraphMark): Promise<string | null> {
  const { work, graph, replacedKey, checkpoints } = context;
  if (mark.settled || !work.replaced) return null;
  if ((await graph.kindOf(replacedKey)) !== 'graph') {
    context.notice(
      `The replaced graph "${replacedKey}" is gone: what was written right before the swap could not be fetched from it.`,
    );
    return null;
  }
  const done = await applyLateWrites(context, replacedKey, mark);
  await mark.save(checkpoints);
  return describeTally(done);
}

/** What the report says of the new graph. */
async function countAnew({ graph, graphName, work }: StepContext): Promise<void> {
  work.restored = { ...work.restored, ...(await graph.totals(graphName)) };
}
