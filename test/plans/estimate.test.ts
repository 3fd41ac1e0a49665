import { describe, expect, it } from 'vitest';

import { estimateSeconds } from '../../src/plans/estimate.js';
import type { PlanWork } from '../../src/plans/schema.js';
import { assessmentOf, PAIR } from './assessments.js';

const RATES = { points: 1000, nodes: 500, backupBytes: 1_000_000 };
const UNKNOWN = { points: null, nodes: null, backupBytes: null };
const ALL: PlanWork[] = ['read-points', 'read-backup', 'write-graph', 'read-graph'];

describe('estimateSeconds', () => {
  it('is a second for no work', () => {
    expect(estimateSeconds([], assessmentOf(), UNKNOWN)).toBe(1);
  });

  it.each<[PlanWork, number]>([
    // Each with one second for what does not depend on size.
    ['read-points', 11],
    ['read-backup', 6],
    ['write-graph', 12],
    ['read-graph', 21],
  ])('grows with %s', (work, seconds) => {
    expect(estimateSeconds([work], assessmentOf({ points: 10_000 }), RATES)).toBe(seconds);
  });

  it('adds up', () => {
    expect(estimateSeconds(ALL, assessmentOf({ points: 10_000 }), RATES)).toBe(1 + 10 + 5 + 11 + 20);
  });

  it('reckons with three relationships a memory where no backup counted them', () => {
    const withoutCounts = assessmentOf({ points: 10_000, backup: false });
    expect(estimateSeconds(['write-graph'], withoutCounts, RATES)).toBe(1 + 15);
  });

  it('takes the rate of points for a graph that there is nothing to measure on', () => {
    expect(estimateSeconds(['read-graph'], assessmentOf({ points: 10_000 }), { ...RATES, nodes: null })).toBe(
      11,
    );
  });

  it('takes the rate of nodes for a collection that there is nothing to measure on', () => {
    const lost = assessmentOf({ graph: 'intact', vectors: 'lost', points: 1000, backup: false });
    expect(estimateSeconds(['write-graph'], lost, { ...RATES, points: null })).toBe(1 + 3);
  });

  it('tells no time for what a person does', () => {
    expect(estimateSeconds(['person', 'read-points'], assessmentOf(), RATES)).toBeNull();
  });

  it('takes the larger of graph and collection for reading the graph', () => {
    expect(estimateSeconds(['read-graph'], assessmentOf({ points: 10, nodes: 5000 }), RATES)).toBe(11);
  });

  it.each(ALL)('is unknown where %s depends on a rate that could not be measured', (work) => {
    expect(estimateSeconds([work], assessmentOf(), UNKNOWN)).toBeNull();
    const halted = { points: 0, nodes: 0, backupBytes: 0 };
    expect(estimateSeconds([work], assessmentOf(), halted)).toBeNull();
  });

  it('tells the time of a restore where both stores are gone, by what the backup holds', () => {
    const newest = { ...PAIR, counts: { memories: 50_000, nodes: 60_000, relationships: 0 } };
    const gone = assessmentOf({ graph: 'lost', vectors: 'empty', points: 0, newest });
    expect(estimateSeconds(['write-graph'], gone, UNKNOWN)).toBe(11);
    expect(estimateSeconds(['write-points'], gone, UNKNOWN)).toBe(11);
  });

  it('needs no rate for what there is nothing of', () => {
    const empty = assessmentOf({ points: 0, backup: false });
    expect(estimateSeconds(ALL, empty, UNKNOWN)).toBe(1);
    const withoutGraphHalf = assessmentOf({ newest: { ...PAIR, graph: null } });
    expect(estimateSeconds(['read-backup'], withoutGraphHalf, UNKNOWN)).toBe(1);
  });
});
