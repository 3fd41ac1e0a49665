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

/** Vectors are digits: they shrink less. Measured on generated populations. */
const VECTORS_GZIP_RATIO = 4;

/** A hosted provider with full batches; what the newest backup holds need not be embedded, so this is the most. */
const EMBEDDED_PER_SECOND = 200;

/** Memories with their relationships, or points, that engines on a small machine take: where both stores are gone, there is
 * nothing to measure. On generated populations. */
const WRITTEN_PER_SECOND = 5_000;

/** Start, promotion, recount and compaction of a graph that fits in memory. */
const FIXED_SECONDS = 1;

/** Seconds that a plan's work takes here; null where a person does a part, or a rate it depends on could not be measured. */
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
  const writeRate = rates.points ?? rates.nodes ?? (areGone(assessment) ? WRITTEN_PER_SECOND : null);
  const { newest, newestVectors } = assessment.backups;
  const vectorBytes = newestVectors?.vectors?.bytes ?? 0;
  const inBackup = newest?.counts?.memories ?? 0;
  const memories = Math.max(assessment.graph.memories, inBackup);
  switch (part) {
    case 'read-points':
      return divide(points, rates.points);
    case 'read-backup':
      return newest?.graph == null ? 0 : divide(newest.graph.bytes * GRAPH_GZIP_RATIO, rates.backupBytes);
    case 'write-graph': {
      const relationships = newest?.counts?.relationships ?? points * 3;
      // A collection that is lost has no rate; the graph that is there was read about as fast.
      return divide(Math.max(points, inBackup) + relationships / RELATIONSHIPS_PER_NODE_TIME, writeRate);
    }
    case 'read-backup-vectors':
      return vectorBytes === 0 ? 0 : divide(vectorBytes * VECTORS_GZIP_RATIO, rates.backupBytes);
    case 'write-points':
      // What comes from a backup; a collection that does not exist cannot be measured.
      return divide(Math.max(points, memories), writeRate);
    case 'embed':
      return Math.max(0, memories - points) / EMBEDDED_PER_SECOND;
    case 'read-graph':
      return divide(Math.max(points, assessment.graph.nodes), rates.nodes ?? rates.points);
    case 'person':
      return null;
  }
}

function areGone({ graph, vectors }: Assessment): boolean {
  return [graph.state, vectors.state].every((state) => state === 'lost' || state === 'empty');
}

function divide(amount: number, rate: number | null): number | null {
  if (amount === 0) return 0;
  return rate === null || rate <= 0 ? null : amount / rate;
}
