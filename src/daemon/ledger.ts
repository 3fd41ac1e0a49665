import { ExitCode, Failure } from '../failure.js';
import { formatDuration } from '../report/format.js';
import type { JobName, JobResult } from './jobs.js';
import type { JobState } from './state.js';

/** How a run of a job ended. */
export type Ended =
  | { outcome: 'done'; result: JobResult }
  | { outcome: 'failed'; message: string; retry: Retry }
  /** A recovery is at work: it is nobody's failure, and it is tried again soon. */
  | { outcome: 'postponed'; message: string }
  | { outcome: 'stopped' };

/** How often a run that failed is tried again before its own next time. */
export type Retry = 'never' | 'once' | 'always';

/** How long after a failure a job is tried once more, where its own next time is not sooner. */
export const RETRY_MS = 5 * 60_000;
/** How long after it was put off; a look at the lease costs next to nothing. */
export const POSTPONED_MS = 2 * 60_000;

/** What became of a run that was asked to stop, or not, and ended with this. */
export function endOf(settled: { result: JobResult } | { error: unknown }, wasStopped: boolean): Ended {
  if ('result' in settled) {
    if (settled.result.ok) return { outcome: 'done', result: settled.result };
    return wasStopped ? { outcome: 'stopped' } : failed(settled.result.summary, 'once');
  }
  if (wasStopped) return { outcome: 'stopped' };
  const { error } = settled;
  if (!(error instanceof Failure))
    return failed(
      `This is a bug in Lifeboat: ${error instanceof Error ? error.message : String(error)}`,
      'once',
    );
  if (error.exitCode === ExitCode.leaseHeld) return { outcome: 'postponed', message: error.message };
  // Settings that are wrong are as wrong five minutes later.
  return failed(error.message, error.exitCode === ExitCode.usage ? 'never' : 'once');
}

/** What a run is that may not be put off any longer, or that nobody would come back to. */
export function tooLate(message: string, { postponedSince }: JobState): Ended {
  const says =
    postponedSince === null ? message : `put off since ${postponedSince}, and now too late: ${message}`;
  return failed(says, 'always');
}

/** What a run is that took longer than it may. @param limitMs milliseconds */
export function tookTooLong(job: JobName, limitMs: number, hasEnded: boolean): Ended {
  const left = hasEnded ? '' : '; it did not end when it was asked to, and is left behind';
  const limit = formatDuration(limitMs / 1000);
  return failed(
    `it was not done after ${limit}, its limit (limits.${job} in lifeboat.config.yaml)${left}`,
    'once',
  );
}

function failed(message: string, retry: Retry): Ended {
  return { outcome: 'failed', message, retry };
}

/** Notes that a run began. @param isWhole false for a half backup, which stands for no time of the schedule */
export function noteStart(state: JobState, id: string, now: Date, isWhole: boolean): void {
  const since = now.toISOString();
  state.running = { id, since, handledBefore: state.handledUntil, retryBefore: state.retryAt };
  state.lastStart = since;
  if (!isWhole) return;
  state.handledUntil = since;
  state.retryAt = null;
}

/**
 * Notes how a run ended. One that was stopped counts for nothing: it is missed, and made up for at the next start.
 *
 * @param isWhole false for a half backup, which is no success of the job
 */
export function noteEnd(state: JobState, ended: Ended, now: Date, isWhole: boolean): void {
  const { running } = state;
  state.running = null;
  if (ended.outcome === 'stopped') {
    if (running === null) return;
    state.handledUntil = running.handledBefore;
    state.retryAt = running.retryBefore;
    return;
  }
  if (ended.outcome === 'postponed') {
    state.postponed += 1;
    state.postponedSince ??= running?.since ?? now.toISOString();
    state.summary = ended.message;
    return;
  }
  const at = now.toISOString();
  const seconds = running === null ? 0 : (now.getTime() - Date.parse(running.since)) / 1000;
  state.runs += 1;
  state.lastEnd = at;
  state.seconds = Math.max(0, seconds);
  if (ended.outcome === 'failed') {
    state.failures += 1;
    state.lastFailure = { at, message: ended.message };
    state.summary = ended.message;
    // It failed for another reason than a recovery: it waits for none any more.
    if (ended.retry !== 'always') state.postponedSince = null;
    return;
  }
  const { result } = ended;
  state.summary = result.summary;
  if (!isWhole) return;
  state.postponedSince = null;
  state.lastSuccess = at;
  state.bytes = result.bytes ?? state.bytes;
  state.driftPercent = result.driftPercent ?? state.driftPercent;
  state.timestamp = result.timestamp ?? state.timestamp;
}

/**
 * Takes up a run that never came to its end: the process was killed, or the machine went down. It is a failure, and is
 * tried again a little later, not at once: a job that brings the process down must not do so without a pause.
 *
 * @returns whether there was one
 */
export function noteCutShort(state: JobState, now: Date): boolean {
  const { running } = state;
  if (running === null) return false;
  // It is tried again as a whole backup; what brought the process down is not asked for at every start.
  state.asked = null;
  const message = `cut short: the process ended while it was at work since ${running.since}`;
  noteEnd(state, failed(message, 'never'), now, true);
  // How long it took nobody knows.
  state.seconds = null;
  state.handledUntil = now.toISOString();
  state.retryAt = new Date(now.getTime() + RETRY_MS).toISOString();
  return true;
}
