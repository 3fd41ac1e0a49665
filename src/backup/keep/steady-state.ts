import { DAY_MS, periodOf, periodStart, PERIODS, type Period } from './periods.js';
import { decideRetention, hasNoRule, type RetentionCandidate, type RetentionPolicy } from './retention.js';
import type { Schedule } from './schedule.js';

/** How many pairs a schedule and a policy come to, once they have run long enough. */
export interface SteadyState {
  /** Pairs on average. */
  typical: number;
  /** Pairs at the fullest of the times that were looked at. */
  most: number;
  /** Of `typical`, how many are older than the given age. */
  older: number;
  /** The policy removes nothing, so the pairs only become more; the numbers are those after a year. */
  endless: boolean;
  /** There are more than MOST_SIMULATED of a kind: the numbers are too low. */
  atLeast: boolean;
}

/** An average month of the Gregorian calendar, in days. */
export const MONTH_DAYS = 365.2425 / 12;

/** Of each rule; more would take seconds to count. */
const MOST_SIMULATED = 10_000;
/** Any year would do: no schedule and no policy knows which one it is. */
const SOME_TIME = Date.UTC(2030, 0, 1);
/** A year is looked at so often: weeks, months and years overlap differently as it passes. */
const SAMPLES = 12;

/**
 * Counts what stays when every backup is made and pruned after. Only the backups that some rule may keep are made up, so
 * that it takes no longer for a schedule that has run for ten years; which of them stay is up to decideRetention.
 *
 * @param olderSeconds for `older`; null counts none
 */
export function steadyState(
  schedule: Schedule,
  policy: RetentionPolicy,
  olderSeconds: number | null,
): SteadyState {
  const samples = Array.from({ length: SAMPLES }, (_, index) =>
    storedAt(schedule, policy, olderSeconds, new Date(SOME_TIME + index * MONTH_DAYS * DAY_MS)),
  );
  const mean = (of: (one: Stored) => number): number =>
    samples.reduce((sum, one) => sum + of(one), 0) / SAMPLES;
  return {
    typical: mean(({ pairs }) => pairs),
    most: Math.max(...samples.map(({ pairs }) => pairs)),
    older: mean(({ older }) => older),
    endless: hasNoRule(policy) && policy.maxCount === null && policy.maxAgeSeconds === null,
    atLeast: samples.some(({ cut }) => cut),
  };
}

/** Backups in an average month. */
export function backupsPerMonth(schedule: Schedule): number {
  const end = SOME_TIME + 12 * MONTH_DAYS * DAY_MS;
  let count = 0;
  let last = SOME_TIME;
  let at = schedule.next(new Date(SOME_TIME - 1));
  while (at !== null && at.getTime() < end && count < MOST_SIMULATED) {
    count += 1;
    last = at.getTime();
    at = schedule.next(at);
  }
  // A whole year says it best: months and weeks are not of one length. Where it was cut short, the time it took does.
  const days =
    count < MOST_SIMULATED ? 12 * MONTH_DAYS : ((last - SOME_TIME) / DAY_MS) * (count / (count - 1));
  return (count / days) * MONTH_DAYS;
}

/** What lies there at one time. */
export interface Stored {
  pairs: number;
  /** Of `pairs`, how many are older than the given age. */
  older: number;
  /** There are more than MOST_SIMULATED of a kind: the numbers are too low. */
  cut: boolean;
}

/** What is stored at a time when a schedule and a policy have always run: every backup was made, and pruned after. */
export function storedAt(
  schedule: Schedule,
  policy: RetentionPolicy,
  olderSeconds: number | null,
  now: Date,
): Stored {
  const history = new History(schedule, now);
  const everything = hasNoRule(policy);
  const endless = everything && policy.maxCount === null;
  history.addLast(Math.max(policy.keepLast, policy.minimum, everything ? (policy.maxCount ?? 1) : 1));
  const yearSeconds = (12 * MONTH_DAYS * DAY_MS) / 1000;
  history.addWithin(policy.keepWithinSeconds ?? (endless ? (policy.maxAgeSeconds ?? yearSeconds) : 0));
  for (const period of PERIODS) history.addPeriods(period, policy[period]);
  const kept = decideRetention(history.candidates(), policy, now).filter(({ action }) => action === 'keep');
  const older =
    olderSeconds === null
      ? 0
      : kept.filter(({ candidate }) => now.getTime() - Date.parse(candidate.takenAt) > olderSeconds * 1000)
          .length;
  return { pairs: kept.length, older, cut: history.cut };
}

/** The backups up to a time that some rule may keep, of a schedule that has always run. */
class History {
  cut = false;
  private readonly times = new Set<number>();
  /** Just after `now`: a backup that is made at that very time has been made. */
  private readonly end: number;

  constructor(
    private readonly schedule: Schedule,
    now: Date,
  ) {
    this.end = now.getTime() + 1;
  }

  addLast(count: number): void {
    this.walk(count, -Infinity, (at) => at);
  }

  /** From the newest one on, as the rule does; that is further back than from `now`. */
  addWithin(seconds: number): void {
    const newest = this.schedule.previous(new Date(this.end));
    if (newest !== null) this.walk(Infinity, newest.getTime() - seconds * 1000, (at) => at);
  }

  /** The last of each period: from one the walk goes on before the beginning of its period. */
  addPeriods(period: Period, count: number): void {
    this.walk(count, -Infinity, (at) => periodStart(period, periodOf(period, at)));
  }

  candidates(): RetentionCandidate[] {
    return [...this.times].map((at) => {
      const takenAt = new Date(at).toISOString();
      return {
        timestamp: takenAt,
        takenAt,
        complete: true,
        verified: true,
        pinned: false,
        inUse: [],
        lockedUntil: null,
        fromFuture: false,
        bytes: 0,
      };
    });
  }

  private walk(count: number, from: number, goOnBefore: (at: number) => number): void {
    let before = this.end;
    for (let found = 0; found < count; found += 1) {
      const at = this.schedule.previous(new Date(before))?.getTime();
      if (at === undefined || at < from) return;
      if (found === MOST_SIMULATED) {
        this.cut = true;
        return;
      }
      this.times.add(at);
      before = goOnBefore(at);
    }
  }
}
