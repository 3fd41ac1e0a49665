import { ExitCode, Failure } from '../../failure.js';
import { isGone } from '../../recovery/holder.js';
import { listRuns, standingChanges } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import { fenceKey } from '../../stores/lease/redis-lease.js';
import { heldLeases, type LeaseElsewhere } from '../run/lease-places.js';

/** The lease as a backup sees it: when it begins, and again before anything gets its name. */
export interface LeaseWatch {
  /** @throws Failure (exit 11) where a recovery is at work, or was since the watch began */
  assertQuiet(): Promise<void>;
}

/**
 * Looks that no recovery is at work, in every place where it could keep its lease, and remembers how often the lease was
 * taken on the graph server so far: one that came and went while the stores were read is noticed too.
 *
 * @throws Failure (exit 11) that names the run
 */
export async function watchLease(settings: Settings, graph: () => Promise<GraphStore>): Promise<LeaseWatch> {
  const fence = (): Promise<unknown> =>
    readable(async () => (await graph()).command('look at the lease', 'GET', fenceKey(settings.graph.name)));
  await noticeHeldLease(settings);
  const before = await fence();
  return {
    async assertQuiet() {
      await noticeHeldLease(settings);
      const after = await fence();
      // A server that does not tell any more is none that says that a recovery was there.
      if (after === before || after === undefined || before === undefined) return;
      throw new Failure({
        operation: 'back up',
        subject: settings.graph.name,
        reason: 'a recovery was at work on it while it was read',
        hint: 'No file was kept. Run it again: what is half recovered would be in the backup.',
        exitCode: ExitCode.leaseHeld,
        code: 'lease-held',
      });
    },
  };
}

/**
 * Refuses while a recovery is at work: what is half recovered is nobody's backup. One that was killed on this machine counts as
 * long as its lease does, unless it had changed nothing yet.
 *
 * @throws Failure (exit 11) that names the run
 */
async function noticeHeldLease(settings: Settings): Promise<void> {
  for (const held of await heldLeases(settings)) refuseHolder(settings, held);
}

function refuseHolder(settings: Settings, { record, place }: LeaseElsewhere): void {
  const { run, command, owner, since, heartbeat } = record;
  if (isGone(record)) {
    if (changedNothing(settings, run)) return;
    throw leftHalfDone(settings, `${run} (${command}) stopped at ${heartbeat}`, run);
  }
  throw new Failure({
    operation: 'back up',
    subject: settings.graph.name,
    reason: `the run ${run} (${command}) of ${owner} is at work on it since ${since}, by its lease in ${place}`,
    hint: 'Back up when it is done: what is half recovered would be in the backup.',
    exitCode: ExitCode.leaseHeld,
    code: 'lease-held',
  });
}

/** Whether a run of this machine is known to have touched no store before it ended. */
function changedNothing({ folders }: Settings, name: string): boolean {
  const run = listRuns(folders.state).find(({ header }) => header.run === name);
  return run !== undefined && standingChanges(run).length === 0;
}

/** Nobody is at work, and yet it is no moment for a backup. */
function leftHalfDone(settings: Settings, says: string, run: string): Failure {
  return new Failure({
    operation: 'back up',
    subject: settings.graph.name,
    reason: `the run ${says}, its process is gone, and it may have left the stores half done`,
    hint: `Go on with it: lifeboat runs resume ${run}. Or undo it: lifeboat runs rollback ${run} --confirm ${settings.graph.name}. Then back up.`,
    exitCode: ExitCode.leaseHeld,
    code: 'lease-held',
  });
}

/** A graph server that cannot be reached, or does not tell, is not what is asked here: undefined. */
async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
