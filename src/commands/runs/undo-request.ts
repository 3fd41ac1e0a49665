import { join } from 'node:path';
import { ExitCode, Failure } from '../../failure.js';
import { Journal } from '../../recovery/journal.js';
import type { Lease } from '../../recovery/lease.js';
import type { RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { ChangedStores } from '../../steps/undo.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import { takeLease } from '../run/lease-places.js';
import { Connections } from '../run/world.js';

export interface UndoRequest {
  /** The name that was typed, or null. */
  confirm: string | null;
  takeOver: boolean;
  /** Goes on where points that came after the run, or the graph of a newer one, are kept only aside then. */
  discardNewer: boolean;
  say: (text: string) => void;
}

/** Works on the stores of a run under the lease, with the run's journal open. @throws Failure (exit 11) where it is held */
export async function withStores<T>(
  state: RunState,
  settings: Settings,
  request: UndoRequest,
  work: (stores: ChangedStores, journal: Journal, openGraph: () => Promise<GraphStore>) => Promise<T>,
): Promise<T> {
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
      return await work(stores, journal, connections.openGraph);
    } finally {
      journal.close();
    }
  } finally {
    await lease?.release();
    connections.close();
  }
}

/** @throws Failure (exit 2) where the graph was not named */
export function refuseUnconfirmed({ header }: RunState, { confirm }: UndoRequest, warnings: string[]): void {
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

/** There is nothing to undo, or to let go of. */
export function nothingKept({ header, status }: RunState, what: 'undo' | 'forget'): Failure {
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
