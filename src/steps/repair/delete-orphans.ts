import { batches } from '../../stores/graph/live-pages.js';
import { vectorWriter } from '../guarded-writers.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';
import { withoutMemory } from './without-memory.js';

/** Points that are looked at, and deleted, at once. */
const BATCH = 2_000;

/** Deletes points, each proven absent from the graph in the moment before. @returns what was done */
export async function deleteOrphans(context: StepContext, ids: readonly string[]): Promise<string> {
  const writer = vectorWriter(context);
  let deleted = 0;
  for (const batch of batches(ids, BATCH)) {
    context.signal.throwIfAborted();
    const absent = await withoutMemory(context, batch);
    await context.changes.check();
    await writer.delete(context.collection, absent.map(pointId));
    await writer.flush();
    deleted += absent.length;
    context.progress('points', deleted, ids.length);
  }
  return `${deleted} points without a memory deleted`;
}
