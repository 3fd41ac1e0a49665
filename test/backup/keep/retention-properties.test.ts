import fc from 'fast-check';
import { expect, it } from 'vitest';

import {
  decideRetention,
  hasNoRule,
  type RetentionCandidate,
  type RetentionPolicy,
} from '../../../src/backup/keep/retention.js';
import { candidates, NOW, policies, rules } from './candidates.js';

function keptOf(
  pairs: readonly RetentionCandidate[],
  policy: RetentionPolicy,
  now = NOW,
): RetentionCandidate[] {
  return decideRetention(pairs, policy, now)
    .filter(({ action }) => action === 'keep')
    .map(({ candidate }) => candidate);
}

/** Whether all that the one policy leaves the other leaves too. */
function keepsAsMuch(
  pairs: readonly RetentionCandidate[],
  more: RetentionPolicy,
  less: RetentionPolicy,
): boolean {
  const kept = new Set(keptOf(pairs, more));
  return keptOf(pairs, less).every((pair) => kept.has(pair));
}

const sane = (pair: RetentionCandidate): boolean => pair.complete && !pair.fromFuture;

it('every pair is decided once, newest first, with a reason', () => {
  fc.assert(
    fc.property(candidates, policies, (pairs, policy) => {
      const decisions = decideRetention(pairs, policy, NOW);
      const timestamps = decisions.map(({ candidate }) => candidate.timestamp);
      expect(timestamps).toEqual(
        pairs
          .map(({ timestamp }) => timestamp)
          .sort()
          .reverse(),
      );
      for (const { action, reasons, overruled } of decisions) {
        expect(reasons.length).toBeGreaterThan(0);
        if (action === 'keep') expect(overruled).toEqual([]);
      }
    }),
  );
});

it('the newest verified pair stays, and whatever is held', () => {
  fc.assert(
    fc.property(candidates, policies, (pairs, policy) => {
      const kept = new Set(keptOf(pairs, policy));
      const newestFirst = pairs.filter(sane).sort((a, b) => (a.takenAt < b.takenAt ? 1 : -1));
      const best = newestFirst.find(({ verified }) => verified) ?? newestFirst[0];
      if (best !== undefined) expect(kept).toContain(best);
      for (const pair of pairs) {
        const locked = pair.lockedUntil !== null && new Date(pair.lockedUntil) > NOW;
        if (pair.pinned || pair.inUse.length > 0 || locked || pair.fromFuture) expect(kept).toContain(pair);
      }
    }),
  );
});

it('the minimum of complete pairs stays', () => {
  fc.assert(
    fc.property(candidates, policies, (pairs, policy) => {
      const there = pairs.filter(sane).length;
      expect(keptOf(pairs, policy).filter(sane).length).toBeGreaterThanOrEqual(
        Math.min(policy.minimum, there),
      );
    }),
  );
});

it('no more than the maximum stays but for what nothing removes', () => {
  fc.assert(
    fc.property(candidates, policies, (pairs, policy) => {
      const free = pairs.map((pair) => ({ ...pair, pinned: false, inUse: [], lockedUntil: null }));
      const { maxCount, minimum } = policy;
      const staying = keptOf(free, policy).filter(sane).length;
      // One more for a newest verified pair that is older than all of them.
      if (maxCount !== null) expect(staying).toBeLessThanOrEqual(Math.max(maxCount, minimum) + 1);
    }),
  );
});

it('deciding again on what was kept removes nothing more', () => {
  fc.assert(
    fc.property(candidates, policies, (pairs, policy) => {
      const once = keptOf(pairs, policy);
      expect(keptOf(once, policy)).toEqual(once);
    }),
    { numRuns: 500 },
  );
});

it('the order of the candidates does not matter', () => {
  const shuffled = candidates.chain((pairs) =>
    fc.tuple(fc.constant(pairs), fc.shuffledSubarray(pairs, { minLength: pairs.length })),
  );
  fc.assert(
    fc.property(shuffled, policies, ([pairs, others], policy) => {
      expect(decideRetention(others, policy, NOW)).toEqual(decideRetention(pairs, policy, NOW));
    }),
  );
});

it('a policy that keeps more never removes what one that keeps less would keep', () => {
  const more = fc.nat({ max: 5 });
  fc.assert(
    fc.property(candidates, rules, fc.array(more, { minLength: 7, maxLength: 7 }), (pairs, policy, add) => {
      fc.pre(!hasNoRule(policy));
      const [last = 0, hours = 0, days = 0, weeks = 0, months = 0, years = 0, minimum = 0] = add;
      const larger = {
        ...policy,
        keepLast: policy.keepLast + last,
        keepWithinSeconds: policy.keepWithinSeconds === null ? null : policy.keepWithinSeconds + hours * 3600,
        hourly: policy.hourly + hours,
        daily: policy.daily + days,
        weekly: policy.weekly + weeks,
        monthly: policy.monthly + months,
        yearly: policy.yearly + years,
        minimum: policy.minimum + minimum,
      };
      expect(keepsAsMuch(pairs, larger, policy)).toBe(true);
    }),
  );
});

it('a wider limit never removes what a narrower one leaves', () => {
  fc.assert(
    fc.property(candidates, policies, fc.nat({ max: 9 }), (pairs, policy, add) => {
      const { maxCount, maxAgeSeconds } = policy;
      const wider = {
        ...policy,
        maxCount: maxCount === null ? null : maxCount + add,
        maxAgeSeconds: maxAgeSeconds === null ? null : maxAgeSeconds * (1 + add),
      };
      expect(keepsAsMuch(pairs, wider, policy)).toBe(true);
    }),
  );
});

it('it makes no difference for the rules whether older backups were pruned on the way', () => {
  fc.assert(
    fc.property(candidates, rules, (pairs, policy) => {
      const plain = pairs
        .filter(sane)
        .map((pair) => ({ ...pair, verified: true, lockedUntil: null, pinned: false, inUse: [] }))
        .sort((a, b) => (a.takenAt < b.takenAt ? -1 : 1));
      let stored: RetentionCandidate[] = [];
      for (const pair of plain) stored = keptOf([...stored, pair], policy, new Date(pair.takenAt));
      expect(stored).toEqual(keptOf(plain, policy));
    }),
  );
});

it('each store is decided on as if it were alone', () => {
  const stores = [
    {},
    { kind: 'graph' },
    { kind: 'sqlite', source: '/a' },
    { kind: 'sqlite', source: '/b' },
  ] as const;
  fc.assert(
    fc.property(candidates, candidates, policies, fc.nat(3), fc.nat(3), (one, two, policy, a, b) => {
      fc.pre(a !== b);
      const [ofA, ofB] = [one.map((c) => ({ ...c, ...stores[a] })), two.map((c) => ({ ...c, ...stores[b] }))];
      const together = new Set(keptOf([...ofA, ...ofB], policy));
      expect(together).toEqual(new Set([...keptOf(ofA, policy), ...keptOf(ofB, policy)]));
    }),
  );
});
