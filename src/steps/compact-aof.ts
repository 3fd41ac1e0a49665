import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { Step, StepContext } from './step.js';

const POLL_MS = 20;
const MAX_WAIT_MS = 10 * 60_000;

/**
 * Rewrites the append-only file and waits for it: without that, a restart would replay every write of the run, and
 * relationships made in bulk can take minutes to replay.
 */
export const compactAof: Step = {
  id: 'compact-aof',
  title: 'Compact the append-only file',
  writes: true,
  store: 'graph',
  async run(context) {
    const info = await persistenceInfo(context.graph);
    if (info === null) return notAllowed(context, 'INFO is not allowed for this user');
    if (info.get('aof_enabled') !== '1') return 'the append-only file is off: nothing to compact';
    try {
      await context.graph.command('compact the append-only file', 'BGREWRITEAOF');
    } catch (error) {
      // A rewrite that is under way already will hold the new graph or be followed by another.
      if (!(error instanceof Failure)) throw error;
      if (!/in progress/.test(error.reason)) return notAllowed(context, error.reason);
    }
    return await waitForRewrite(context);
  },
};

async function waitForRewrite(context: StepContext): Promise<string> {
  const started = performance.now();
  while (performance.now() - started < MAX_WAIT_MS) {
    await sleep(POLL_MS);
    const info = await persistenceInfo(context.graph);
    const busy = info?.get('aof_rewrite_in_progress') === '1' || info?.get('aof_rewrite_scheduled') === '1';
    if (busy) continue;
    if (info?.get('aof_last_bgrewrite_status') === 'ok')
      return 'compacted: a restart loads the new graph at once';
    return notAllowed(context, 'the rewrite failed; the log of the graph server tells why');
  }
  return notAllowed(context, `it was not finished after ${MAX_WAIT_MS / 60_000} minutes`);
}

/** The recovery stands all the same, so this is told plainly and does not fail the run. */
function notAllowed(context: StepContext, reason: string): string {
  context.notice(
    `The append-only file was not compacted: ${reason}. Until BGREWRITEAOF is run, a restart replays the whole recovery.`,
  );
  return `not compacted: ${reason}`;
}

async function persistenceInfo(graph: GraphStore): Promise<Map<string, string> | null> {
  try {
    const text = String(
      await graph.command('look at the persistence of the graph server', 'INFO', 'persistence'),
    );
    return new Map(text.split('\r\n').map((line) => line.split(':') as [string, string]));
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return null;
    throw error;
  }
}
