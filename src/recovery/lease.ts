import { ExitCode, Failure } from '../failure.js';
import type { HeldLease, LeaseClaim, LeaseStore, TakenLease } from '../stores/lease/lease-store.js';
import { BeatingLease, type Lease } from './held-lease.js';
import { isGone, isStopped, thisProcess } from './holder.js';

export type { Lease } from './held-lease.js';

export interface LeaseOptions {
  /** Places for the lease, the best first: the first that can keep it does. They are closed with the lease. */
  stores: readonly LeaseStore[];
  run: string;
  /** "recover", "drill". */
  command: string;
  /** Where the operator is told of places that were passed over and of leases that were taken over. */
  notice: (message: string) => void;
  /** The operator is certain that the holder is dead: its lease is taken though it has not run out. */
  takeOver?: boolean;
  /** How long the lease holds without a heartbeat, in milliseconds. */
  ttlMs?: number;
  heartbeatMs?: number;
  /** Wall clock, for what people read in the record; nothing is decided by it. */
  now?: () => Date;
}

const TTL_MS = 30_000;
const HEARTBEAT_MS = 10_000;
/** How often to look again when somebody was quicker, and how long to wait before, at most. */
const LOOKS = 10;
const PAUSE_MS = 100;

/**
 * Takes the lease, so that no other run recovers the same stores meanwhile, and keeps it alive until it is released.
 * A lease that has run out is taken over, at once where its holder's process ran on this host and is gone. From one that is
 * merely stopped it is not taken before it has run out, whatever the operator is certain of.
 *
 * @throws Failure `lease-held` (exit 11) that says who holds it, since when, and what to do
 * @throws Failure `lease-unreadable` where something else lies in the lease's place
 * @throws Failure `lease-nowhere` where none of the places can keep it
 */
export async function acquireLease(options: LeaseOptions): Promise<Lease> {
  const { stores, heartbeatMs = HEARTBEAT_MS, notice, now = () => new Date() } = options;
  const attempt = new Attempt(options, claimOf(options, now()));
  let kept: LeaseStore | null = null;
  try {
    const { store, taken, at } = await attempt.inFirstPlace();
    kept = store;
    return new BeatingLease(store, taken, at, { heartbeatMs, notice, now });
  } finally {
    for (const store of stores) if (store !== kept) store.close();
  }
}

function claimOf({ run, command, ttlMs = TTL_MS }: LeaseOptions, now: Date): LeaseClaim {
  const time = now.toISOString();
  return { run, command, ...thisProcess(), since: time, heartbeat: time, ttlSeconds: ttlMs / 1000 };
}

interface Kept {
  store: LeaseStore;
  taken: TakenLease;
  /** performance.now() before it was asked for. */
  at: number;
}

class Attempt {
  constructor(
    private readonly options: LeaseOptions,
    private readonly claim: LeaseClaim,
  ) {}

  async inFirstPlace(): Promise<Kept> {
    const { stores, notice } = this.options;
    const reasons: string[] = [];
    for (const [index, store] of stores.entries()) {
      try {
        const kept = await this.in(store);
        if (index > 0) notice(`The lease is kept in ${store.place}.`);
        await this.seeThatOthersAreFree(kept, stores.slice(index + 1));
        return kept;
      } catch (error) {
        if (!isPassedOver(error)) throw error;
        reasons.push(error.message);
        notice(`The lease cannot be kept in ${store.place}: ${error.reason}`);
      }
    }
    throw nowhere(reasons);
  }

  /**
   * A run that could not reach the best place when it began holds its lease in another one. Read only, unless a dead
   * holder's lease lies there: it is taken from it, so that whoever wakes up finds out.
   */
  private async seeThatOthersAreFree(kept: Kept, others: readonly LeaseStore[]): Promise<void> {
    const looks = await Promise.allSettled(others.map((store) => this.free(store)));
    for (const [index, look] of looks.entries()) {
      if (look.status === 'fulfilled') continue;
      const error: unknown = look.reason;
      if (isPassedOver(error)) {
        const { place } = others[index] as LeaseStore;
        this.options.notice(
          `Whether another run holds the lease in ${place} could not be seen: ${error.reason}`,
        );
        continue;
      }
      await kept.store.release(kept.taken.version).catch(() => undefined);
      throw error;
    }
  }

  private async free(store: LeaseStore): Promise<void> {
    if ((await store.read()) === null) return;
    const { taken } = await this.in(store);
    await store.release(taken.version);
  }

  private async in(store: LeaseStore): Promise<Kept> {
    // The holder that the operator meant; who took the lease over meanwhile is not.
    let meant: number | null = null;
    for (let look = 0; look < LOOKS; look++) {
      const at = performance.now();
      const held = await store.read();
      if (held !== null && this.isOwn(held)) return { store, taken: held, at };
      meant ??= held?.record.token ?? null;
      const why = held === null ? null : this.mayTake(held, meant);
      if (held !== null && why === null) throw leaseHeld(store, held);
      const taken = await store.take(this.claim, held?.version ?? null);
      if (taken !== null) {
        if (held !== null) this.options.notice(takenOver(held, why ?? ''));
        if (held !== null && isStopped(held.record)) this.options.notice(stillStopped(held));
        return { store, taken, at };
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS));
    }
    throw contended(store);
  }

  /** The taking succeeded, and its answer was lost on the way. */
  private isOwn({ record }: HeldLease): boolean {
    const { run, host, pid, processStarted, since } = this.claim;
    const same = record.run === run && record.host === host && record.pid === pid;
    return same && record.processStarted === processStarted && record.since === since;
  }

  /** @returns why the lease may be taken from its holder; null where it may not */
  private mayTake(held: HeldLease, meant: number | null): string | null {
    if (held.expiresInMs <= 0) return `there was no sign of life for ${seconds(held.ageMs)} s`;
    if (isGone(held.record)) return 'its process is gone';
    const isMeant = this.options.takeOver === true && held.record.token === meant;
    // It would wake up in the middle of a write.
    return isMeant && !isStopped(held.record) ? 'as you asked' : null;
  }
}

/** Where a place cannot keep the lease, the next is tried; what is known of a holder ends the search. */
function isPassedOver(error: unknown): error is Failure {
  return (
    error instanceof Failure && error.exitCode !== ExitCode.leaseHeld && error.code !== 'lease-unreadable'
  );
}

function takenOver({ record }: HeldLease, why: string): string {
  const { run, command, owner, pid } = record;
  return `Took the lease over from run ${run} (${command}) by ${owner}, process ${pid}: ${why}.`;
}

function stillStopped({ record: { pid } }: HeldLease): string {
  return `Process ${pid} is stopped, not dead: end it (kill -9 ${pid}), so that nobody wakes it in the middle of its work.`;
}

function leaseHeld({ place }: LeaseStore, { record, ageMs, expiresInMs }: HeldLease): Failure {
  const { run, command, owner, host, pid, since } = record;
  const isAsleep = isStopped(record);
  return new Failure({
    operation: 'take the lease',
    subject: place,
    reason:
      `another recovery is under way: run ${run} (${command}) by ${owner}, process ${pid} on ${host}, ` +
      `since ${since}, last heartbeat ${seconds(ageMs)} s ago${isAsleep ? '; it is stopped, not dead' : ''}`,
    hint: isAsleep
      ? `Kill it first (kill -9 ${pid}), or let it go on (kill -CONT ${pid}): whoever woke it later would have it write ` +
        `into the work of another. Once it is gone, \`lifeboat runs resume ${run}\` goes on where it stopped.`
      : `Wait for it to end. If it is dead, its lease runs out in ${seconds(expiresInMs)} s; then ` +
        `\`lifeboat runs resume ${run}\` goes on where it stopped. If you are certain that it is dead, ` +
        '--take-over takes the lease at once.',
    exitCode: ExitCode.leaseHeld,
    code: 'lease-held',
  });
}

function contended({ place }: LeaseStore): Failure {
  return new Failure({
    operation: 'take the lease',
    subject: place,
    reason: 'others were quicker each time',
    hint: 'See who else is at it, then run the command again.',
    exitCode: ExitCode.leaseHeld,
    code: 'lease-held',
  });
}

function nowhere(reasons: readonly string[]): Failure {
  return new Failure({
    operation: 'take the lease',
    subject: `${reasons.length} places`,
    reason: `no place can keep it: ${reasons.join('; ')}`,
    hint: 'Mend one of them: without the lease, two recoveries could run at the same time.',
    exitCode: ExitCode.failed,
    code: 'lease-nowhere',
  });
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));
