import { missedSince, type Schedule } from '../backup/keep/schedule.js';
import { forEachJob, JOBS, type JobName } from './jobs.js';

export interface Jitter {
  /** At most so many milliseconds after the time itself. */
  maxMs: number;
  /** From 0 up to, not including, 1. */
  random: () => number;
}

/** When each job is due. Looks at no clock. */
export class Timetable {
  /** Time of a schedule → the milliseconds after it that were drawn. */
  private readonly drawn = new Map<number, number>();

  constructor(
    readonly schedules: Readonly<Record<JobName, Schedule>>,
    private readonly jitter: Jitter,
  ) {}

  /**
   * The first time of a job's schedule after those that were dealt with, and when it is due with its jitter. The time may
   * have passed already. Null where the job has no times.
   */
  nextOf(job: JobName, handledUntil: Date): { planned: Date; due: Date } | null {
    const planned = this.schedules[job].next(handledUntil);
    return planned === null ? null : { planned, due: this.dueAt(planned) };
  }

  /** How many times of a job have passed since those that were dealt with; at most MOST_MISSED. */
  passed(job: JobName, handledUntil: Date, now: Date): number {
    return missedSince(this.schedules[job], handledUntil, now);
  }

  /**
   * Whether what was dealt with lies so far ahead that the clock must have been put back. A small step back is none: the
   * time that was just dealt with would come a second time.
   */
  isAhead(job: JobName, handledUntil: Date, now: Date): boolean {
    const schedule = this.schedules[job];
    const next = schedule.next(handledUntil);
    const before = next === null ? null : schedule.previous(next);
    if (next === null || before === null) return handledUntil > now;
    const interval = next.getTime() - before.getTime();
    return now.getTime() < before.getTime() - interval / 2;
  }

  /** The length in milliseconds between the times of a job around the given one, the longer of two; null for none. */
  intervalAround(job: JobName, at: Date): number | null {
    const schedule = this.schedules[job];
    const next = schedule.next(at);
    const last = schedule.previous(at);
    if (next === null || last === null) return null;
    const before = schedule.previous(last);
    const current = next.getTime() - last.getTime();
    return before === null ? current : Math.max(current, last.getTime() - before.getTime());
  }

  /**
   * Jobs of the same time have the same jitter, so that they stay in their order: never before the time itself, and never
   * more than half of the shortest interval among them after it.
   */
  private dueAt(planned: Date): Date {
    const time = planned.getTime();
    let lateMs = this.drawn.get(time);
    if (lateMs === undefined) {
      lateMs = this.draw(time);
      this.drawn.set(time, lateMs);
      // Times are asked for in their order, for each job: those before the last few never come again.
      for (const old of [...this.drawn.keys()].slice(0, -KEPT_DRAWS)) this.drawn.delete(old);
    }
    return new Date(time + lateMs);
  }

  private draw(time: number): number {
    const gaps = Object.values(forEachJob((job) => this.gapAfter(job, time)));
    const most = Math.min(this.jitter.maxMs, ...gaps.map((gap) => gap / 2));
    return Math.floor(this.jitter.random() * most);
  }

  /** Milliseconds to the job's next time, where the given one is a time of it; else without an end. */
  private gapAfter(job: JobName, time: number): number {
    const schedule = this.schedules[job];
    if (schedule.next(new Date(time - 1))?.getTime() !== time) return Infinity;
    const next = schedule.next(new Date(time));
    return next === null ? Infinity : next.getTime() - time;
  }
}

const KEPT_DRAWS = 4 * JOBS.length;
