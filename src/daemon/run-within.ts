import type { Clock } from './clock.js';
import { ExitCode, Failure } from '../failure.js';

/** What a run came to. */
export type Settled<T> = { result: T } | { error: unknown };

export interface RunLimits {
  clock: Clock;
  /** How long it may take, in milliseconds; Infinity for as long as it likes. */
  limitMs: number;
  /** How long it is waited for once it was asked to end. */
  stopLimitMs: number;
}

/** How a run ended that may have been asked to. */
export interface RunEnd<T> {
  /** Null where it did not end in time after it was asked to. */
  settled: Settled<T> | null;
  /** It was asked to end because it took too long. */
  isOverTime: boolean;
  /** Resolves when it ends after all. Never rejects. */
  ended: Promise<unknown>;
}

/**
 * Runs something that is asked to end, by its signal, when the signal of the caller aborts or its time is over: one that
 * waits for a server which never answers would hold up all that comes after it.
 */
export async function runWithin<T>(
  run: (signal: AbortSignal) => Promise<T>,
  stop: AbortSignal,
  { clock, limitMs, stopLimitMs }: RunLimits,
): Promise<RunEnd<T>> {
  const over = new AbortController();
  const time = new AbortController();
  const signal = AbortSignal.any([stop, time.signal]);
  const ended = Promise.resolve()
    .then(() => run(signal))
    .then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
  if (Number.isFinite(limitMs))
    void clock.wait(limitMs, AbortSignal.any([stop, over.signal])).then(() => {
      if (!stop.aborted && !over.signal.aborted) time.abort(overTime());
    });
  const givenUp = aborted(signal, over.signal)
    .then(() => clock.wait(stopLimitMs, over.signal))
    .then(() => null);
  const settled = await Promise.race([ended, givenUp]);
  over.abort();
  return { settled, isOverTime: time.signal.aborted, ended };
}

/** What a job sees as the reason of its end. */
function overTime(): Failure {
  return new Failure({
    operation: 'go on with the job',
    subject: 'the daemon',
    reason: 'it took longer than it may',
    hint: 'See "limits" in lifeboat.config.yaml.',
    exitCode: ExitCode.failed,
    code: 'job-over-time',
  });
}

/** Resolves when the signal aborts; stops listening when the other one does. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: over });
  });
}
