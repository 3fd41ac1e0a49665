import { join } from 'node:path';
import { ExitCode, Failure } from '../../failure.js';
import { Journal } from '../../recovery/journal.js';
import type { Lease } from '../../recovery/lease.js';
import { standingChanges, type RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { Change } from '../../steps/change.js';
import { freeChange, freeStaging, proveKept, undoChange, type ChangedStores } from '../../steps/undo.js';
import { takeLease } from '../run/lease-places.js';
import { Connections } from '../run/world.js';

export interface UndoRequest {
  /** The name that was typed, or null. */
  confirm: string | null;
  takeOver: boolean;
  say: (text: string) => void;
}

/**
 * Puts back what a run replaced, newest change first, each journalled. Doing it again after a crash goes on.
 *
 * @throws Failure (exit 2) where nothing can be undone or it was not confirmed
 */
export async function rollBackRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const changes = standingChanges(state);
  if (changes.length === 0) throw nothingKept(state, 'undo');
  refuseUnconfirmed(state, request, [
    'What the stores received since the run is not in what is put back; the graph of now is kept, changes of the collection since then are lost.',
  ]);
  await withStores(state, settings, request, async (stores, journal) => {
    for (const noted of changes) await proveKept(noted, state.header.run, stores);
    for (const noted of changes) {
      request.say(await undoChange(noted, state.header.run, stores));
      journal.append({ entry: 'change', phase: 'undone', change: noted.change });
    }
    journal.append({ entry: 'rolled-back' });
  });
  request.say('Rolled back. To see how the stores are now: lifeboat validate');
}

/** Frees what is kept for the rollback of a run. @throws Failure (exit 2) where nothing is kept or it was not confirmed */
export async function forgetRun(state: RunState, settings: Settings, request: UndoRequest): Promise<void> {
  const changes = state.changes.filter(({ phase }) => phase !== 'freed');
  const { run, stores: names } = state.header;
  refuseUnconfirmed(state, request, ['The run cannot be undone afterwards.']);
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

function refuseUnconfirmed(
  { header, changes }: RunState,
  { confirm }: UndoRequest,
  warnings: string[],
): void {
  const name = header.stores.graphName;
  if (confirm === name) return;
  const creates = changes.find(
    (noted): noted is { change: Extract<Change, { kind: 'collection-create' }>; phase: typeof noted.phase } =>
      noted.change.kind === 'collection-create',
  );
  const deletion =
    creates === undefined
      ? ''
      : ` The collection "${creates.change.collection}", which was not there before, would be deleted.`;
  throw new Failure({
    operation: 'change a store',
    subject: header.run,
    reason: confirm === null ? 'it was not confirmed' : `--confirm ${confirm} does not name the graph`,
    hint: `${warnings.join(' ')}${deletion} To go on, add: --confirm ${name}`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
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
