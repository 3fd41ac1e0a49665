import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import type { GraphStore, GraphTotals } from '../../stores/graph/graph-store.js';
import type { Step, StepContext } from '../step.js';

const POLL_MS = 1_000;
/** A server that is loading may show part of its data: the count must stand still for this long. */
const STEADY_MS = 2_000;

/** Tells the person what to do; the waiting is the next step. */
export const guideVolume: Step = {
  id: 'guide-volume',
  title: 'Restore the volume',
  writes: true,
  store: 'graph',
  withoutGraph: true,
  run({ notice, graphName, options }) {
    notice('1. At your hosting provider, open the graph server (FalkorDB) and its volume.');
    notice(
      '2. Choose the newest snapshot from before the damage and restore it. On Railway: the volume, Backups, Restore, then deploy the staged change.',
    );
    notice(
      '3. Where there is no such button: stop the server, put the data folder back from its copy, start the server again.',
    );
    notice(
      `Lifeboat waits up to ${durationText(options.waitSeconds)} until "${graphName}" answers with memories. Nothing has to be typed here.`,
    );
    return Promise.resolve('told what to do');
  },
};

/** Waits until the graph answers with memories, and goes on standing still: a volume that was put back is loaded first. */
export const awaitGraph: Step = {
  id: 'await-graph',
  title: 'Wait for the graph',
  writes: true,
  store: 'graph',
  withoutGraph: true,
  async run(context) {
    const { waitSeconds } = context.options;
    const started = performance.now();
    const seconds = (): number => Math.round((performance.now() - started) / 1000);
    let last: { totals: GraphTotals; since: number } | null = null;
    let told = '';
    context.progress('seconds', 0, waitSeconds);
    while (seconds() <= waitSeconds) {
      context.stopSignal.throwIfAborted();
      const { totals, says } = await lookAtGraph(context);
      if (says !== told) context.notice(says);
      told = says;
      if (totals === null || totals.memories === 0) last = null;
      else if (last === null || last.totals.nodes !== totals.nodes)
        last = { totals, since: performance.now() };
      else if (performance.now() - last.since >= STEADY_MS)
        return `${totals.memories} memories and ${totals.relationships} relationships are back`;
      context.progress('seconds', seconds(), waitSeconds);
      await sleep(Math.min(POLL_MS, waitSeconds * 1000), undefined, { signal: context.stopSignal }).catch(
        () => undefined,
      );
    }
    throw notBack(context, told);
  },
};

async function lookAtGraph({
  openGraph,
  graphName,
}: StepContext): Promise<{ totals: GraphTotals | null; says: string }> {
  let graph: GraphStore | null = null;
  try {
    // The server goes away and comes back: each look has a connection of its own.
    graph = await openGraph();
    if ((await graph.kindOf(graphName)) !== 'graph')
      return { totals: null, says: `The graph server answers, and has no graph "${graphName}" yet.` };
    const totals = await graph.totals(graphName);
    return {
      totals,
      says:
        totals.memories === 0
          ? `The graph "${graphName}" is there, and empty.`
          : `The graph "${graphName}" is back.`,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { totals: null, says: `The graph server does not answer yet: ${error.reason}.` };
  } finally {
    graph?.close();
  }
}

function notBack({ graphName, options }: StepContext, says: string): Failure {
  return new Failure({
    operation: 'wait for the restored volume',
    subject: graphName,
    reason: `no memories were there after ${options.waitSeconds} s. ${says}`,
    hint: 'Restore the volume, then continue; or give it more time with --wait 2h. Is FALKORDB_DATA_PATH the folder that the volume is mounted on?',
    exitCode: ExitCode.unreachable,
    code: 'graph-not-back',
  });
}

function durationText(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
