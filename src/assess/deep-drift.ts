import { compareStores } from '../drift/compare-stores.js';
import type { DriftClass, DriftReport } from '../drift/types.js';
import { Failure } from '../failure.js';
import type { GraphAddress } from '../stores/graph/connection.js';
import { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorAddress } from '../stores/vectors/vector-failure.js';
import { VectorStore } from '../stores/vectors/vector-store.js';
import type { Finding, Severity, StoreState } from './types.js';

/** From which percentage on drift is a warning, or a problem. AutoMem's monitor has the same two. */
export interface DriftLimits {
  warningPercent: number;
  problemPercent: number;
}

export interface DeepOptions {
  graph: { address: GraphAddress; name: string };
  vectors: { address: VectorAddress; name: string };
  excludedTypes: readonly string[];
  limits: DriftLimits;
  /** Components that vectors should have; null where any will do. */
  expectedSize: number | null;
  /** Milliseconds to send along with each graph query; 0 sends none. */
  queryTimeoutMs: number;
  signal: AbortSignal;
  now: Date;
}

/** Stores in these states can be compared: there is a graph, there is a collection, and both answer. */
const COMPARABLE: readonly StoreState[] = ['intact', 'degraded', 'empty'];

export function areComparable(...stores: readonly { state: StoreState }[]): boolean {
  return stores.every(({ state }) => COMPARABLE.includes(state));
}

/** Compares the stores memory by memory. That it could not be done is a finding, not an error. */
export async function deepDrift(
  options: DeepOptions,
): Promise<{ drift: DriftReport | null; findings: Finding[] }> {
  const vectors = new VectorStore(options.vectors.address);
  let graph: GraphStore | null = null;
  try {
    graph = await GraphStore.open(options.graph.address);
    graph.queryTimeoutMs = options.queryTimeoutMs;
    const drift = await compareStores(
      { graph, graphName: options.graph.name, vectors, collection: options.vectors.name },
      {
        depth: 'content',
        placeholders: true,
        excludedTypes: new Set(options.excludedTypes),
        expectedSize: options.expectedSize,
        signal: options.signal,
        now: options.now,
      },
    );
    return { drift, findings: deepFindings(drift, options.limits) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { drift: null, findings: [notCompared(error)] };
  } finally {
    graph?.close();
    vectors.close();
  }
}

function notCompared({ message, hint }: Failure): Finding {
  return {
    severity: 'problem',
    code: 'drift-unknown',
    message: `The stores could not be compared memory by memory. ${message}.`,
    action: hint,
  };
}

/** What a comparison means, in words. */
export function deepFindings(drift: DriftReport, limits: DriftLimits): Finding[] {
  const findings = [driftFinding(drift, limits), ...OTHERS.map((other) => otherFinding(other, drift))];
  return findings.filter((finding) => finding !== null);
}

const DRIFT_WORDS: readonly [DriftClass, string][] = [
  ['missing-vector', 'memories without a vector'],
  ['orphan-vector', 'points without a memory'],
  ['content-changed', 'vectors of an older text'],
  ['stale-payload', 'payloads that differ'],
];

function driftFinding({ counts, percent, automem }: DriftReport, limits: DriftLimits): Finding | null {
  const parts = DRIFT_WORDS.filter(([name]) => counts[name] > 0).map(
    ([name, words]) => `${counts[name]} ${words}`,
  );
  if (parts.length === 0) return null;
  const unseen = automem.percent === 0 ? ' The counts are equal: who compares only those sees nothing.' : '';
  return {
    severity: severityOf(percent, limits),
    code: 'drift',
    message: `The stores differ in ${percentText(percent)} % of the memories: ${parts.join(', ')}.${unseen}`,
    action: 'Repair only what differs with: lifeboat repair',
  };
}

function severityOf(percent: number, { warningPercent, problemPercent }: DriftLimits): Severity {
  if (percent > problemPercent) return 'problem';
  return percent > warningPercent ? 'warning' : 'info';
}

/** A single difference among a million is not none. */
function percentText(percent: number): string {
  return percent > 0 && percent < 0.1 ? 'less than 0.1' : percent.toFixed(1);
}

interface Other {
  of: DriftClass;
  finding: Omit<Finding, 'message'>;
  says: string;
}

const OTHERS: readonly Other[] = [
  {
    of: 'duplicate-id',
    says: 'ids stand on more than one memory: whatever is written to one of them goes to all',
    finding: {
      severity: 'warning',
      code: 'duplicate-ids',
      action: 'Remove the duplicate nodes by hand, keeping the one with relationships.',
    },
  },
  {
    of: 'placeholder-vector',
    says: 'vectors are random placeholders, left by an outage of the embedding provider: searches do not find these memories',
    finding: {
      severity: 'warning',
      code: 'placeholder-vectors',
      action: 'Embed them again with: lifeboat repair',
    },
  },
  {
    of: 'wrong-size',
    says: 'vectors are not of the size that is set (VECTOR_SIZE)',
    finding: {
      severity: 'problem',
      code: 'wrong-vector-size',
      action: 'Check VECTOR_SIZE; to embed everything anew: lifeboat recover reembed-vectors',
    },
  },
  {
    of: 'pending',
    says: 'memories differ, and changed so lately that the service may not be done with them',
    finding: { severity: 'info', code: 'drift-pending', action: 'Look again in two minutes.' },
  },
];

function otherFinding({ of, says, finding }: Other, { counts }: DriftReport): Finding | null {
  return counts[of] === 0 ? null : { ...finding, message: `${counts[of]} ${says}.` };
}
