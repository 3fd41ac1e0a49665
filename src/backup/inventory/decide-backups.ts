import {
  decideRetention,
  type RetentionCandidate,
  type RetentionPolicy,
  type RetentionReason,
  type RetentionRule,
} from '../keep/retention.js';
import type { BackupCopy } from './backup-copy.js';
import { isComplete } from './copy-facts.js';
import type { Inventory, InventoryBackup } from './inventory.js';

/** What becomes of one backup. */
export interface BackupDecision {
  backup: InventoryBackup;
  /** Of its copies those that lie where new backups go; no others are touched. Never empty. */
  copies: BackupCopy[];
  action: 'keep' | 'remove';
  /** All that keep it, or the one that removes it; never empty. */
  reasons: RetentionReason[];
  /** What would have kept it, had no limit removed it. */
  overruled: RetentionReason[];
}

/** What is known besides of what must not be removed. */
export interface Holds {
  /** Ids of the runs that use a pair or may come back to it; of SQLite stores there are no runs. */
  inUse: (timestamp: string) => readonly string[];
  /** Until when a copy cannot be removed: ISO-8601, "hold", or null. */
  lockedUntil: (copy: BackupCopy) => string | null;
}

interface Candidate extends RetentionCandidate {
  backup: InventoryBackup;
  copies: BackupCopy[];
}

/** These hold whatever the limits say, and hold at each place by itself. */
const GUARDS: ReadonlySet<RetentionRule> = new Set(['newest-verified', 'newest-complete', 'minimum']);

/**
 * Decides of each backup whether it stays, once for all places: it is kept at all of them or removed from all. Pairs are
 * counted among themselves, and so are the backups of each SQLite store: none takes the place of another one's.
 *
 * Three things are counted more carefully than that. What guards the newest verified pair and the newest ones there are
 * holds at each place by itself, for pairs that were read in full and for pairs of both stores by themselves too: the
 * place may be the only one that is left. A backup that a verification found wrong takes nobody's place, and goes only
 * when it would if it were whole: it may be worth salvaging. A copy under Object Lock stays, whatever becomes of the
 * others.
 *
 * @returns newest first; nothing of backups that lie only where no new backups go
 */
export function decideBackups(
  { backups }: Inventory,
  policy: RetentionPolicy,
  holds: Holds,
  now: Date,
): BackupDecision[] {
  const candidates = backups.flatMap((backup) => candidateOf(backup, holds) ?? []);
  const guarded = guardsOfPlaces(candidates, policy, now);
  const asIfWhole = new Map(
    decideRetention(candidates.map(asWhole), policy, now).map((decision) => [
      decision.candidate.backup,
      decision,
    ]),
  );
  return decideRetention(candidates, policy, now).map(({ candidate, ...decision }) => {
    const { backup, copies } = candidate;
    const decided = {
      backup,
      copies,
      ...decision,
      reasons: decision.reasons.map((reason) => inWords(reason, candidate)),
    };
    if (decided.action === 'keep') return decided;
    const guards = guarded.get(backup);
    if (guards !== undefined) return { ...decided, action: 'keep', reasons: guards, overruled: [] };
    const whole = asIfWhole.get(backup);
    if (!isDamaged(backup) || whole?.action !== 'keep') return decided;
    const damaged = { rule: 'broken', says: 'damaged, and it may be worth salvaging' } as const;
    const reasons = [...whole.reasons, damaged];
    return { ...decided, action: 'keep', reasons, overruled: [] };
  });
}

/** Whether all of it is there, and a verification or the manifest found something wrong with it. */
function isDamaged({ complete, copies }: InventoryBackup): boolean {
  return !complete && copies.some((copy) => copy.broken === null || isThere(copy));
}

/** Whether all its files lie there, and only the manifest speaks against them. */
function isThere(copy: BackupCopy): boolean {
  if (copy.kind === 'sqlite') return copy.store !== null && copy.store.bytes > 0;
  const { pair } = copy;
  return pair.graphVerdict.status !== 'broken' && pair.vectorsVerdict.status !== 'broken';
}

function asWhole(candidate: Candidate): Candidate {
  return isDamaged(candidate.backup) ? { ...candidate, complete: true } : candidate;
}

function candidateOf(backup: InventoryBackup, holds: Holds): Candidate | null {
  const copies = backup.copies.filter(({ isOwn }) => isOwn);
  if (copies.length === 0) return null;
  const locks = copies.map((copy) => holds.lockedUntil(copy));
  return {
    backup,
    copies,
    timestamp: backup.timestamp,
    takenAt: backup.takenAt,
    kind: backup.kind === 'sqlite' ? 'sqlite' : (backup.only ?? 'both'),
    source: backup.source,
    complete: copies.some(isComplete),
    verified: copies.some((copy) => isVerified(copy)),
    pinned: copies.some(({ pinned }) => pinned !== null),
    inUse: backup.kind === 'automem' ? holds.inUse(backup.timestamp) : [],
    lockedUntil: locks.every((lock) => lock !== null) ? latest(locks) : null,
    fromFuture: backup.fromFuture,
    bytes: copies.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** What was salvaged is what was written, and yet less than there was: it takes the place of no whole one. */
function isVerified(copy: BackupCopy, inFull = false): boolean {
  const level = copy.verified?.best?.level;
  if (copy.salvaged !== null) return false;
  return isComplete(copy) && level !== undefined && (!inFull || level !== 'quick');
}

/** The last to end; a legal hold has no end. */
function latest(locks: readonly string[]): string | null {
  if (locks.includes('hold')) return 'hold';
  return [...locks].sort().at(-1) ?? null;
}

/** What is guarded at any place by itself. */
function guardsOfPlaces(
  candidates: readonly Candidate[],
  policy: RetentionPolicy,
  now: Date,
): Map<InventoryBackup, RetentionReason[]> {
  const guards = new Map<InventoryBackup, RetentionReason[]>();
  for (const place of new Set(candidates.flatMap(({ copies }) => copies.map((copy) => copy.place)))) {
    for (const view of viewsOf(candidates, place)) {
      for (const { candidate, action, reasons } of decideRetention(view, policy, now)) {
        const found = reasons.filter(({ rule }) => action === 'keep' && GUARDS.has(rule));
        if (found.length === 0 || guards.has(candidate.backup)) continue;
        guards.set(
          candidate.backup,
          found.map(({ rule, says }) => ({ rule, says: `${says} in ${place}` })),
        );
      }
    }
  }
  return guards;
}

/** What lies at one place: all of it, and only the pairs of both stores; by any verification, and only by full ones. */
function viewsOf(candidates: readonly Candidate[], place: string): Candidate[][] {
  const here = (inFull: boolean): Candidate[] =>
    candidates.flatMap((candidate) => {
      const copies = candidate.copies.filter((copy) => copy.place === place);
      const complete = copies.some(isComplete);
      const verified = copies.some((copy) => isVerified(copy, inFull));
      return copies.length === 0 ? [] : [{ ...candidate, copies, complete, verified }];
    });
  const ofBoth = (view: Candidate[]): Candidate[] => view.filter(({ backup }) => backup.only === null);
  const [any, full] = [here(false), here(true)];
  return [any, full, ofBoth(any), ofBoth(full)];
}

function inWords(reason: RetentionReason, { lockedUntil, copies, backup }: Candidate): RetentionReason {
  if (reason.rule === 'locked' && lockedUntil === 'hold')
    return { rule: 'locked', says: 'under a legal hold' };
  if (reason.rule === 'pinned') {
    const because =
      copies.find(({ pinned }) => pinned !== null)?.pinned?.reason ?? backup.pinned?.reason ?? null;
    return because === null ? reason : { rule: 'pinned', says: `pinned: ${because}` };
  }
  return reason;
}
