import { ExitCode, Failure } from '../failure.js';
import { graphFailure } from '../stores/graph/connection.js';
import type { Step, StepContext } from './step.js';

/**
 * Puts the staged graph in the place of the live one in one transaction, and keeps what was there. Both keys carry the
 * same hash tag, so the transaction also works in a cluster.
 */
export const promoteGraph: Step = {
  id: 'promote-graph',
  title: 'Promote the new graph',
  writes: true,
  isSwap: true,
  async run(context) {
    // Should anything happen to either graph from here on, neither is renamed.
    await context.graph.command('watch the staged graph', 'WATCH', context.stagingKey);
    await refuseIfWrittenTo(context);
    const kind = await context.graph.kindOf(context.graphName);
    const transaction = context.graph.redis.multi();
    if (kind !== 'none') transaction.rename(context.graphName, context.replacedKey);
    transaction.rename(context.stagingKey, context.graphName);
    context.work.replaced = kind !== 'none';
    try {
      await runTransaction(context, transaction);
    } catch (error) {
      context.work.promoted = await isSwapped(context);
      throw error;
    }
    context.work.promoted = true;
    return kind === 'none'
      ? `"${context.graphName}" is live; there was no graph to keep`
      : `"${context.graphName}" is live; what it replaced is kept as "${context.replacedKey}"`;
  },
};

/** Where the connection broke, the swap may have been made and only its answer lost. */
async function isSwapped({ openGraph, stagingKey, graphName }: StepContext): Promise<boolean> {
  try {
    const graph = await openGraph();
    return (await graph.kindOf(stagingKey)) === 'none' && (await graph.kindOf(graphName)) === 'graph';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}

async function runTransaction(
  context: StepContext,
  transaction: { exec(): Promise<[Error | null, unknown][] | null> },
): Promise<void> {
  let replies: [Error | null, unknown][] | null;
  try {
    replies = await transaction.exec();
  } catch (error) {
    throw graphFailure('promote the staged graph', context.graph.address, error);
  }
  // The server gives no replies where a watched key changed: nothing was renamed.
  if (replies === null) throw writtenTo(context, 'something in the live graph was changed');
  const failed = replies.find(([error]) => error !== null)?.[0];
  if (failed != null) throw graphFailure('promote the staged graph', context.graph.address, failed);
}

/** Writes that came after staging began are in the live graph only: the swap would hide them. */
async function refuseIfWrittenTo(context: StepContext): Promise<void> {
  const { graph, graphName, work } = context;
  if ((await graph.kindOf(context.stagingKey)) !== 'graph') throw stagingGone(context);
  const isGraph = (await graph.kindOf(graphName)) === 'graph';
  const survey = isGraph ? await graph.totals(graphName) : null;
  const now = survey === null ? 'none' : `${survey.nodes} nodes, ${survey.relationships} relationships`;
  const points = await context.vectors.count(context.collection);
  if (now === work.liveBefore && points === work.index?.size) return;
  throw writtenTo(
    context,
    now === work.liveBefore
      ? `the collection has ${points} points now, ${work.index?.size ?? 0} were read`
      : `the live graph was "${work.liveBefore ?? 'none'}" when staging began and is "${now}" now`,
  );
}

function stagingGone({ stagingKey }: StepContext): Failure {
  return new Failure({
    operation: 'promote the staged graph',
    subject: stagingKey,
    reason: 'it is not there any more: something deleted it',
    hint: 'Look for another program that clears keys, or for a maxmemory-policy that evicts them, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'staging-gone',
  });
}

function writtenTo({ graphName }: StepContext, what: string): Failure {
  return new Failure({
    operation: 'promote the staged graph',
    subject: graphName,
    reason: `the service wrote during the run: ${what}`,
    hint: 'Keep the service from writing for the time of the recovery (stop it, or its workers), then run the command again.',
    exitCode: ExitCode.failed,
    code: 'written-during-run',
  });
}

/**
 * Undoes the promotion: the replaced graph is live again, the new one goes back under its staging key.
 * Used where the recount after the swap finds something else than was validated.
 */
export async function demoteGraph(context: StepContext): Promise<void> {
  const transaction = context.graph.redis.multi();
  transaction.rename(context.graphName, context.stagingKey);
  if (context.work.replaced) transaction.rename(context.replacedKey, context.graphName);
  await runTransaction(context, transaction);
  context.work.promoted = false;
}
