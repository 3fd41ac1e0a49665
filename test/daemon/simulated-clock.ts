import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/daemon/clock.js';

/** A clock that moves only when somebody waits, or a job takes its time. */
export class SimulatedClock implements Clock {
  private time: number;
  /** Aborts once the end is reached. */
  readonly end = new AbortController();
  /** Called before each wait, with the time: where a test puts the clock back. */
  onWait: (now: Date) => void = () => undefined;

  constructor(
    start: string,
    private readonly until: string,
  ) {
    this.time = Date.parse(start);
  }

  now(): Date {
    return new Date(this.time);
  }

  /** What a job does. */
  pass(ms: number): void {
    this.time += ms;
    this.look();
  }

  set(time: string): void {
    this.time = Date.parse(time);
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await setImmediate();
    if (signal.aborted) return;
    this.time += ms;
    this.onWait(this.now());
    this.look();
  }

  private look(): void {
    if (this.time >= Date.parse(this.until)) this.end.abort();
  }
}
