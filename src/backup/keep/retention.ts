import { DAY_MS, periodName, periodOf, PERIODS, type Period } from './periods.js';

/** What is known of a backup when it is decided whether it stays. */
export interface RetentionCandidate {
  /** `YYYYMMDD_HHMMSS`, UTC; one candidate for each of a kind and source. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  /** What it is a backup of. Those of one store alone never take the place of those of both, nor of another kind. */
  kind?: 'both' | 'graph' | 'vectors' | 'sqlite';
  /** Which store of its kind, where there may be several: the path of a SQLite file. Each is counted by itself. */
  source?: string | null;
  /** All of it is there, and nothing of it is known to be broken. */
  complete: boolean;
  /** It was read to its end as it lies there now, and nothing was wrong. */
  verified: boolean;
  pinned: boolean;
  /** Ids of the runs that use it or may come back to it. */
  inUse: readonly string[];
  /** ISO-8601: until when the store refuses to delete it (Object Lock); null where it does not. */
  lockedUntil: string | null;
  /** Its timestamp lies ahead of this machine's clock. */
  fromFuture: boolean;
  /** Of all its files. */
  bytes: number;
}

/**
 * How much is kept. The counts work as in restic: `daily` 30 keeps the newest pair of each of the 30 newest days that
 * have one, so that a pause in backups costs none. All of UTC, weeks from Monday. A pair stays when any rule keeps it.
 */
export interface RetentionPolicy extends Readonly<Record<Period, number>> {
  /** So many of the newest. */
  readonly keepLast: number;
  /** All that are less than so much older than the newest one; null for none on that account. */
  readonly keepWithinSeconds: number | null;
  /**
   * At most so many, whatever the rules say: the newest stay. What nothing overrules stays besides where it is older; it takes
   * the place of no newer one. Null for no limit.
   */
  readonly maxCount: number | null;
  /** None older than this by the clock, whatever the rules say. Null for no limit. */
  readonly maxAgeSeconds: number | null;
  /** So many of the newest complete pairs stay, whatever the limits say. */
  readonly minimum: number;
}

export type RetentionRule =
  | 'last'
  | 'within'
  | Period
  /** The policy has no rule that keeps: everything stays that the limits allow. */
  | 'no-rules'
  | 'newest-verified'
  | 'newest-complete'
  | 'pinned'
  | 'in-use'
  | 'locked'
  | 'from-future'
  | 'minimum'
  /** Incomplete: kept for a while, then removed. */
  | 'broken'
  /** These remove: no rule keeps it, or a limit overrules the rules that do. */
  | 'unclaimed'
  | 'max-age'
  | 'max-count';

export interface RetentionReason {
  rule: RetentionRule;
  /** In plain words, without a full stop: "newest of 2026-11-03". */
  says: string;
}

export interface RetentionDecision<C> {
  candidate: C;
  action: 'keep' | 'remove';
  /** All that keep it, or the one that removes it; never empty. */
  reasons: RetentionReason[];
  /** What would have kept it, had no limit removed it. */
  overruled: RetentionReason[];
}

/** An incomplete pair younger than this may still be written or uploaded. */
const BROKEN_AFTER_MS = DAY_MS;

interface Entry<C> {
  candidate: C;
  /** Milliseconds since 1970. */
  at: number;
  /** Rules of the policy: a limit overrules them. */
  wanted: RetentionReason[];
  /** What nothing overrules. */
  guarded: RetentionReason[];
  /**
   * That it cannot be removed before. It is no wish to keep it: with a lock or without, it counts the same, and so makes no
   * difference for the others.
   */
  locked: RetentionReason | null;
}

/**
 * Decides of each backup pair whether it stays. Never removed: the newest verified pair (where none ever was, the newest
 * complete one), of each kind and source, what is pinned, what a run uses, what Object Lock holds, what lies in the future, and the newest
 * `minimum` complete pairs. Incomplete pairs count for no rule; they go once they are a day old and a younger complete
 * pair exists. Deciding again on what was kept removes nothing more, and the order of the candidates does not matter.
 *
 * @param now what ages are measured against; only `maxAgeSeconds`, Object Lock and incomplete pairs depend on it
 * @returns one decision for each candidate, newest first
 */
export function decideRetention<C extends RetentionCandidate>(
  candidates: readonly C[],
  policy: RetentionPolicy,
  now: Date,
): RetentionDecision<C>[] {
  const entries = candidates.map((candidate): Entry<C> => ({
    candidate,
    at: Date.parse(candidate.takenAt),
    wanted: [],
    guarded: guardsOf(candidate),
    locked: lockOf(candidate, now),
  }));
  entries.sort(newestFirst);
  const counted = entries.filter(({ candidate }) => candidate.complete && !candidate.fromFuture);
  const limits = new Map<Entry<C>, RetentionReason>();
  for (const group of new Set(counted.map(groupOf))) {
    const ofOne = counted.filter((entry) => groupOf(entry) === group);
    claim(ofOne, policy);
    guardNewest(ofOne, policy.minimum);
    for (const [entry, reason] of limitsOf(ofOne, policy, now)) limits.set(entry, reason);
  }
  return entries.map((entry) => {
    if (entry.candidate.complete) return decide(entry, limits.get(entry));
    return decideIncomplete(
      entry,
      counted.find((other) => groupOf(other) === groupOf(entry)),
      now,
    );
  });
}

/**
 * Whether a policy names nothing to keep. One that only limits means "all, but no more than that": to take it for
 * "nothing" would be a trap.
 */
export function hasNoRule(policy: RetentionPolicy): boolean {
  const { keepLast, keepWithinSeconds } = policy;
  return keepLast === 0 && keepWithinSeconds === null && PERIODS.every((period) => policy[period] === 0);
}

/** What is counted together. */
function groupOf<C extends RetentionCandidate>({ candidate }: Entry<C>): string {
  return JSON.stringify([candidate.kind ?? 'both', candidate.source ?? null]);
}

function nounOf({ kind }: RetentionCandidate): string {
  return kind === 'sqlite' ? 'backup' : 'pair';
}

function newestFirst<C extends RetentionCandidate>(a: Entry<C>, b: Entry<C>): number {
  if (a.at !== b.at) return b.at - a.at;
  const [one, other] = [a, b].map((entry) => `${entry.candidate.timestamp} ${groupOf(entry)}`);
  return (one ?? '') < (other ?? '') ? 1 : -1;
}

/** Notes on each entry which rules of the policy keep it. */
function claim<C>(counted: readonly Entry<C>[], policy: RetentionPolicy): void {
  const { keepLast, keepWithinSeconds } = policy;
  const newest = counted[0]?.at ?? 0;
  if (hasNoRule(policy)) {
    for (const { wanted } of counted) wanted.push({ rule: 'no-rules', says: 'no rule says which to keep' });
  }
  counted.slice(0, keepLast).forEach(({ wanted }, index) => {
    wanted.push({ rule: 'last', says: `number ${index + 1} of the ${keepLast} newest` });
  });
  for (const { at, wanted } of counted) {
    // Measured from the newest one: where backups stopped, what there is does not melt away.
    if (keepWithinSeconds === null || newest - at >= keepWithinSeconds * 1000) break;
    wanted.push({ rule: 'within', says: `within ${daysOf(keepWithinSeconds)} of the newest` });
  }
  for (const period of PERIODS) claimPeriod(counted, period, policy[period]);
}

function claimPeriod<C>(counted: readonly Entry<C>[], period: Period, count: number): void {
  let left = count;
  let before: number | null = null;
  for (const { at, wanted } of counted) {
    if (left === 0) return;
    const number = periodOf(period, at);
    if (number === before) continue;
    before = number;
    left -= 1;
    wanted.push({ rule: period, says: `newest of ${periodName(period, at)}` });
  }
}

function guardsOf(candidate: RetentionCandidate): RetentionReason[] {
  const { pinned, inUse, fromFuture } = candidate;
  const guards: RetentionReason[] = [];
  if (pinned) guards.push({ rule: 'pinned', says: 'pinned' });
  if (inUse.length > 0) guards.push({ rule: 'in-use', says: `in use by ${inUse.join(', ')}` });
  if (fromFuture) {
    const says = 'its timestamp lies in the future: a clock is wrong, so its age cannot be told';
    guards.push({ rule: 'from-future', says });
  }
  return guards;
}

function lockOf({ lockedUntil }: RetentionCandidate, now: Date): RetentionReason | null {
  // Written so that a date that cannot be read locks.
  const isLocked = lockedUntil !== null && !(Date.parse(lockedUntil) <= now.getTime());
  return isLocked ? { rule: 'locked', says: `Object Lock until ${lockedUntil}` } : null;
}

function guardNewest<C extends RetentionCandidate>(counted: readonly Entry<C>[], minimum: number): void {
  const verified = counted.find(({ candidate }) => candidate.verified);
  if (verified !== undefined) {
    verified.guarded.push({
      rule: 'newest-verified',
      says: `the newest verified ${nounOf(verified.candidate)}`,
    });
  } else {
    const newest = counted[0];
    const says = `the newest complete ${newest === undefined ? '' : nounOf(newest.candidate)}, and no whole one was ever verified`;
    newest?.guarded.push({ rule: 'newest-complete', says });
  }
  for (const { guarded, candidate } of counted.slice(0, minimum)) {
    guarded.push({ rule: 'minimum', says: `one of the ${minimum} newest complete ${nounOf(candidate)}s` });
  }
}

/**
 * The pairs that a limit removes: those that are too old, and those that so many newer ones stay before. Counted from the
 * newest on, so that what cannot go, and lies behind, pushes out none that is newer.
 */
function limitsOf<C>(
  counted: readonly Entry<C>[],
  { maxAgeSeconds, maxCount }: RetentionPolicy,
  now: Date,
): Map<Entry<C>, RetentionReason> {
  const limits = new Map<Entry<C>, RetentionReason>();
  let staying = 0;
  for (const entry of counted) {
    const isSafe = entry.guarded.length > 0;
    if (!isSafe && maxAgeSeconds !== null && now.getTime() - entry.at > maxAgeSeconds * 1000) {
      limits.set(entry, { rule: 'max-age', says: `older than ${daysOf(maxAgeSeconds)}` });
    } else if (isSafe) {
      staying += 1;
    } else if (entry.wanted.length > 0 && maxCount !== null && staying >= maxCount) {
      limits.set(entry, {
        rule: 'max-count',
        says: `${maxCount} newer ones stay, and no more than that may`,
      });
    } else if (entry.wanted.length > 0) {
      staying += 1;
    }
  }
  return limits;
}

function decide<C>(
  { candidate, wanted, guarded, locked }: Entry<C>,
  limit: RetentionReason | undefined,
): RetentionDecision<C> {
  const held = locked === null ? [] : [locked];
  if (limit !== undefined && locked === null)
    return { candidate, action: 'remove', reasons: [limit], overruled: wanted };
  const reasons = limit === undefined ? [...wanted, ...guarded, ...held] : held;
  if (reasons.length > 0) return { candidate, action: 'keep', reasons, overruled: [] };
  reasons.push({ rule: 'unclaimed', says: 'no rule keeps it' });
  return { candidate, action: 'remove', reasons, overruled: [] };
}

function decideIncomplete<C extends RetentionCandidate>(
  { candidate, at, guarded, locked }: Entry<C>,
  newestComplete: Entry<C> | undefined,
  now: Date,
): RetentionDecision<C> {
  const because = (action: 'keep' | 'remove', ...reasons: RetentionReason[]): RetentionDecision<C> => ({
    candidate,
    action,
    reasons,
    overruled: [],
  });
  const noun = nounOf(candidate);
  const held = locked === null ? guarded : [...guarded, locked];
  if (held.length > 0) return because('keep', ...held);
  if (newestComplete === undefined || newestComplete.at <= at) {
    return because('keep', { rule: 'broken', says: `incomplete, but no younger ${noun} is complete` });
  }
  if (now.getTime() - at <= BROKEN_AFTER_MS) {
    return because('keep', { rule: 'broken', says: 'incomplete, but less than a day old' });
  }
  return because('remove', { rule: 'broken', says: `incomplete, and a younger ${noun} is complete` });
}

function daysOf(seconds: number): string {
  const days = (seconds * 1000) / DAY_MS;
  if (days < 2) return `${Number((days * 24).toFixed(1))} hours`;
  return `${Number(days.toFixed(1))} days`;
}
