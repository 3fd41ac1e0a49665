import type { Archive } from '../stores/archive/archive.js';
import type { GraphAddress } from '../stores/graph/connection.js';
import type { VectorAddress } from '../stores/vectors/vector-failure.js';
import { assessBackups, LOCKED_BACKUP, type BackupDepth, type BackupsReport } from './assess-backups.js';
import { assessGraph } from './assess-graph.js';
import { assessVectors } from './assess-vectors.js';
import { areComparable, deepDrift, type DeepOptions, type DriftLimits } from './deep-drift.js';
import { driftFindings } from './drift.js';
import { queryTimeout } from './graph-server.js';
import type { Assessment, Finding } from './types.js';

export type CompareWhen = 'never' | 'where-both-hold-data' | 'always';

export interface AssessOptions {
  graph: { address: GraphAddress; name: string };
  vectors: { address: VectorAddress; name: string };
  /** Places with backups, in order of preference: the first with one that can be used. */
  archives: Archive[];
  /** RECALL_EXCLUDED_TYPES. */
  excludedTypes: readonly string[];
  backupDepth: BackupDepth;
  /** Whether the stores are also compared memory by memory: never (default), wherever both can be read, or only where both hold data. */
  deep?: CompareWhen;
  driftLimits?: DriftLimits;
  /** Components that vectors should have; null or absent where any will do. */
  expectedSize?: number | null;
  /** Stops the comparison. */
  signal?: AbortSignal;
  now?: Date;
}

/** AutoMem's own: its health monitor warns above the one and calls the other critical. */
const DRIFT_LIMITS: DriftLimits = { warningPercent: 5, problemPercent: 50 };

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
  const counted = driftFindings(graph.assessment, vectors.assessment, options.excludedTypes);
  const queryTimeoutMs = graph.facts === null ? 0 : queryTimeout(graph.facts);
  const bothHoldData = graph.assessment.memories > 0 && vectors.assessment.points > 0;
  const isWanted = options.deep === 'always' || (options.deep === 'where-both-hold-data' && bothHoldData);
  const isDeep = isWanted && areComparable(graph.assessment, vectors.assessment);
  const deep = isDeep ? await deepDrift({ ...compared(options), queryTimeoutMs, now }) : NOT_COMPARED;
  // Which ids differ says more than that counts do.
  const drift = counted.filter(({ code }) => deep.drift === null || code !== 'counts-differ');
  return {
    assessment: {
      takenAt: now.toISOString(),
      graph: graph.assessment,
      vectors: vectors.assessment,
      backups: backups.assessment,
      drift: deep.drift,
      findings: lockedFirst(
        [graph.findings, vectors.findings, drift, deep.findings, backups.findings].flat(),
      ),
      seconds: (performance.now() - started) / 1000,
    },
    server: graph.facts === null ? null : { ...graph.facts, queryTimeoutMs },
    backupReadRate: backups.readRate,
  };
}

/** Without the key, what follows is not all that there is. */
function lockedFirst(findings: readonly Finding[]): Finding[] {
  const isLocked = ({ code }: Finding): boolean => code === LOCKED_BACKUP;
  return [...findings.filter(isLocked), ...findings.filter((finding) => !isLocked(finding))];
}

const NOT_COMPARED = { drift: null, findings: [] };

function compared(options: AssessOptions): Omit<DeepOptions, 'queryTimeoutMs' | 'now'> {
  const { graph, vectors, excludedTypes } = options;
  return {
    graph,
    vectors,
    excludedTypes,
    limits: options.driftLimits ?? DRIFT_LIMITS,
    expectedSize: options.expectedSize ?? null,
    signal: options.signal ?? new AbortController().signal,
  };
}

/** The place whose backups are used, with what was found in those before it: a broken backup there hides no sound one here. */
async function assessFirst(options: AssessOptions, now: Date): Promise<BackupsReport> {
  const reports: BackupsReport[] = [];
  for (const archive of options.archives) {
    const report = await assessBackups(archive, options.graph.name, options.backupDepth, now);
    reports.push(report);
    if (report.assessment.newest !== null) break;
  }
  const used =
    reports.find(({ assessment }) => assessment.newest !== null) ??
    reports.find(({ assessment }) => assessment.newestVectors !== null) ??
    reports.find(({ assessment }) => assessment.pairs.length > 0) ??
    reports.at(-1);
  if (used === undefined) {
    return {
      assessment: { state: 'empty', source: 'nowhere', pairs: [], newest: null, newestVectors: null },
      findings: [],
      readRate: null,
    };
  }
  const others = reports.filter((report) => report !== used && report.assessment.pairs.length > 0);
  return { ...used, findings: [...others, used].flatMap(({ findings }) => findings) };
}
