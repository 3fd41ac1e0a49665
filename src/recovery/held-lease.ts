import { ExitCode, Failure } from '../failure.js';
import type { HeldLease, LeaseRecord, LeaseStore, TakenLease } from '../stores/lease/lease-store.js';

/** Held for the time of a run. */
export interface Lease {
  /** The fencing token: greater than that of every run before. */
  readonly token: number;
  /** Where it is kept, for people. */
  readonly place: string;
  /** Aborts when the lease is lost, with the Failure as its reason. */
  readonly lost: AbortSignal;
  /**
   * Proves, by a heartbeat, that the lease is still held; to be called before anything is changed. Where the place does
   * not answer, it goes on trying for as long as the lease can still hold.
   *
   * @throws Failure `lease-lost` (exit 11)
   */
  check(): Promise<void>;
  /**
   * As {@link check}, and at once where a heartbeat was kept within the last second: to be called before each request that
   * changes something. Time that a process slept counts, so that one that was stopped for a while asks before it goes on.
   *
   * @throws Failure `lease-lost` (exit 11)
   */
  hold(): Promise<void>;
  /** performance.now() before the last heartbeat that was kept was sent: until then, at least, the lease was held. */
  readonly confirmedAt: number;
  /** Ends the heartbeat and frees the lease. No Failure comes of it: what cannot be freed runs out by itself. */
  release(): Promise<void>;
}

export interface Beat {
  /** Milliseconds between two heartbeats. */
  heartbeatMs: number;
  notice: (message: string) => void;
  /** Wall clock, for what people read in the record. */
  now: () => Date;
}

/** How long to wait before a check is tried again, in milliseconds. */
const RETRY_MS = 500;
/** How long a heartbeat is good for requests that follow it, in milliseconds. */
const FRESH_MS = 1_000;
/** A place that takes longer than that to answer can never say anything fresh: so often it is asked. */
const FRESH_ATTEMPTS = 3;

/** A lease that was taken: keeps it alive, and learns when it is not. */
export class BeatingLease implements Lease {
  readonly token: number;
  readonly place: string;
  private readonly abort = new AbortController();
  /** For whoever waits for an answer that comes too late. */
  private readonly untilLost: Promise<true>;
  private readonly ttlMs: number;
  private readonly timer: NodeJS.Timeout;
  private expiry: NodeJS.Timeout;
  private version: string;
  /** Monotonic time of the last heartbeat that was kept, taken before it was sent. */
  private renewedAt: number;
  private turn: Promise<unknown> = Promise.resolve();
  private ended = false;
  /** Why the last heartbeat was not kept, though the place may come back; null where it was. */
  private trouble: Failure | null = null;
  private beating = false;
  private readonly record: LeaseRecord;

  /** @param takenAt performance.now() before the lease was asked for */
  constructor(
    private readonly store: LeaseStore,
    taken: TakenLease,
    takenAt: number,
    private readonly beat: Beat,
  ) {
    this.record = taken.record;
    this.version = taken.version;
    this.token = taken.record.token;
    this.place = store.place;
    this.ttlMs = taken.record.ttlSeconds * 1000;
    this.renewedAt = takenAt;
    this.untilLost = new Promise((resolve) => this.lost.addEventListener('abort', () => resolve(true)));
    this.expiry = this.expireAt(takenAt + this.ttlMs);
    this.timer = setInterval(() => void this.onBeat(), beat.heartbeatMs).unref();
  }

  get lost(): AbortSignal {
    return this.abort.signal;
  }

  async check(): Promise<void> {
    // A process that slept must not trust its timers: they have not run yet.
    while (this.isHeld() && !(await Promise.race([this.renew(), this.untilLost]))) {
      await pause(Math.min(RETRY_MS, this.beat.heartbeatMs));
    }
    if (this.abort.signal.aborted) throw this.abort.signal.reason;
    if (this.ended) throw this.lostFailure('it was released');
  }

  async hold(): Promise<void> {
    // An answer that lay there while this process slept says nothing of now.
    for (let attempt = 0; attempt < FRESH_ATTEMPTS && !this.isFresh(); attempt++) await this.check();
  }

  get confirmedAt(): number {
    return this.renewedAt;
  }

  async release(): Promise<void> {
    if (this.ended) return;
    this.end();
    try {
      if (this.abort.signal.aborted) return;
      await this.turn;
      await this.store.release(this.version);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const seconds = Math.ceil(this.ttlMs / 1000);
      this.beat.notice(`The lease could not be released and runs out within ${seconds} s: ${error.message}`);
    } finally {
      this.store.close();
    }
  }

  private async onBeat(): Promise<void> {
    // A place that does not answer is not asked a second time meanwhile.
    if (this.beating || !this.isHeld()) return;
    this.beating = true;
    await this.renew().finally(() => (this.beating = false));
  }

  /** True while nothing says that the lease is lost; time that passed says so too. */
  private isHeld(): boolean {
    if (this.ended || this.abort.signal.aborted) return false;
    const silentMs = performance.now() - this.renewedAt;
    if (silentMs < this.ttlMs) return true;
    const because = this.trouble === null ? '' : `: ${this.trouble.reason}`;
    this.lose(
      `there was no heartbeat for ${seconds(silentMs)} s, and it ran out after ${seconds(this.ttlMs)} s${because}`,
      this.trouble,
    );
    return false;
  }

  private isFresh(): boolean {
    return this.isHeld() && performance.now() - this.renewedAt < Math.min(FRESH_MS, this.ttlMs / 10);
  }

  /** One heartbeat after the other. @returns whether the place has answered, with whatever */
  private renew(): Promise<boolean> {
    const result = this.turn.then(() => this.renewNow());
    this.turn = result;
    return result;
  }

  private async renewNow(): Promise<boolean> {
    if (!this.isHeld()) return true;
    const sentAt = performance.now();
    try {
      const other = await this.swap();
      this.trouble = null;
      if (other !== null) this.lose(other);
      // An answer that came too late proves nothing.
      else if (this.isHeld()) this.prolong(sentAt);
      return true;
    } catch (error) {
      // It may come back in time. If not, the lease runs out.
      if (error instanceof Failure) {
        this.trouble = error;
        return false;
      }
      this.lose(`the heartbeat failed: ${String(error)}`);
      return true;
    }
  }

  /** @returns null where the heartbeat is kept, else who has the lease instead */
  private async swap(): Promise<string | null> {
    // Twice: the answer to the last heartbeat may have been lost on its way, and its version with it.
    for (let attempt = 0; attempt < 2; attempt++) {
      const record = { ...this.record, heartbeat: this.beat.now().toISOString() };
      const version = await this.store.renew(this.version, record);
      if (version !== null) {
        this.version = version;
        return null;
      }
      const held = await this.store.read();
      if (held?.record.token !== this.token || held.record.run !== this.record.run) return describe(held);
      this.version = held.version;
    }
    return 'its record changes under it';
  }

  private prolong(sentAt: number): void {
    this.renewedAt = sentAt;
    clearTimeout(this.expiry);
    this.expiry = this.expireAt(sentAt + this.ttlMs);
  }

  private expireAt(time: number): NodeJS.Timeout {
    return setTimeout(() => this.isHeld(), Math.max(0, time - performance.now()) + 1).unref();
  }

  /** @param trouble what is wrong at the place, where that is why */
  private lose(reason: string, trouble: Failure | null = null): void {
    this.stopTimers();
    this.abort.abort(this.lostFailure(reason, trouble));
  }

  private end(): void {
    this.ended = true;
    this.stopTimers();
  }

  private stopTimers(): void {
    clearInterval(this.timer);
    clearTimeout(this.expiry);
  }

  private lostFailure(reason: string, trouble: Failure | null = null): Failure {
    const mend = trouble === null ? '' : `${trouble.hint} `;
    return new Failure({
      operation: 'go on with the run',
      subject: this.place,
      reason: `the lease is lost: ${reason}`,
      hint: `${mend}See that no other recovery is under way, then run the command again.`,
      exitCode: ExitCode.leaseHeld,
      code: 'lease-lost',
    });
  }
}

function describe(held: HeldLease | null): string {
  if (held === null) return 'it ran out, or its place has lost it';
  const { run, command, owner, pid } = held.record;
  return `run ${run} (${command}) by ${owner}, process ${pid}, has taken it over`;
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
