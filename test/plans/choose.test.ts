import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { rankPlans } from '../../src/plans/choose.js';
import type { MeasuredRates } from '../../src/plans/estimate.js';
import { loadPlans } from '../../src/plans/load.js';
import type { Plan } from '../../src/plans/schema.js';
import type { PlanOption } from '../../src/plans/types.js';
import type { Assessment } from '../../src/assess/types.js';
import { DRIFT_CLASSES, type DriftClass } from '../../src/drift/types.js';
import { STEPS } from '../../src/steps/registry.js';
import { assessmentOf, PAIR, STATES, type Situation } from './assessments.js';

const RATES: MeasuredRates = { points: 10_000, nodes: 20_000, backupBytes: 50_000_000 };
let plans: Plan[];
beforeAll(async () => {
  plans = await loadPlans([join(import.meta.dirname, '../../recovery-plans')], new Set(STEPS.keys()));
});

const rank = (situation: Situation, rates = RATES) =>
  rankPlans(plans, assessmentOf(situation), rates, new Map([['prove-source', 'Prove the source']]));

function option(situation: Situation, name: string, rates = RATES): PlanOption {
  const found = rank(situation, rates).options.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no plan ${name}`);
  return found;
}

/** Graph, vectors: the plan that is recommended, with a backup only where it says so. Everything else: none of them. */
const RECOMMENDED: Record<string, string> = {
  'intact intact': 'healthy',
  'degraded intact': 'rebuild-graph',
  'empty intact': 'rebuild-graph',
  'lost intact': 'rebuild-graph',
  'intact degraded': 'reembed-vectors',
  'intact empty': 'reembed-vectors',
  'intact lost': 'reembed-vectors',
  'empty degraded backup': 'restore-backup',
  'empty empty backup': 'restore-backup',
  'empty lost backup': 'restore-backup',
  'lost degraded backup': 'restore-backup',
  'lost empty backup': 'restore-backup',
  'lost lost backup': 'restore-backup',
};

const MATRIX = STATES.flatMap((graph) =>
  STATES.flatMap((vectors) => [true, false].map((backup) => ({ graph, vectors, backup }))),
);

describe('rankPlans', () => {
  it.each(MATRIX)(
    'recommends the right plan: graph $graph, vectors $vectors, backup $backup',
    (situation) => {
      const { options, recommended } = rank(situation);
      const stores = `${situation.graph} ${situation.vectors}`;
      const wanted = RECOMMENDED[stores] ?? (situation.backup ? RECOMMENDED[`${stores} backup`] : undefined);
      expect(recommended).toBe(wanted ?? null);
      expect(options.map(({ name }) => name).sort()).toEqual(plans.map(({ name }) => name).sort());
      expect(options.filter(({ applies }) => applies).map(({ name }) => name)).toEqual(
        recommended === null ? [] : [recommended],
      );
      expect(options.findIndex(({ name }) => name === recommended)).toBe(recommended === null ? -1 : 0);
    },
  );

  it.each(MATRIX)('says why in a sentence: graph $graph, vectors $vectors, backup $backup', (situation) => {
    for (const { name, applies, onRequest, reason, estimateSeconds } of rank(situation).options) {
      expect(reason).toMatch(/^[a-z][a-z ,:;-]+[a-z]$/);
      expect(reason).not.toMatch(/undefined|null|needs the (graph|vectors|backups) ;/);
      // Nobody knows how long a person takes.
      const canBeTold = (applies || onRequest === true) && name !== 'restore-volume';
      expect(estimateSeconds === null, name).toBe(!canBeTold);
    }
  });

  it.each<[string, Situation, string]>([
    ['healthy', { graph: 'intact' }, 'the graph is intact, the vectors are intact'],
    ['healthy', { graph: 'lost' }, 'needs the graph intact; the graph is lost'],
    ['healthy', { graph: 'unreachable' }, 'needs the graph intact; the graph is unreachable'],
    ['healthy', { graph: 'intact', vectors: 'empty' }, 'needs the vectors intact; the vectors are empty'],
    ['rebuild-graph', { graph: 'degraded' }, 'the graph is degraded, the vectors are intact'],
    ['rebuild-graph', { graph: 'intact' }, 'not needed: the graph is intact'],
    ['rebuild-graph', { graph: 'intact', vectors: 'lost' }, 'not needed: the graph is intact'],
    [
      'rebuild-graph',
      { graph: 'unreachable' },
      'the graph is unreachable, so nobody can tell whether this is needed',
    ],
    ['rebuild-graph', { vectors: 'lost' }, 'needs the vectors intact; the vectors are lost'],
    ['rebuild-graph', { vectors: 'unreachable' }, 'needs the vectors intact; the vectors are unreachable'],
    [
      'rebuild-graph',
      { payloadsMissing: true },
      'the points carry no payloads, so there is nothing to rebuild memories from; a backup can be restored instead',
    ],
    ['rebuild-graph', { readOnlyReplica: true }, 'the graph server is a read-only replica'],
  ])('says of %s for %j: %s', (name, situation, reason) => {
    expect(option(situation, name).reason).toBe(reason);
  });

  it('names what is lost with a backup and without one', () => {
    expect(option({ backup: true }, 'rebuild-graph').loses).toEqual([
      'relationships made after the backup of 2026-11-20 03:00:00 UTC, except those that payloads hint at',
    ]);
    const [loss, ...more] = option({ backup: false }, 'rebuild-graph').loses;
    expect(loss).toMatch(/^every relationship that no payload hints at/);
    expect(more).toEqual([]);
  });

  it.each(['restore-backup', 'restore-graph', 'restore-volume'])(
    'names in %s what Qdrant still holds only where it holds anything',
    (name) => {
      const kept = /, except memories that (?:the backup lacks and )?Qdrant still holds$/;
      expect(option({ vectors: 'degraded' }, name).loses).toEqual([expect.stringMatching(kept)]);
      for (const vectors of ['lost', 'empty'] as const) {
        const [loss, ...more] = option({ vectors }, name).loses;
        expect(loss).toMatch(/after the (?:backup of 2026-11-20 03:00:00 UTC|volume snapshot)$/);
        expect(more).toEqual([]);
      }
    },
  );

  it('puts names into the texts and titles to the steps', () => {
    const { changes, steps, destructive, guidance } = option({}, 'rebuild-graph');
    expect(changes).toEqual(['graph memories (replaced in one swap; what was there is kept for rollback)']);
    expect(steps[0]).toEqual({ id: 'watch-writers', title: 'watch-writers' });
    expect(steps[1]).toEqual({ id: 'prove-source', title: 'Prove the source' });
    expect(destructive).toBe(true);
    expect(guidance).not.toBe('');
  });

  it('writes the time of a backup whether it has milliseconds or not, and leaves other braces alone', () => {
    const [healthy] = plans as [Plan];
    const plan: Plan = { ...healthy, changes: ['{backupTime} {collection} {nonsense}'] };
    const times = ['2026-11-20T03:00:00Z', '2026-11-20T03:00:00.123Z'].map((takenAt) => {
      const newest = { ...PAIR, takenAt };
      return rankPlans([plan], assessmentOf({ newest }), RATES, new Map()).options[0]?.changes;
    });
    const expected = ['2026-11-20 03:00:00 UTC memories {nonsense}'];
    expect(times).toEqual([expected, expected]);
  });

  it('holds a requirement of a backup against what there is', () => {
    const rebuild = plans.find(({ name }) => name === 'rebuild-graph') as Plan;
    const plan: Plan = { ...rebuild, needs: ['usable-backup'] };
    const reason = (backup: boolean) =>
      rankPlans([plan], assessmentOf({ backup }), RATES, new Map()).options[0]?.reason;
    expect(reason(false)).toBe('there is no usable backup');
    expect(reason(true)).toBe('the graph is lost, the vectors are intact');
  });

  it('prefers the lower rank, whatever order the plans come in', () => {
    const rebuild = plans.find(({ name }) => name === 'rebuild-graph') as Plan;
    const better: Plan = { ...rebuild, name: 'better', rank: 5 };
    for (const list of [
      [...plans, better],
      [better, ...plans],
    ]) {
      const { options, recommended } = rankPlans(list, assessmentOf(), RATES, new Map());
      expect(recommended).toBe('better');
      expect(options.map(({ name }) => name).slice(0, 3)).toEqual(['better', 'rebuild-graph', 'healthy']);
    }
  });

  const drifted = (percent: number, placeholders = 0): Assessment => ({
    ...assessmentOf({ graph: 'intact' }),
    drift: {
      takenAt: '2026-11-21T12:00:00.000Z',
      depth: 'content',
      memories: 1000,
      points: 1000,
      eligible: 1000,
      counts: {
        ...(Object.fromEntries(DRIFT_CLASSES.map((name) => [name, 0])) as Record<DriftClass, number>),
        'placeholder-vector': placeholders,
      },
      percent,
      automem: { memories: 1000, points: 1000, percent: 0 },
      staleFields: {},
      examples: {},
      seconds: 1,
    },
  });

  it.each([
    [0, 0, 'healthy'],
    [0.1, 0, 'sync-drift'],
    [40, 0, 'sync-drift'],
    [0, 1, 'sync-drift'],
  ])('with %s %% of drift and %s placeholders in two intact stores recommends %s', (percent, made, name) => {
    expect(rankPlans(plans, drifted(percent, made), RATES, new Map()).recommended).toBe(name);
  });

  it('says that stores differ, or were not compared, and not that nothing is needed', () => {
    const reasonOf = (assessment: Assessment, name: string): string | undefined =>
      rankPlans(plans, assessment, RATES, new Map()).options.find((one) => one.name === name)?.reason;
    expect(reasonOf(drifted(3), 'healthy')).toBe('the stores differ');
    expect(reasonOf(drifted(0), 'sync-drift')).toBe('not needed: the stores do not differ');
    expect(reasonOf(assessmentOf({ graph: 'intact' }), 'sync-drift')).toBe('the stores were not compared');
  });

  it('never recommends what a person must ask for, and offers it', () => {
    const { options, recommended } = rank({ graph: 'lost', vectors: 'lost', backup: false });
    expect(recommended).toBeNull();
    expect(options.filter(({ onRequest }) => onRequest === true).map(({ name }) => name)).toEqual([
      'restore-volume',
      'fresh-start',
    ]);
    const intact = rank({ graph: 'intact' }).options.find(({ name }) => name === 'fresh-start');
    expect(intact).toMatchObject({ applies: false, reason: 'not needed: the graph is intact' });
  });

  it('applies a plan when any one of its conditions holds', () => {
    const [healthy] = plans as [Plan];
    const plan: Plan = { ...healthy, when: [{ graph: ['lost'], vectors: ['lost'] }, { backups: ['empty'] }] };
    const applies = (situation: Situation) =>
      rankPlans([plan], assessmentOf(situation), RATES, new Map()).options[0]?.applies;
    expect(applies({ graph: 'lost', vectors: 'lost' })).toBe(true);
    expect(applies({ graph: 'intact', backup: false })).toBe(true);
    expect(applies({ graph: 'lost' })).toBe(false);
  });
});
