import type { Clock } from './clock.js';
import type { Emit, QueuedFor } from './events.js';
import { forEachJob, JOBS, type BackupRequest, type JobName, type JobResult, type JobRuns } from './jobs.js';
import {
  endOf,
  noteCutShort,
  noteEnd,
  noteStart,
  POSTPONED_MS,
  RETRY_MS,
  tooLate,
  tookTooLong,
  type Ended,
} from './ledger.js';
import { runWithin } from './run-within.js';
import type { DaemonState, JobState } from './state.js';
import type { Timetable } from './timetable.js';

export interface SchedulerOptions {
  runs: JobRuns;
  timetable: Timetable;
  clock: Clock;
  /** Owned by the scheduler from here on. */
  state: DaemonState;
  /** Puts the state on the disk. */
  save: (state: DaemonState) => Promise<void>;
  emit: Emit;
  /** Takes secrets out of what jobs say. */
  redact: (text: string) => string;
  /** How long each job may take, in milliseconds. */
  limitsMs: Readonly<Record<JobName, number>>;
  /** How long a job that was asked to stop is waited for, in milliseconds. */
  stopLimitMs: number;
  /** Whether a job cannot be put off any longer. */
  isLate: (job: JobName, now: Date) => boolean;
}

interface Entry {
  job: JobName;
  id: string;
  for: QueuedFor;
  due: Date;
  /** Times of the schedule that it stands for. */
  times: number;
  request: BackupRequest | null;
}

/** What is at work and what waits, for status and metrics. */
export interface SchedulerView {
  since: string;
  running: { job: JobName; id: string; since: string } | null;
  /** In the order in which they will run. */
  queue: { job: JobName; id: string | null; for: QueuedFor }[];
  jobs: Record<JobName, JobState & { next: string | null }>;
}

/** A clock that is put forward while the daemon waits is noticed within this time. */
const LONGEST_WAIT_MS = 60_000;

/** Runs jobs at their times, one after the other. */
export class Scheduler {
  private readonly queue: Entry[] = [];
  private wake = new AbortController();
  private unsaved: string | null = null;
  /** Runs that took too long and did not end when they were asked to. */
  private readonly leftBehind = new Map<string, JobName>();
  private numbered = 0;

  constructor(private readonly options: SchedulerOptions) {}

  /**
   * Remembers what was cut short, and queues what was missed while nobody was there, and what was asked for and not done. To be
   * called once, before run.
   */
  async begin(): Promise<void> {
    const { clock, state, timetable } = this.options;
    const now = clock.now();
    const cutShort = JOBS.flatMap((job) => {
      const id = state.jobs[job].running?.id ?? '';
      return noteCutShort(state.jobs[job], now) ? [{ job, id }] : [];
    });
    const missed = JOBS.map((job) => ({ job, times: timetable.passed(job, this.handled(job, now), now) }));
    await this.save();
    for (const { job, id } of cutShort) {
      const message = state.jobs[job].summary ?? '';
      this.tellEnd(job, id, { outcome: 'failed', message, retry: 'once' }, 0);
    }
    const { asked } = state.jobs.backup;
    if (asked !== null && !this.isQueued('backup'))
      this.enqueue({ job: 'backup', for: 'asked', due: now, times: 0, request: asked }, now);
    for (const { job, times } of missed) {
      // All of them are due now, so the backup comes first. Somebody may have asked for one meanwhile.
      if (times > 0 && !this.isQueued(job))
        this.enqueue({ job, for: 'missed', due: now, times, request: null }, now);
    }
  }

  /**
   * Runs until the signal aborts, and then until the job in hand has ended, or the limit has passed.
   *
   * @returns the job that was left behind; null where all has come to its end
   */
  async run(signal: AbortSignal): Promise<JobName | null> {
    const tell = (): void => this.tellStopping();
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
    while (!signal.aborted) {
      this.collect(this.options.clock.now());
      const entry = this.queue.shift();
      if (entry === undefined) await this.rest(signal);
      else if (!(await this.work(entry, signal))) return entry.job;
    }
    await this.save();
    return this.leftBehind.values().next().value ?? null;
  }

  /** Queues a backup. @returns its id; null where one waits or is at work already */
  requestBackup(request: BackupRequest): string | null {
    const now = this.options.clock.now();
    this.collect(now);
    const isBusy = this.options.state.jobs.backup.running !== null || this.isQueued('backup');
    if (isBusy) return null;
    const entry = this.enqueue({ job: 'backup', for: 'asked', due: now, times: 0, request }, now);
    this.options.state.jobs.backup.asked = request;
    this.wake.abort();
    return entry.id;
  }

  view(): SchedulerView {
    const { state, clock } = this.options;
    const now = clock.now();
    const at = JOBS.find((job) => state.jobs[job].running !== null);
    const running = at === undefined ? null : state.jobs[at].running;
    return {
      since: state.since,
      running:
        at === undefined || running === null ? null : { job: at, id: running.id, since: running.since },
      queue: this.queue.map(({ job, id, for: why }) => ({ job, id, for: why })),
      jobs: forEachJob((job) => ({ ...state.jobs[job], next: this.nextOf(job, now)?.toISOString() ?? null })),
    };
  }

  /** Up to when the job's times are dealt with; set back where the clock was. */
  private handled(job: JobName, now: Date): Date {
    const state = this.options.state.jobs[job];
    const handled = new Date(state.handledUntil);
    if (!this.options.timetable.isAhead(job, handled, now)) return handled;
    state.handledUntil = now.toISOString();
    return now;
  }

  private nextOf(job: JobName, now: Date): Date | null {
    const due = this.options.timetable.nextOf(job, this.handled(job, now))?.due ?? null;
    const { retryAt } = this.options.state.jobs[job];
    // What is off is not tried again either.
    if (retryAt === null || due === null) return due;
    const retry = new Date(retryAt);
    return retry < due ? retry : due;
  }

  /** Queues what is due; what waits already is not queued again. */
  private collect(now: Date): void {
    for (const job of JOBS) {
      const next = this.nextOf(job, now);
      if (next === null || next > now || this.isQueued(job)) continue;
      const state = this.options.state.jobs[job];
      if (state.running !== null) continue;
      const times = this.options.timetable.passed(job, new Date(state.handledUntil), now);
      const why = times > 0 ? 'due' : state.postponedSince === null ? 'retry' : 'postponed';
      const planned = this.options.timetable.nextOf(job, new Date(state.handledUntil))?.planned;
      this.enqueue(
        { job, for: why, due: times === 0 || planned === undefined ? next : planned, times, request: null },
        now,
      );
    }
    const order = (entry: Entry): number => JOBS.indexOf(entry.job);
    this.queue.sort((a, b) => a.due.getTime() - b.due.getTime() || order(a) - order(b));
  }

  private enqueue(what: Omit<Entry, 'id'>, now: Date): Entry {
    this.numbered += 1;
    const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const entry = { ...what, id: `${what.job}-${stamp}-${this.numbered}` };
    this.queue.push(entry);
    const { job, id, times } = entry;
    this.options.emit({ type: 'job.queued', job, id, for: entry.for, times });
    return entry;
  }

  private isQueued(job: JobName): boolean {
    return this.queue.some((entry) => entry.job === job);
  }

  /** Waits for the next job, or for somebody who asks for one. */
  private async rest(signal: AbortSignal): Promise<void> {
    const { clock, emit } = this.options;
    const before = clock.now();
    const times = JOBS.map((job) => this.nextOf(job, before)?.getTime() ?? Infinity);
    const ms = Math.min(LONGEST_WAIT_MS, Math.max(0, Math.min(...times) - before.getTime()));
    this.wake = new AbortController();
    await clock.wait(ms, AbortSignal.any([signal, this.wake.signal]));
    const isEarly = signal.aborted || this.wake.signal.aborted;
    const offMs = clock.now().getTime() - before.getTime() - ms;
    if (offMs < -LONGEST_WAIT_MS || (!isEarly && offMs > LONGEST_WAIT_MS))
      emit({ type: 'clock.jumped', seconds: Math.round(offMs / 1000) });
  }

  /** @returns false where the job was left behind */
  private async work(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { clock, emit, runs, state } = this.options;
    const { job, id, request } = entry;
    const isWhole = request === null || request.only === null;
    const started = performance.now();
    noteStart(state.jobs[job], id, clock.now(), isWhole);
    await this.save();
    emit({ type: 'job.started', job, id });
    const unjudged = await this.settle(entry, (of) => runs[job]({ signal: of, request }), signal);
    if (unjudged === null) return false;
    const now = clock.now();
    const ended = this.redacted(this.judged(job, unjudged, isWhole, now));
    noteEnd(state.jobs[job], ended, now, isWhole);
    // Whatever it came to, it was done; what was stopped is done at the next start.
    if (entry.for === 'asked' && ended.outcome !== 'stopped') state.jobs[job].asked = null;
    if (isWhole) this.planRetry(entry, ended, now);
    await this.save();
    const seconds =
      ended.outcome === 'stopped' || ended.outcome === 'postponed'
        ? (performance.now() - started) / 1000
        : (state.jobs[job].seconds ?? 0);
    this.tellEnd(job, id, ended, seconds);
    return true;
  }

  /** @returns null where the job did not end within the limit after the daemon was asked to */
  private async settle(
    { job, id }: Entry,
    run: (signal: AbortSignal) => Promise<JobResult>,
    signal: AbortSignal,
  ): Promise<Ended | null> {
    const { clock, limitsMs, stopLimitMs } = this.options;
    const limitMs = limitsMs[job];
    const { settled, isOverTime, ended } = await runWithin(run, signal, { clock, limitMs, stopLimitMs });
    if (settled === null && signal.aborted) return null;
    if (settled === null) {
      this.leftBehind.set(id, job);
      void ended.then(() => this.leftBehind.delete(id));
    }
    const isDone = settled !== null && 'result' in settled && settled.result.ok;
    if (isOverTime && !isDone) return tookTooLong(job, limitMs, settled !== null);
    return settled === null ? null : endOf(settled, signal.aborted);
  }

  /** What is put off must come back: half a backup is not tried again, and what is late was put off long enough. */
  private judged(job: JobName, ended: Ended, isWhole: boolean, now: Date): Ended {
    const { isLate, state } = this.options;
    if (ended.outcome !== 'postponed' || (isWhole && !isLate(job, now))) return ended;
    return tooLate(ended.message, state.jobs[job]);
  }

  /** One more try where it may help, and any number where a recovery is at work; unless the job's own next time is sooner. */
  private planRetry(entry: Entry, ended: Ended, now: Date): void {
    const isPostponed = ended.outcome === 'postponed';
    const retries = ended.outcome === 'failed' ? ended.retry : isPostponed ? 'always' : 'never';
    if (retries === 'never' || (retries === 'once' && entry.for === 'retry')) return;
    const retry = new Date(now.getTime() + (isPostponed ? POSTPONED_MS : RETRY_MS));
    const next = this.options.timetable.nextOf(entry.job, this.handled(entry.job, now));
    if (next !== null && next.planned > retry)
      this.options.state.jobs[entry.job].retryAt = retry.toISOString();
  }

  private redacted(ended: Ended): Ended {
    const { redact } = this.options;
    if (ended.outcome === 'stopped') return ended;
    if (ended.outcome !== 'done') return { ...ended, message: redact(ended.message) };
    return { ...ended, result: { ...ended.result, summary: redact(ended.result.summary) } };
  }

  private tellEnd(job: JobName, id: string, ended: Ended, seconds: number): void {
    const next = this.nextOf(job, this.options.clock.now())?.toISOString() ?? null;
    const { outcome } = ended;
    const summary =
      ended.outcome === 'done'
        ? ended.result.summary
        : ended.outcome === 'stopped'
          ? 'it is made up for at the next start'
          : ended.message;
    this.options.emit({ type: 'job.finished', job, id, outcome, seconds, summary, next });
  }

  private tellStopping(): void {
    const job = JOBS.find((name) => this.options.state.jobs[name].running !== null) ?? null;
    this.options.emit({ type: 'stopping', job, waitSeconds: this.options.stopLimitMs / 1000 });
  }

  /** Backups go on where the state cannot be written: it is told, once for each reason. */
  private async save(): Promise<void> {
    try {
      await this.options.save(this.options.state);
      this.unsaved = null;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== this.unsaved) this.options.emit({ type: 'state.unsaved', reason });
      this.unsaved = reason;
    }
  }
}
