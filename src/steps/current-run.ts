import { ExitCode, Failure } from '../failure.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { Change } from './change.js';
import { undoneKey } from './undone-key.js';

type Swap = Extract<Change, { kind: 'graph-swap' }>;

/** Names the run whose graph is live. The braces keep it in the slot of the graph. */
const currentKey = (graph: string): string => `{${graph}}:lifeboat-current`;

/** The run that a staging key belongs to. */
export const runOf = (stagingKey: string): string => stagingKey.slice(stagingKey.lastIndexOf(':') + 1);

/** @returns the run whose graph is live; null where none is, or nobody may look or could note it */
export async function currentRun(store: GraphStore, graph: string): Promise<string | null> {
  const found = await unlessForbidden(
    store.command('see which run made the live graph', 'GET', currentKey(graph)),
  );
  return typeof found === 'string' ? found : null;
}

/**
 * The command that notes whose graph is live, for the transaction that makes it so: one that is not allowed would spoil it,
 * so it is tried before, in a way that changes nothing.
 *
 * @param run null for none
 * @returns null where the user of the settings may not note it
 */
export async function markCommand(
  store: GraphStore,
  graph: string,
  run: string | null,
): Promise<readonly string[] | null> {
  const key = currentKey(graph);
  const operation = 'note which run made the live graph';
  const same = (await currentRun(store, graph)) ?? '-';
  // With XX nothing is made where there is nothing, and what is there stays as it is.
  const tried = await unlessForbidden(store.command(operation, 'SET', key, same, 'XX'));
  if (tried === undefined) return null;
  return run === null ? ['DEL', key] : ['SET', key, run];
}

/**
 * As {@link markCommand}, for a rollback: it is what frees a graph server that is full, which takes no SET then but renames
 * and deletes. No mark is better than one that names the wrong run.
 */
export async function markCommandOfUndo(
  store: GraphStore,
  graph: string,
  run: string | null,
): Promise<readonly string[] | null> {
  try {
    return await markCommand(store, graph, run);
  } catch (error) {
    if (error instanceof Failure && error.code === 'out-of-memory') return ['DEL', currentKey(graph)];
    throw error;
  }
}

/** @returns undefined where the server does not allow it */
async function unlessForbidden(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return undefined;
    throw error;
  }
}

/**
 * Refuses to go on as if this run's graph were live where another run has put its own there since, or where the replaced
 * graph was put back.
 *
 * @throws Failure `newer-run` or `swap-undone` (exit 2)
 */
export async function refuseOthersGraph(store: GraphStore, swap: Swap): Promise<void> {
  const { graph, staging, replaced } = swap;
  const run = runOf(staging);
  const current = await currentRun(store, graph);
  // Where it is as before the swap, the swap could not be noted, or was undone.
  if (current !== null && current !== run && current !== (swap.earlier ?? null))
    throw newerRun('continue the run', run, current, graph);
  if (replaced === null || (await store.kindOf(replaced)) !== 'none') return;
  if ((await store.kindOf(undoneKey(graph, run))) !== 'graph') return;
  throw new Failure({
    operation: 'continue the run',
    subject: run,
    reason: `its swap was undone: "${graph}" is the graph from before, what the run made is kept as "${undoneKey(graph, run)}"`,
    hint: 'Nothing was changed. Begin a new run with: lifeboat recover',
    exitCode: ExitCode.usage,
    code: 'swap-undone',
  });
}

/**
 * The live graph is another run's, which must be undone first.
 *
 * @param isFinal it cannot be undone any more
 */
export function newerRun(
  operation: string,
  run: string,
  newer: string,
  graph: string,
  isFinal = false,
): Failure {
  const next = isFinal
    ? `The newer run cannot be undone any more. To undo this one all the same: lifeboat runs rollback ${run} --confirm ${graph} --discard-newer`
    : `To undo the newer one first: lifeboat runs rollback ${newer} --confirm ${graph}`;
  return new Failure({
    operation,
    subject: run,
    reason: `the graph "${graph}" is that of the newer run ${newer}, which would be lost from it`,
    hint: `Nothing was changed. ${next}`,
    exitCode: ExitCode.usage,
    code: 'newer-run',
  });
}
