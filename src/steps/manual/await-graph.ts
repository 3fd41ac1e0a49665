import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import type { GraphStore, GraphTotals } from '../../stores/graph/graph-store.js';
import type { Step, StepContext } from '../step.js';

const POLL_MS = 1_000;
/** A server that is loading may show part of its data: the count must stand still for this long. */
const STEADY_MS = 2_000;
/** An older volume may hold fewer memories than there are points, and hardly less than this part of them. */
const PLAUSIBLE_PART = 0.5;

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

/**
 * Waits until the graph answers with memories, and goes on standing still: a volume that was put back is loaded first.
 * Memories that the service stored meanwhile are not the restored volume: the server must have been started anew since the
 * wait began, or hold as many memories as can be expected.
 */
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
    const expected = await expectedMemories(context);
    let first: string | null = null;
    let restarted = false;
    let last: { totals: GraphTotals; since: number } | null = null;
    let told = '';
    context.progress('seconds', 0, waitSeconds);
    while (seconds() <= waitSeconds) {
      context.stopSignal.throwIfAborted();
      const look = await lookAtGraph(context);
      first ??= look.server?.id ?? null;
      restarted ||= isNewServer(look.server, first, (performance.now() - started) / 1000);
      const { totals, says } = judged(look, context.graphName, restarted, expected);
      if (says !== told) context.notice(says);
      told = says;
      if (totals === null) last = null;
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

interface Look {
  totals: GraphTotals | null;
  says: string;
  /** The process of the server: its run id, and the seconds since it was started. Null where it does not say. */
  server: { id: string; uptime: number } | null;
}

/** How many memories the graph should have, by what is left: the points, else the newest backup; null where neither says. */
async function expectedMemories({ vectors, collection, backup }: StepContext): Promise<number | null> {
  try {
    const points = await vectors.count(collection);
    if (points > 0) return points;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  return backup?.counts?.memories ?? null;
}

/** @param waited seconds since the wait began */
function isNewServer(server: Look['server'], first: string | null, waited: number): boolean {
  return server !== null && (server.id !== first || server.uptime < Math.floor(waited));
}

/** What was seen, without memories that are not those of the volume. */
function judged(look: Look, graphName: string, restarted: boolean, expected: number | null): Look {
  const memories = look.totals?.memories ?? 0;
  if (memories === 0) return { ...look, totals: null };
  const isPlausible = expected !== null && memories >= expected * PLAUSIBLE_PART;
  // A server that does not tell of itself, and nothing to hold it against: what it answers must do.
  const isUnknown = expected === null && look.server === null;
  if (restarted || isPlausible || isUnknown) return look;
  const than = expected === null ? '' : `, of about ${expected} that are expected`;
  const says = `The graph "${graphName}" holds ${memories === 1 ? 'one memory' : 'some memories'}${than}, and the server was not started anew: this is not the restored volume yet.`;
  return { ...look, totals: null, says };
}

async function lookAtGraph({ openGraph, graphName }: StepContext): Promise<Look> {
  let graph: GraphStore | null = null;
  let server: Look['server'] = null;
  try {
    // The server goes away and comes back: each look has a connection of its own.
    graph = await openGraph();
    server = await serverOf(graph);
    if ((await graph.kindOf(graphName)) !== 'graph')
      return { totals: null, server, says: `The graph server answers, and has no graph "${graphName}" yet.` };
    const totals = await graph.totals(graphName);
    const state = totals.memories === 0 ? 'there, and empty' : 'back';
    return { totals, server, says: `The graph "${graphName}" is ${state}.` };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { totals: null, server, says: `The graph server does not answer yet: ${error.reason}.` };
  } finally {
    graph?.close();
  }
}

async function serverOf(graph: GraphStore): Promise<Look['server']> {
  try {
    const text = String(await graph.command('ask how long the graph server has run', 'INFO', 'server'));
    const id = /^run_id:(\w+)/m.exec(text)?.[1];
    const uptime = /^uptime_in_seconds:(\d+)/m.exec(text)?.[1];
    return id === undefined || uptime === undefined ? null : { id, uptime: Number(uptime) };
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return null;
    throw error;
  }
}

function notBack({ graphName, options }: StepContext, says: string): Failure {
  return new Failure({
    operation: 'wait for the restored volume',
    subject: graphName,
    reason: `the memories were not back after ${options.waitSeconds} s. ${says}`,
    hint: 'Restore the volume, then continue; or give it more time with --wait 2h. If it was restored before this command began, start the graph server anew now. Is FALKORDB_DATA_PATH the folder that the volume is mounted on?',
    exitCode: ExitCode.unreachable,
    code: 'graph-not-back',
  });
}

function durationText(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
