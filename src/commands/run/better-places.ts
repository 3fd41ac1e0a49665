import { ExitCode, Failure } from '../../failure.js';
import { isGone } from '../../recovery/holder.js';
import type { HeldLease, LeaseStore } from '../../stores/lease/lease-store.js';

/** So long is it good that nobody was seen there, in milliseconds: a run of writes asks before each of them. */
const LOOK_AGAIN_MS = 250;

/**
 * The places that a lease could not be kept in, such as a graph server that did not answer for a moment. Another run may
 * hold its lease there, or take it later: they are looked at again before anything is changed, and never written to.
 */
export class BetterPlaces {
  private lookedAt = -Infinity;

  /** @param run of the caller: what it left there itself, before its lease moved, is in nobody's way */
  constructor(
    private readonly stores: readonly LeaseStore[],
    private readonly run: string,
  ) {}

  /**
   * Looks at them, unless that was a moment ago. A place that still does not answer is passed over, as it was before.
   *
   * @throws Failure `lease-lost` (exit 11) where a living run holds the lease of the same stores
   */
  async check(): Promise<void> {
    if (this.stores.length === 0 || performance.now() - this.lookedAt < LOOK_AGAIN_MS) return;
    const looks = await Promise.all(this.stores.map((store) => this.holderIn(store)));
    for (const [at, held] of looks.entries())
      if (held !== null && held !== 'silent') throw lostTo(this.stores[at] as LeaseStore, held);
    // Who could not be asked is asked again at once the next time.
    if (!looks.includes('silent')) this.lookedAt = performance.now();
  }

  close(): void {
    for (const store of this.stores) store.close();
  }

  private async holderIn(store: LeaseStore): Promise<HeldLease | null | 'silent'> {
    try {
      const held = await store.read();
      const isOther = held !== null && held.record.run !== this.run;
      return isOther && held.expiresInMs > 0 && !isGone(held.record) ? held : null;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return 'silent';
    }
  }
}

function lostTo({ place }: LeaseStore, { record }: HeldLease): Failure {
  const { run, command, owner, host, pid, since } = record;
  return new Failure({
    operation: 'go on with the run',
    subject: place,
    reason: `another recovery is under way: run ${run} (${command}) by ${owner}, process ${pid} on ${host}, since ${since}`,
    hint: 'Wait for it to end, then run the command again.',
    exitCode: ExitCode.leaseHeld,
    code: 'lease-lost',
  });
}
