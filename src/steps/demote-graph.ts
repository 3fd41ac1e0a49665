import { Failure } from '../failure.js';
import { renameKeys, type Rename } from '../stores/graph/rename-keys.js';
import { currentRun, markCommand, newerRun, runOf } from './current-run.js';
import type { StepContext } from './step.js';
import { freeUndoneKey } from './undone-key.js';

/**
 * Undoes the promotion: the replaced graph is live again. The new one goes back under its staging key where it is empty;
 * else it is kept, because the service may have written to it. The journal is told, so that the run begins anew.
 *
 * @returns the key that it is kept under; null for none
 * @throws Failure `newer-run` where another run put its graph there since
 */
export async function demoteGraph(context: StepContext): Promise<string | null> {
  const { graph, graphName, stagingKey, work, changes } = context;
  const run = runOf(stagingKey);
  const current = await currentRun(graph, graphName);
  if (current !== null && current !== run)
    throw newerRun('put the replaced graph back', run, current, graphName);
  // Seen empty and watched from before: what is written to it meanwhile must not go with the staging graph.
  await graph.command('watch the promoted graph', 'WATCH', graphName);
  const { nodes } = await graph.totals(graphName);
  let kept = nodes === 0 ? null : await freeUndoneKey(graph, graphName, run);
  if (kept !== null) await graph.command('stop watching the promoted graph', 'UNWATCH');
  try {
    await putBack(context, kept ?? stagingKey);
  } catch (error) {
    if (kept !== null || !(error instanceof Failure && error.code === 'keys-changed')) throw error;
    kept = await freeUndoneKey(graph, graphName, run);
    await putBack(context, kept);
  }
  work.promoted = false;
  work.swappedHere = false;
  changes.settle('graph-swap', 'undone');
  return kept;
}

async function putBack(context: StepContext, aside: string): Promise<void> {
  const { graph, graphName, replacedKey, work, changes } = context;
  const renames: Rename[] = [[graphName, aside]];
  if (work.replaced) renames.push([replacedKey, graphName]);
  const mark = await markCommand(graph, graphName, changes.made('graph-swap')?.change.earlier ?? null);
  await changes.check();
  await renameKeys(graph, 'put the replaced graph back', renames, mark === null ? [] : [mark]);
}
