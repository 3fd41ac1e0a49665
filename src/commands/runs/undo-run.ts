import { join } from 'node:path';
import { ExitCode, Failure } from '../../failure.js';
import { Journal } from '../../recovery/journal.js';
import type { Lease } from '../../recovery/lease.js';
import { standingChanges, type RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { LastingWork } from '../../steps/step.js';
import {
  freeChange,
  freeStaging,
  keepPresent,
  proveKept,
  undoChange,
  type ChangedStores,
  type Noted,
} from '../../steps/undo.js';
import { undoneGraphs } from '../../steps/undone-key.js';
import { takeLease } from '../run/lease-places.js';
import { Connections } from '../run/world.js';
import { refuseUnderNewer } from './refuse-newer.js';

export interface UndoRequest {
  /** The name that was typed, or null. */
  confirm: string | null;
  takeOver: boolean;
  /** Loses points that came after the run, where they cannot be kept. */
  discardNewer: boolean;
  say: (text: string) => void;
}

/**
 * Puts back what a run replaced, newest change first, each journalled. Doing it again after a crash goes on.
 *
 * @throws Failure (exit 2) where nothing can be undone, it was not confirmed, or a newer run stands in the way
 */
export async function rollBackRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const changes = standingChanges(state);
  if (changes.length === 0) throw nothingKept(state, 'undo');
  const warnings = [
    'What the stores received since the run is not in what is put back; the graph and the points of now are kept until the run is forgotten.',
    ...deletionWarning(changes),
  ];
  refuseUnconfirmed(state, request, warnings);
  for (const warning of warnings) request.say(warning);
  await withStores(state, settings, request, async (stores, journal) => {
    await refuseUnderNewer(state, settings.folders.state, stores, request.discardNewer);
    for (const noted of changes) await proveKept(noted, state.header.run, stores);
    if (!request.discardNewer) await refuseNewerPoints(state, changes, stores);
    journal.append({ entry: 'rolling-back' });
    await undoAll(changes, state, stores, journal, request.say);
    journal.append({ entry: 'rolled-back' });
  });
  request.say('Rolled back. To see how the stores are now: lifeboat validate');
}

/** First keeps everything that is about to be replaced, then replaces it. */
async function undoAll(
  changes: readonly Noted[],
  { header }: RunState,
  stores: ChangedStores,
  journal: Journal,
  say: (text: string) => void,
): Promise<void> {
  const done: string[] = [];
  try {
    const kept: Noted[] = [];
    for (const noted of changes) {
      const change = await keepPresent(noted.change, stores);
      if (change !== null) journal.append({ entry: 'change', phase: noted.phase, change });
      kept.push({ phase: noted.phase, change: change ?? noted.change });
    }
    for (const noted of kept) {
      const text = await undoChange(noted, header.run, stores);
      journal.append({ entry: 'change', phase: 'undone', change: noted.change });
      done.push(text);
      say(text);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw halfway(error, header, done, changes.slice(done.length));
  }
}

function halfway(
  error: Failure,
  { run, stores }: RunState['header'],
  done: string[],
  rest: Noted[],
): Failure {
  const { operation, subject, reason, hint, exitCode, code } = error;
  const names = rest.map(({ change }) =>
    'graph' in change ? `graph "${change.graph}"` : `collection "${change.collection}"`,
  );
  const soFar = done.length === 0 ? 'nothing was put back yet' : `done: ${done.join('; ')}`;
  return new Failure(
    {
      operation,
      subject,
      reason,
      hint: `${hint} The rollback is not complete. ${soFar}. Not undone: ${names.join(', ')}. To go on: lifeboat runs rollback ${run} --confirm ${stores.graphName}`,
      exitCode,
      code,
    },
    { cause: error },
  );
}

/** A collection that the run made may hold what the service wrote since, and deleting it keeps nothing. */
async function refuseNewerPoints(
  { header, work }: RunState,
  changes: readonly Noted[],
  { vectors }: ChangedStores,
): Promise<void> {
  const written = (work as Partial<LastingWork> | null)?.restored?.vectors ?? 0;
  for (const { change, phase } of changes) {
    if (change.kind !== 'collection-create' || phase !== 'done') continue;
    const { collection } = change;
    const points = (await vectors.collection(collection)) === null ? 0 : await vectors.count(collection);
    if (points <= written) continue;
    throw new Failure({
      operation: 'delete the collection that the run made',
      subject: collection,
      reason: `it holds ${points} points, and the run is known to have written ${written}: ${points - written} would be lost`,
      hint: `Nothing was changed. To lose them: lifeboat runs rollback ${header.run} --confirm ${header.stores.graphName} --discard-newer`,
      exitCode: ExitCode.usage,
      code: 'newer-points',
    });
  }
}

/** Frees what is kept for the rollback of a run. @throws Failure (exit 2) where nothing is kept or it was not confirmed */
export async function forgetRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const changes = state.changes.filter(({ phase }) => phase !== 'freed');
  const { run, stores: names } = state.header;
  const warnings = ['The run cannot be undone afterwards.', ...(await undoneWarning(state, settings))];
  refuseUnconfirmed(state, request, warnings);
  for (const warning of warnings) request.say(warning);
  await withStores(state, settings, request, async (stores, journal) => {
    for (const { change } of changes) {
      const freed = await freeChange(change, run, stores);
      if (freed !== null) request.say(`freed ${freed}`);
      journal.append({ entry: 'change', phase: 'freed', change });
    }
    // A run that was killed before it changed anything may have left what it was building.
    const staging = await freeStaging(stores, names.graphName, run);
    if (staging !== null) request.say(`freed ${staging}`);
    else if (changes.length === 0) throw nothingKept(state, 'forget');
    journal.append({ entry: 'forgotten' });
  });
  request.say('Forgotten: nothing is kept of it any more but its folder.');
}

/** What a rollback put aside may be the only place where the memories since the run are. */
async function undoneWarning({ header, changes }: RunState, settings: Settings): Promise<string[]> {
  if (!changes.some(({ change }) => 'graph' in change)) return [];
  const connections = new Connections(settings, () => 0);
  try {
    const graph = await connections.openGraph();
    const keys = await undoneGraphs(graph, header.stores.graphName, header.run);
    return await Promise.all(
      keys.map(async (key) => {
        const { nodes, memories } = await graph.totals(key);
        return `The graph "${key}", which was live until the run was undone, holds ${nodes} nodes, ${memories} of them memories: it goes too.`;
      }),
    );
  } finally {
    connections.close();
  }
}

async function withStores(
  state: RunState,
  settings: Settings,
  request: UndoRequest,
  work: (stores: ChangedStores, journal: Journal) => Promise<void>,
): Promise<void> {
  const connections = new Connections(settings, () => 0);
  let lease: Lease | null = null;
  try {
    const held = await takeLease(settings, {
      run: state.header.run,
      command: 'runs',
      takeOver: request.takeOver,
      notice: request.say,
    });
    lease = held;
    const stores = {
      graph: await connections.openGraph(),
      vectors: connections.vectors(),
      check: () => held.check(),
    };
    const journal = Journal.open(join(state.folder, 'journal.ndjson'));
    try {
      await work(stores, journal);
    } finally {
      journal.close();
    }
  } finally {
    await lease?.release();
    connections.close();
  }
}

function refuseUnconfirmed({ header }: RunState, { confirm }: UndoRequest, warnings: string[]): void {
  const name = header.stores.graphName;
  if (confirm === name) return;
  throw new Failure({
    operation: 'change a store',
    subject: header.run,
    reason: confirm === null ? 'it was not confirmed' : `--confirm ${confirm} does not name the graph`,
    hint: `${warnings.join(' ')} To go on, add: --confirm ${name}`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
}

function deletionWarning(changes: readonly Noted[]): string[] {
  return changes.flatMap(({ change, phase }) =>
    change.kind === 'collection-create' && phase === 'done'
      ? [`The collection "${change.collection}", which was not there before, is deleted.`]
      : [],
  );
}

function nothingKept({ header, status }: RunState, what: 'undo' | 'forget'): Failure {
  return new Failure({
    operation: `${what} the run`,
    subject: header.run,
    reason:
      status === 'rolled-back' || status === 'forgotten'
        ? `it was ${status.replace('-', ' ')}`
        : 'it changed nothing',
    hint: 'See what a run changed with: lifeboat runs show RUN',
    exitCode: ExitCode.usage,
    code: 'nothing-kept',
  });
}
