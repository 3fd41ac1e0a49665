import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import { redisLease } from '../../stores/lease/redis-lease.js';
import { graphAddress } from '../run/world.js';

/**
 * Refuses while a recovery is at work: what is half recovered is nobody's backup.
 *
 * @throws Failure (exit 11) that names the run
 */
export async function noticeHeldLease(settings: Settings): Promise<void> {
  const store = redisLease(graphAddress(settings), settings.graph.name);
  try {
    const held = await readable(() => store.read());
    if (held === null || held.expiresInMs <= 0) return;
    const { run, command, owner, since } = held.record;
    throw new Failure({
      operation: 'back up',
      subject: settings.graph.name,
      reason: `the run ${run} (${command}) of ${owner} is at work on it since ${since}`,
      hint: 'Back up when it is done: what is half recovered would be in the backup.',
      exitCode: ExitCode.leaseHeld,
      code: 'lease-held',
    });
  } finally {
    store.close();
  }
}

/** A graph server that cannot be reached, or does not tell, is not what is asked here. */
async function readable<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
}
