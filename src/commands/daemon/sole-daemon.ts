import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import { thisProcess } from '../../recovery/holder.js';
import { acquireLease, type Lease } from '../../recovery/lease.js';
import { fileLease } from '../../stores/lease/file-lease.js';
import type { HeldLease } from '../../stores/lease/lease-store.js';

const TTL_MS = 60_000;
const HEARTBEAT_MS = 15_000;
/** A little longer than the lease can hold: clocks of file systems tick coarsely. */
const SLACK_MS = 1_000;

/**
 * Sees to it that no other daemon works with this state folder. What a daemon that is certainly dead left is taken at once;
 * where that cannot be known, as of another container with the same folder, its lease is waited for until it runs out.
 *
 * @throws Failure `daemon-running` (exit 11) that names the other one
 */
export async function becomeSoleDaemon(
  stateFolder: string,
  notice: (message: string) => void,
  signal: AbortSignal,
  ttlMs = TTL_MS,
): Promise<Lease> {
  const folder = join(stateFolder, 'leases');
  const acquire = (): Promise<Lease> =>
    acquireLease({
      stores: [fileLease(folder, 'daemon')],
      run: 'daemon',
      command: 'daemon',
      notice,
      ttlMs,
      heartbeatMs: (ttlMs * HEARTBEAT_MS) / TTL_MS,
    });
  try {
    return await acquire();
  } catch (error) {
    const held = await holderOf(error, folder);
    if (held === null) throw error;
    if (mayBeSeen(held)) throw running(held);
    const ms = Math.max(0, held.expiresInMs) + SLACK_MS;
    notice(`${nameOf(held)} may be dead; its hold ends in ${Math.ceil(ms / 1000)} s unless it lives`);
    await pause(ms, undefined, { signal });
    return acquire().catch(async (again: unknown) => {
      const still = await holderOf(again, folder);
      throw still === null ? again : running(still);
    });
  }
}

async function holderOf(error: unknown, folder: string): Promise<HeldLease | null> {
  if (!(error instanceof Failure) || error.code !== 'lease-held') return null;
  return fileLease(folder, 'daemon').read();
}

/** Whether a holder's end would be seen from here: its lease is held, so it lives. */
function mayBeSeen({ record }: HeldLease): boolean {
  const own = thisProcess();
  return record.host === own.host && record.processSpace === own.processSpace;
}

function nameOf({ record: { owner, pid, since } }: HeldLease): string {
  return `The daemon of ${owner}, process ${pid}, at work since ${since},`;
}

function running(held: HeldLease): Failure {
  const { owner, pid, since, host } = held.record;
  return new Failure({
    operation: 'start the daemon',
    subject: `process ${pid} on ${host}`,
    reason: `one is at work already, of ${owner}, since ${since}`,
    hint: `One daemon to a state folder. Stop that one first (kill ${pid}), or set LIFEBOAT_STATE to another folder for daemons of other stores.`,
    exitCode: ExitCode.leaseHeld,
    code: 'daemon-running',
  });
}
