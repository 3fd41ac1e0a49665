import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../failure.js';
import { LiveWatch, unlessForbidden } from '../stores/graph/live-watch.js';
import type { Step, StepContext } from './step.js';

/** How long a look at the stores takes, in milliseconds. */
const LOOK_MS = 100;
/** Seconds without a write after which the service is taken to rest. */
const QUIET_SECONDS = 5;

/** The stores that are looked at. */
export type Watched = Pick<StepContext, 'graph' | 'openGraph' | 'graphName' | 'vectors' | 'stopSignal'> & {
  /** Null leaves the collection out. */
  readonly collection: string | null;
};

/** What a look at the stores found. */
export interface Writers {
  /** Other clients whose last command may have written to a graph; null where the server does not tell. */
  clients: { count: number; idleSeconds: number } | null;
  /** What was written while the look took; empty where nothing was. */
  wrote: string[];
  /** False where the user may not ask whether the graph was written to. */
  sawGraph: boolean;
}

/**
 * Looks for a service at work, before anything is read, and says what is guaranteed if there is one. Waits until it rests,
 * where the operator asked for that.
 */
export const watchWriters: Step = {
  id: 'watch-writers',
  title: 'Look for writers',
  writes: false,
  async run(context) {
    const limit = context.options.waitForQuiet;
    const found = limit === null ? await lookForWriters(context) : await waitForQuiet(context, limit);
    const told = describe(found);
    if (limit !== null) return `nothing was written for ${seconds(QUIET_SECONDS)}; ${told}`;
    if (found.wrote.length > 0 || !found.sawGraph || found.clients?.count !== 0)
      context.notice(`${sentence(told)} ${GUARANTEE}`);
    return told;
  },
};

const GUARANTEE =
  'What it writes during the run is caught up with: memories and relationships that are new, changed or deleted, before and after the swap. Not guaranteed: a change or delete of a memory that is not back yet finds nothing (the service answers 404), and payloads that are changed in Qdrant alone. To begin only when nothing is written: --wait-for-quiet 2m.';

/**
 * One look at both stores; writes nothing. A plan that only reads the graph needs no right to transactions on it: what
 * cannot be seen without is said.
 */
export async function lookForWriters(context: Watched): Promise<Writers> {
  const watch = await unlessForbidden(LiveWatch.begin(context));
  try {
    const points = await countPoints(context);
    await sleep(LOOK_MS, undefined, { signal: context.stopSignal }).catch(() => undefined);
    context.stopSignal.throwIfAborted();
    const wrote: string[] = [];
    const wasWrittenTo = watch === null ? null : await unlessForbidden(watch.wasWrittenTo());
    if (wasWrittenTo === true) wrote.push('the graph');
    if ((await countPoints(context)) !== points) wrote.push('the collection');
    return { clients: await otherClients(context, watch), wrote, sawGraph: wasWrittenTo !== null };
  } finally {
    watch?.close();
  }
}

/** @returns null where there is no collection */
async function countPoints({ vectors, collection }: Watched): Promise<number | null> {
  return collection === null || (await vectors.collection(collection)) === null
    ? null
    : vectors.count(collection);
}

async function waitForQuiet(context: StepContext, limit: number): Promise<Writers> {
  const started = performance.now();
  const since = (from: number): number => (performance.now() - from) / 1000;
  let quietFrom = started;
  for (;;) {
    const found = await lookForWriters(context);
    if (!found.sawGraph) throw notSeen(context);
    if (found.wrote.length > 0) quietFrom = performance.now();
    if (since(quietFrom) >= QUIET_SECONDS) return found;
    if (since(started) >= limit) throw notQuiet(context, limit, found);
    context.progress('seconds', Math.floor(since(started)), limit);
  }
}

function notQuiet({ graphName }: StepContext, limit: number, found: Writers): Failure {
  return new Failure({
    operation: 'wait until nothing is written',
    subject: graphName,
    reason: `within ${seconds(limit)} there were never ${seconds(QUIET_SECONDS)} without a write; the last look: ${describe(found)}`,
    hint: 'Nothing was changed. Stop the service, or its workers, or go on beside it: without --wait-for-quiet, what it writes is caught up with.',
    exitCode: ExitCode.failed,
    code: 'not-quiet',
  });
}

function notSeen({ graphName }: StepContext): Failure {
  return new Failure({
    operation: 'wait until nothing is written',
    subject: graphName,
    reason: UNSEEN,
    hint: 'Nothing was changed. Allow WATCH, MULTI and EXEC to the user of FALKORDB_USERNAME, or run the command again without --wait-for-quiet.',
    exitCode: ExitCode.failed,
    code: 'forbidden',
  });
}

const UNSEEN =
  'whether the graph is written to cannot be seen: WATCH, MULTI and EXEC are not all allowed for this user';

/** Lifeboat itself only reads with another command, so whoever sent this one is somebody else. */
const MAY_WRITE = /^graph\.(?:query|profile|bulk|delete|copy)$/i;

async function otherClients({ graph }: Watched, watch: LiveWatch | null): Promise<Writers['clients']> {
  try {
    const own = new Set([await idOf(graph.command.bind(graph))]);
    if (watch !== null) own.add(await idOf(watch.store.command.bind(watch.store)));
    const list = String(await graph.command('list the clients of the graph server', 'CLIENT', 'LIST'));
    const others = list
      .split('\n')
      .map((line) => new Map(line.split(' ').map((field) => field.split('=', 2) as [string, string])))
      .filter((client) => MAY_WRITE.test(client.get('cmd') ?? '') && !own.has(client.get('id') ?? ''));
    const idle = others.map((client) => Number(client.get('idle') ?? 0));
    return { count: others.length, idleSeconds: Math.min(Infinity, ...idle) };
  } catch (error) {
    if (error instanceof Failure && error.code === 'forbidden') return null;
    throw error;
  }
}

async function idOf(
  command: (operation: string, name: string, ...args: string[]) => Promise<unknown>,
): Promise<string> {
  return String(await command('ask for the number of the connection', 'CLIENT', 'ID'));
}

function describe({ clients, wrote, sawGraph }: Writers): string {
  const writing = wrote.length > 0 ? `something writes to ${wrote.join(' and ')} right now` : '';
  const who =
    clients === null
      ? 'who else is connected cannot be seen: CLIENT LIST is not allowed for this user'
      : clients.count === 0
        ? 'no other client has sent a graph command'
        : `${clients.count} other ${clients.count === 1 ? 'client' : 'clients'} sent graph commands, the last ${clients.idleSeconds < 1 ? 'this second' : `${seconds(clients.idleSeconds)} ago`}`;
  return [writing, who, sawGraph ? '' : UNSEEN].filter((part) => part !== '').join('; ');
}

const seconds = (count: number): string => `${count} s`;

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
