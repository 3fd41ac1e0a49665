import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { Step, StepContext } from './step.js';

const POLL_MS = 20;
const MAX_WAIT_MS = 10 * 60_000;
const TOO_LONG = `it was not finished after ${MAX_WAIT_MS / 60_000} minutes`;

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
    const until = performance.now() + MAX_WAIT_MS;
    const refused = await startRewrite(context, until);
    if (refused !== null) return notAllowed(context, refused);
    const after = await waitForRewrite(context, until);
    if (after === null) return notAllowed(context, TOO_LONG);
    if (after.get('aof_last_bgrewrite_status') === 'ok')
      return 'compacted: a restart loads the new graph at once';
    return notAllowed(context, 'the rewrite failed; the log of the graph server tells why');
  },
};

/**
 * Starts a rewrite of our own. One that is under way already began before the recovery ended and holds an older state: it
 * is waited for, and another one started after it.
 *
 * @returns why there is none; null where it was started
 */
async function startRewrite(context: StepContext, until: number): Promise<string | null> {
  while (performance.now() < until) {
    try {
      await context.graph.command('compact the append-only file', 'BGREWRITEAOF');
      return null;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!/in progress/.test(error.reason)) return error.reason;
    }
    await waitForRewrite(context, until);
  }
  return TOO_LONG;
}

/** @returns what the server says of its persistence once no rewrite is under way; null where one went on for too long */
async function waitForRewrite(
  { graph, signal }: StepContext,
  until: number,
): Promise<Map<string, string> | null> {
  while (performance.now() < until) {
    signal.throwIfAborted();
    await sleep(POLL_MS);
    const info = await persistenceInfo(graph);
    const busy = ['aof_rewrite_in_progress', 'aof_rewrite_scheduled'].some((name) => info?.get(name) === '1');
    if (!busy) return info ?? new Map();
  }
  return null;
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
