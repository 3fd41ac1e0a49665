import type { Archive } from '../stores/archive/archive.js';
import type { GraphAddress } from '../stores/graph/connection.js';
import type { VectorAddress } from '../stores/vectors/vector-failure.js';
import { assessBackups, type BackupDepth } from './assess-backups.js';
import { assessGraph } from './assess-graph.js';
import { assessVectors } from './assess-vectors.js';
import { driftFindings } from './drift.js';
import { queryTimeout } from './graph-server.js';
import type { Assessment } from './types.js';

export interface AssessOptions {
  graph: { address: GraphAddress; name: string };
  vectors: { address: VectorAddress; name: string };
  /** Places with backups, in order of preference: the first with any is used. */
  archives: Archive[];
  /** RECALL_EXCLUDED_TYPES. */
  excludedTypes: readonly string[];
  backupDepth: BackupDepth;
  now?: Date;
}

/** The assessment, and facts about the servers that steps need but nobody needs to read. */
export interface AssessResult {
  assessment: Assessment;
  server: {
    usedMemory: number;
    maxMemory: number;
    /** Milliseconds to send along with each query; 0 sends none. */
    queryTimeoutMs: number;
  } | null;
  /** Bytes of backup JSON a second. */
  backupReadRate: number | null;
}

/**
 * Finds out what survived: both stores and the backups, at the same time. Reads only, ever. Never throws for something
 * that is broken or away: that is what it is there to find.
 */
export async function assess(options: AssessOptions): Promise<AssessResult> {
  const now = options.now ?? new Date();
  const started = performance.now();
  const [graph, vectors, backups] = await Promise.all([
    assessGraph(options.graph.address, options.graph.name),
    assessVectors(options.vectors.address, options.vectors.name, options.excludedTypes),
    assessFirst(options, now),
  ]);
  const drift = driftFindings(graph.assessment, vectors.assessment, options.excludedTypes);
  return {
    assessment: {
      takenAt: now.toISOString(),
      graph: graph.assessment,
      vectors: vectors.assessment,
      backups: backups.assessment,
      findings: [...graph.findings, ...vectors.findings, ...drift, ...backups.findings],
      seconds: (performance.now() - started) / 1000,
    },
    server: graph.facts === null ? null : { ...graph.facts, queryTimeoutMs: queryTimeout(graph.facts) },
    backupReadRate: backups.readRate,
  };
}

async function assessFirst(options: AssessOptions, now: Date): ReturnType<typeof assessBackups> {
  let last: Awaited<ReturnType<typeof assessBackups>> | null = null;
  for (const archive of options.archives) {
    last = await assessBackups(archive, options.graph.name, options.backupDepth, now);
    if (last.assessment.pairs.length > 0) return last;
  }
  return (
    last ?? {
      assessment: { state: 'empty', source: 'nowhere', pairs: [], newest: null },
      findings: [],
      readRate: null,
    }
  );
}
