import { parseSchedule } from '../../src/backup/keep/schedule.js';
import type { DaemonEvent } from '../../src/daemon/events.js';
import { forEachJob, type JobName, type JobOrder, type JobResult } from '../../src/daemon/jobs.js';
import { Scheduler } from '../../src/daemon/scheduler.js';
import { newState, type DaemonState } from '../../src/daemon/state.js';
import { Timetable } from '../../src/daemon/timetable.js';
import { SimulatedClock } from './simulated-clock.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** How long each job takes. */
const TAKES: Record<JobName, number> = {
  backup: 2 * MINUTE,
  verify: 5 * MINUTE,
  prune: 10 * SECOND,
  drift: 20 * SECOND,
  drill: 10 * MINUTE,
};

export interface LabOptions {
  start: string;
  until: string;
  schedules?: Partial<Record<JobName, string>>;
  state?: DaemonState;
  random?: () => number;
  /** How long every job may take; Infinity where it is left out. */
  limitMs?: number;
  /** Whether a job cannot be put off any longer; never where it is left out. */
  isLate?: (now: Date) => boolean;
  /** What a job does besides taking its time. */
  work?: (job: JobName, order: JobOrder, clock: SimulatedClock) => Promise<JobResult> | JobResult;
}

export interface LabRun {
  job: JobName;
  at: string;
}

/** A scheduler on a simulated clock, with jobs that note when they ran. */
export class SchedulerLab {
  readonly clock: SimulatedClock;
  readonly scheduler: Scheduler;
  readonly state: DaemonState;
  readonly runs: LabRun[] = [];
  readonly events: DaemonEvent[] = [];
  /** The most that were at work at the same time. */
  most = 0;
  saves = 0;
  private working = 0;

  constructor(options: LabOptions) {
    this.clock = new SimulatedClock(options.start, options.until);
    this.state = options.state ?? newState(this.clock.now());
    const { schedules = {}, random = () => 0.5, work = () => ({ ok: true, summary: 'fine' }) } = options;
    const timetable = new Timetable(
      forEachJob((job) => parseSchedule(schedules[job] ?? 'off')),
      { maxMs: MINUTE, random },
    );
    this.scheduler = new Scheduler({
      runs: forEachJob((job) => (order: JobOrder) => this.do(job, () => work(job, order, this.clock))),
      timetable,
      clock: this.clock,
      state: this.state,
      save: () => {
        this.saves++;
        return Promise.resolve();
      },
      emit: (event) => void this.events.push(event),
      redact: (text) => text.replaceAll('s3cret', '***'),
      limitsMs: forEachJob(() => options.limitMs ?? Infinity),
      stopLimitMs: 30 * SECOND,
      isLate: (_, now) => options.isLate?.(now) ?? false,
    });
  }

  async run(signal: AbortSignal = this.clock.end.signal): Promise<JobName | null> {
    await this.scheduler.begin();
    return this.scheduler.run(signal);
  }

  /** When a job began, each time: "18T06:00:30". */
  times(job: JobName): string[] {
    return this.runs.filter((run) => run.job === job).map(({ at }) => at.slice(8, 19));
  }

  private async do(job: JobName, work: () => Promise<JobResult> | JobResult): Promise<JobResult> {
    this.runs.push({ job, at: this.clock.now().toISOString() });
    this.working++;
    this.most = Math.max(this.most, this.working);
    try {
      this.clock.pass(TAKES[job]);
      return await work();
    } finally {
      this.working--;
    }
  }
}
