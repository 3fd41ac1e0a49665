import type { IdSet } from '../../backup/id-set.js';
import { joinKey } from '../../memory/ids.js';
import { memoryIdRows } from '../../stores/graph/memory-rows.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';

/** How many are named. */
const NAMED = 10;
/** Points asked for at once. */
const BATCH = 500;

/**
 * Memories of the live graph that the restored graph does not hold: newer than the backup, or deleted before it was taken
 * and made anew. Says how many there are and which, and notes as lost those that nothing brings back.
 *
 * @param staged ids of the memories of the new graph
 */
export async function tellLeftBehind(context: StepContext, staged: IdSet): Promise<void> {
  const { graph, graphName, replacedKey, work, assessment } = context;
  const left: string[] = [];
  if ((await graph.kindOf(graphName)) === 'graph') {
    for await (const page of memoryIdRows(graph, graphName)) {
      context.signal.throwIfAborted();
      for (const { id } of page) if (id !== null && staged.find(id) < 0) left.push(joinKey(id));
    }
  }
  if (left.length === 0) return;
  work.newestUnbacked = assessment.takenAt;
  const back = await willComeBack(context, left);
  const lost = left.filter((id) => !back.has(id));
  if (back.size > 0)
    context.notice(
      `${back.size} memories that the backup lacks come back from their payloads, without relationships.`,
    );
  if (lost.length === 0) return;
  const names = lost.slice(0, NAMED).join(', ') + (lost.length > NAMED ? ', …' : '');
  context.notice(`Memories that the backup lacks: ${names}`);
  work.losses.push(
    `${lost.length} memories that the backup lacks are only in the graph that is kept as "${replacedKey}" (${names}). To keep such memories: --merge`,
  );
}

/** Those whose point stays: the comparison at the end of the run makes memories of them. */
async function willComeBack(
  { vectors, collection, options, assessment }: StepContext,
  ids: readonly string[],
): Promise<Set<string>> {
  const found = new Set<string>();
  const isSettled = options.only === null && options.orphans === 'restore' && !options.exact;
  if (!isSettled || assessment.vectors.points === 0 || assessment.vectors.payloadsMissing) return found;
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH).map(pointId);
    for (const { id } of await vectors.retrieve(collection, batch, { payload: false, numbers: 'fast' }))
      found.add(joinKey(id));
  }
  return found;
}
