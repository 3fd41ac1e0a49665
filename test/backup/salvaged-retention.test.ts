import { rmSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';

import { decideBackups, type BackupDecision } from '../../src/backup/inventory/decide-backups.js';
import { takeInventory } from '../../src/backup/inventory/inventory.js';
import type { RetentionPolicy } from '../../src/backup/keep/retention.js';
import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import { folderWith } from '../support/archive-files.js';
import { hoursBefore, notesAsSeen, pairFiles, type PairSpec } from './pair-files.js';

const NOW = new Date('2026-11-21T12:00:00Z');
const FULL = { verified: { level: 'full', ok: true } } as const;
let root = '';

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What becomes of pairs so many hours old, where the newest one alone is wanted. */
async function decide(
  pairs: readonly [hours: number, spec: PairSpec][],
): Promise<Map<number, BackupDecision>> {
  root = folderWith(
    Object.assign({}, ...pairs.map(([hours, spec]) => pairFiles(hoursBefore(NOW, hours), spec))) as Record<
      string,
      Buffer
    >,
  );
  notesAsSeen(root);
  const inventory = await takeInventory([writableLocalArchive(root)], NOW);
  const policy: RetentionPolicy = {
    ...{ keepLast: 1, keepWithinSeconds: null, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 },
    ...{ maxCount: null, maxAgeSeconds: null, minimum: 1 },
  };
  const decisions = decideBackups(inventory, policy, { inUse: () => [], lockedUntil: () => null }, NOW);
  return new Map(
    pairs.map(([hours]) => [
      hours,
      decisions.find(({ backup }) => backup.timestamp === hoursBefore(NOW, hours)) as BackupDecision,
    ]),
  );
}

it('guards the newest verified whole pair, though a salvaged one that was verified is newer', async () => {
  const decided = await decide([
    [1, { ...FULL, salvaged: true }],
    [2, FULL],
    [3, FULL],
  ]);
  expect(decided.get(2)).toMatchObject({ action: 'keep', reasons: [{ rule: 'newest-verified' }] });
  expect(decided.get(3)?.action).toBe('remove');
});

it('guards a salvaged one where there is no better one', async () => {
  const decided = await decide([
    [1, { ...FULL, salvaged: true }],
    [2, { ...FULL, salvaged: true }],
  ]);
  const rules = decided.get(1)?.reasons.map(({ rule }) => rule);
  expect(rules).toContain('newest-complete');
  expect(decided.get(2)?.action).toBe('remove');
});
