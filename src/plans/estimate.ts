import type { Assessment } from '../assess/types.js';
import type { PlanWork } from './schema.js';

/** Rates that the assessment measured on the engines in hand; null where there was nothing to measure. */
export interface MeasuredRates {
  /** Points a second with payload. */
  points: number | null;
  /** Nodes a second. */
  nodes: number | null;
  /** Backup JSON, bytes a second. */
  backupBytes: number | null;
}

/** AutoMem's JSON shrinks to about a fifth under gzip when it is a graph half. Measured on generated populations. */
const GRAPH_GZIP_RATIO = 5;

/** The bulk command takes records about as fast as Qdrant hands out payloads; relationships go six times faster. */
const RELATIONSHIPS_PER_NODE_TIME = 6;

/** Start, promotion, recount and compaction of a graph that fits in memory. */
const FIXED_SECONDS = 1;

/** Seconds that a plan's work takes here; null where the rates it depends on could not be measured. */
export function estimateSeconds(
  work: readonly PlanWork[],
  assessment: Assessment,
  rates: MeasuredRates,
): number | null {
  let seconds = FIXED_SECONDS;
  for (const part of work) {
    const needed = partSeconds(part, assessment, rates);
    if (needed === null) return null;
    seconds += needed;
  }
  return Math.max(1, Math.round(seconds));
}

function partSeconds(part: PlanWork, assessment: Assessment, rates: MeasuredRates): number | null {
  const { points } = assessment.vectors;
  const newest = assessment.backups.newest;
  switch (part) {
    case 'read-points':
      return divide(points, rates.points);
    case 'read-backup':
      return newest?.graph == null ? 0 : divide(newest.graph.bytes * GRAPH_GZIP_RATIO, rates.backupBytes);
    case 'write-graph': {
      const relationships = newest?.counts?.relationships ?? points * 3;
      return divide(points + relationships / RELATIONSHIPS_PER_NODE_TIME, rates.points);
    }
    case 'read-graph':
      return divide(Math.max(points, assessment.graph.nodes), rates.nodes ?? rates.points);
  }
}

function divide(amount: number, rate: number | null): number | null {
  if (amount === 0) return 0;
  return rate === null || rate <= 0 ? null : amount / rate;
}
