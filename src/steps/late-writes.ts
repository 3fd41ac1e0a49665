import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.js';
import { LiveWatch, unlessForbidden } from '../stores/graph/live-watch.js';
import { addTally, applyDelta, emptyTally } from './apply-delta.js';
import type { DeltaTally } from './delta-nodes.js';
import type { GraphMark } from './graph-mark.js';
import type { StepContext } from './step.js';

const ATTEMPTS = 5;
/** Milliseconds between them: a write that is under way is done by then. */
const PAUSE_MS = 100;

/**
 * Brings what was last written to a replaced graph into the new one. A write that was under way at the moment of the swap
 * lands in the replaced graph all the same, a moment later: so that is read until nothing came meanwhile. A user who may not
 * watch it hears of such a write only where it changes a count.
 *
 * @param replaced the key that it is kept under
 * @returns what was done
 * @throws Failure `source-incomplete` where it never comes to rest
 */
export async function applyLateWrites(
  context: Pick<StepContext, 'openGraph' | 'quarantine' | 'notice' | 'changes' | 'graphName'>,
  replaced: string,
  mark: GraphMark,
): Promise<DeltaTally> {
  const { openGraph, graphName } = context;
  let tally = emptyTally();
  for (let attempt = 1; ; attempt++) {
    const watch = await unlessForbidden(LiveWatch.begin({ openGraph, graphName: replaced }));
    try {
      const done = await applyDelta(context, { from: replaced, to: graphName, mark, swapped: true });
      tally = addTally(tally, done);
      const isAtRest = watch === null || (await unlessForbidden(watch.wasWrittenTo())) !== true;
      if (isAtRest || attempt === ATTEMPTS) return tally;
    } catch (error) {
      const isMoving = error instanceof Failure && error.code === 'source-incomplete';
      if (!isMoving || attempt === ATTEMPTS) throw error;
    } finally {
      watch?.close();
    }
    await sleep(PAUSE_MS);
  }
}
