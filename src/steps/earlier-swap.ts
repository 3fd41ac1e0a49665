import { GraphMark } from './graph-mark.js';
import { applyLateWrites } from './late-writes.js';
import { currentRun, refuseOthersGraph, runOf } from './current-run.js';
import type { StepContext } from './step.js';

/**
 * A run that was killed after the swap and before its note in the journal begins anew. The new graph is live then: what it
 * replaced still holds the last writes from before the swap, which are fetched before anything is read, and it must not be
 * replaced itself.
 */
export async function takeUpEarlierSwap(context: StepContext): Promise<void> {
  const { changes, work, graph, graphName } = context;
  const made = changes.made('graph-swap');
  if (made?.phase !== 'intent') return;
  const mark = await GraphMark.load(context.checkpoints);
  const { replaced, staging } = made.change;
  if (replaced !== null) {
    if ((await graph.kindOf(replaced)) !== 'graph') return;
    await refuseOthersGraph(graph, made.change);
    if (mark !== null) {
      await applyLateWrites(context, replaced, mark);
      await mark.save(context.checkpoints);
    }
  } else if ((await currentRun(graph, graphName)) !== runOf(staging)) {
    if ((await graph.kindOf(staging)) !== 'none' || (await graph.kindOf(graphName)) !== 'graph') return;
    // The service may have made a graph of its own, with a few nodes.
    const { nodes } = await graph.totals(graphName);
    if (mark === null || nodes * 2 < mark.limit) return;
  }
  work.swappedBefore = true;
  work.promoted = true;
  work.replaced = replaced !== null;
  context.notice(
    `The run had been stopped right after the swap: "${graphName}" is the new graph already, and is checked once more.`,
  );
}
