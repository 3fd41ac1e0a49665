import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { GraphStore } from '../../stores/graph/graph-store.js';
import { fenceKey } from '../../stores/lease/redis-lease.js';
import { heldLeases } from '../run/lease-places.js';

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
 * Refuses while a recovery is at work: what is half recovered is nobody's backup.
 *
 * @throws Failure (exit 11) that names the run
 */
async function noticeHeldLease(settings: Settings): Promise<void> {
  const [held] = await heldLeases(settings);
  if (held === undefined) return;
  const { run, command, owner, since } = held.record;
  throw new Failure({
    operation: 'back up',
    subject: settings.graph.name,
    reason: `the run ${run} (${command}) of ${owner} is at work on it since ${since}, by its lease in ${held.place}`,
    hint: 'Back up when it is done: what is half recovered would be in the backup.',
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
