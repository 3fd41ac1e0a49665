import fc from 'fast-check';
import { expect, it } from 'vitest';

import type { BackupCopy } from '../../../src/backup/inventory/backup-copy.js';
import { isComplete } from '../../../src/backup/inventory/copy-facts.js';
import { decideBackups, type BackupDecision } from '../../../src/backup/inventory/decide-backups.js';
import type { InventoryBackup } from '../../../src/backup/inventory/inventory.js';
import type { RetentionPolicy } from '../../../src/backup/keep/retention.js';
import { HOUR, NOW, policies, policyOf } from './candidates.js';

const LOCKED = '2027-01-01T00:00:00.000Z';

/** What decides on a copy, and no more. */
const copies = fc.record({
  place: fc.constantFrom('local', 's3'),
  broken: fc.constantFrom(null, null, null, null, null, null, 'its file is empty'),
  verified: fc.constantFrom(null, null, null, 'quick', 'full', 'failed'),
  salvaged: fc.constantFrom(false, false, false, true),
  pinned: fc.constantFrom(false, false, false, false, false, false, true),
  locked: fc.boolean(),
});

const backups = fc
  .uniqueArray(
    fc.record({
      hours: fc.nat({ max: 24 * 40 }),
      store: fc.constantFrom(null, null, '/a.db', '/b.db'),
      copies: fc.uniqueArray(copies, { selector: ({ place }) => place, minLength: 1, maxLength: 2 }),
    }),
    { selector: ({ hours }) => hours, minLength: 6, maxLength: 25, size: 'medium' },
  )
  .map((all) => all.sort((a, b) => a.hours - b.hours).map(backupOf));

/** Limits that are met. */
const limited = fc
  .tuple(policies, fc.option(fc.integer({ min: 1, max: 6 })))
  .map(([policy, maxCount]) => ({ ...policy, maxCount }));

interface Spec {
  hours: number;
  store: string | null;
  copies: {
    place: string;
    broken: string | null;
    verified: string | null;
    salvaged: boolean;
    pinned: boolean;
    locked: boolean;
  }[];
}

function backupOf({ hours, store, copies: specs }: Spec): InventoryBackup {
  const takenAt = new Date(NOW.getTime() - hours * HOUR * 1000).toISOString();
  const timestamp = takenAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
  const kind = store === null ? 'automem' : 'sqlite';
  const made = specs.map(({ place, broken, verified, salvaged, pinned, locked }) => {
    const newest = { at: takenAt, level: verified, ok: verified !== 'failed' };
    return {
      ...{ kind, timestamp, takenAt, source: store, only: null, isOwn: true, fromFuture: false, bytes: 1 },
      // Object Lock is of buckets.
      ...{ place, broken, files: locked && place === 's3' ? [LOCKED] : [], store: { bytes: 1 } },
      verified: verified === null ? null : { newest, best: newest.ok ? newest : null, before: null },
      salvaged: salvaged ? {} : null,
      pinned: pinned ? { reason: null } : null,
      pair: { graphVerdict: { status: 'ok' }, vectorsVerdict: { status: 'ok' } },
    } as unknown as BackupCopy;
  });
  return joined(made);
}

/** As the inventory joins what lies at several places. */
function joined(of: BackupCopy[]): InventoryBackup {
  const best = of.find(isComplete) ?? of.find(({ broken }) => broken === null) ?? of[0];
  return { ...best, copies: of, complete: of.some(isComplete) } as unknown as InventoryBackup;
}

const lockOf = ({ files }: BackupCopy): string | null => (files[0] as unknown as string | undefined) ?? null;

function decide(all: InventoryBackup[], policy: RetentionPolicy): BackupDecision[] {
  const holds = { inUse: () => [], lockedUntil: lockOf };
  return decideBackups({ backups: all, places: [] }, policy, holds, NOW);
}

/** What lies there once what was decided was done: a copy that is locked stays. */
function done(decisions: readonly BackupDecision[]): InventoryBackup[] {
  return decisions.flatMap(({ backup, action, copies: of }) => {
    const left = action === 'keep' ? of : of.filter((copy) => lockOf(copy) !== null);
    return left.length === 0 ? [] : [action === 'keep' ? backup : joined(left)];
  });
}

const going = (decisions: readonly BackupDecision[]): BackupCopy[] =>
  decisions
    .filter(({ action }) => action === 'remove')
    .flatMap(({ copies: of }) => of.filter((copy) => lockOf(copy) === null));

it('what a prune left behind because it is locked makes the next one remove nothing more', () => {
  fc.assert(
    fc.property(backups, limited, (all, policy) => {
      const once = decide(all, policy);
      expect(going(decide(done(once), policy)).map(({ timestamp, place }) => [timestamp, place])).toEqual([]);
    }),
    { numRuns: 1500 },
  );
});

it('a lock makes no difference for the copies that are not locked', () => {
  const free = (backup: InventoryBackup): InventoryBackup => ({
    ...backup,
    copies: backup.copies.map((copy) => ({ ...copy, files: [] })),
  });
  fc.assert(
    fc.property(backups, limited, (all, policy) => {
      const names = (decisions: readonly BackupDecision[], of: (copy: BackupCopy) => boolean): string[] =>
        going(decisions)
          .filter(of)
          .map(({ timestamp, place }) => `${timestamp} ${place}`);
      const locked = new Set(
        all.flatMap(({ copies: of }) =>
          of.filter(lockOf).map(({ timestamp, place }) => `${timestamp} ${place}`),
        ),
      );
      const isFree = ({ timestamp, place }: BackupCopy): boolean => !locked.has(`${timestamp} ${place}`);
      expect(names(decide(all, policy), isFree)).toEqual(names(decide(all.map(free), policy), isFree));
    }),
  );
});

it('ten that are locked in the bucket push out none of the ten newest', () => {
  const plain = { broken: null, verified: null, salvaged: false, pinned: false };
  const all = Array.from({ length: 20 }, (_, age) =>
    backupOf({
      ...{ hours: 24 * age + 1, store: null },
      copies: [
        { ...plain, place: 'local', locked: false },
        { ...plain, place: 's3', locked: age >= 10 },
      ],
    }),
  );
  const policy = policyOf({ keepLast: 100, maxCount: 10 });
  const once = decide(all, policy);
  expect(going(once).map(({ place }) => place)).toEqual(Array(10).fill('local'));
  const twice = decide(done(once), policy);
  expect(going(twice)).toEqual([]);
  expect(twice.at(-1)?.reasons).toEqual([{ rule: 'locked', says: `Object Lock until ${LOCKED}` }]);
});
