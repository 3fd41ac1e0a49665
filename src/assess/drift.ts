import type { Finding, GraphAssessment, VectorsAssessment } from './types.js';

/** Above this share of missing memories a store is behind, not merely drifting. The design's boundary for rebuilding. */
const REBUILD_DRIFT_PERCENT = 50;

/** How far two intact stores are apart by their counts, with excluded types removed on both sides. */
export interface CountDrift {
  /** Memories that may have a vector. An upper bound: memories without content are in it. */
  eligibleMemories: number;
  eligiblePoints: number;
  /** abs(difference) / larger side · 100. */
  percent: number;
  behind: 'graph' | 'vectors' | null;
}

/** Counts only: enough to choose a plan, not to prove anything. Proof compares id sets. */
function countDrift(
  graph: GraphAssessment,
  vectors: VectorsAssessment,
  excludedTypes: readonly string[],
): CountDrift {
  const excluded = excludedTypes.reduce((sum, type) => sum + (graph.byType[type] ?? 0), 0);
  const eligibleMemories = Math.max(0, graph.memories - excluded);
  const eligiblePoints = Math.max(0, vectors.points - vectors.excludedPoints);
  const larger = Math.max(eligibleMemories, eligiblePoints);
  const difference = Math.abs(eligibleMemories - eligiblePoints);
  return {
    eligibleMemories,
    eligiblePoints,
    percent: larger === 0 ? 0 : (difference * 100) / larger,
    behind: difference === 0 ? null : eligibleMemories < eligiblePoints ? 'graph' : 'vectors',
  };
}

/** Marks a store as degraded that holds less than half of what the other one does, and says so. */
export function driftFindings(
  graph: GraphAssessment,
  vectors: VectorsAssessment,
  excludedTypes: readonly string[],
): Finding[] {
  if (graph.state !== 'intact' || vectors.state !== 'intact') return [];
  const drift = countDrift(graph, vectors, excludedTypes);
  if (drift.behind === null) return [];
  const counts = `${drift.eligibleMemories} memories that should have a vector, ${drift.eligiblePoints} points`;
  if (drift.percent > REBUILD_DRIFT_PERCENT) {
    (drift.behind === 'graph' ? graph : vectors).state = 'degraded';
    return [
      {
        severity: 'problem',
        code: `${drift.behind}-behind`,
        message: `The ${drift.behind === 'graph' ? 'graph' : 'collection'} holds less than half of what the other store does (${counts}).`,
      },
    ];
  }
  return [
    {
      severity: 'info',
      code: 'counts-differ',
      message: `The counts differ by ${drift.percent.toFixed(1)} % (${counts}). Memories without content have no vector, so this may be as it should be.`,
      action: 'Compare the stores id by id with: lifeboat validate',
    },
  ];
}
