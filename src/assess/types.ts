import type { BackupPair } from '../backup/types.js';
import type { DriftReport } from '../drift/types.js';

/** How much of a store survived. */
export type StoreState = 'intact' | 'degraded' | 'empty' | 'lost' | 'unreachable';

/** Why a store did not answer as it should. Each has its own next step. */
export type UnreachableCause =
  | 'refused'
  | 'unknown-host'
  | 'private-host'
  | 'wrong-credentials'
  | 'tls'
  | 'loading'
  | 'timeout'
  | 'module-missing'
  | 'other';

export type Severity = 'info' | 'warning' | 'problem';

/** One thing that the assessment found, in plain words, with what to do about it. */
export interface Finding {
  severity: Severity;
  /** A stable word for scripts: "result-cap", "no-persistence", "backup-corrupt". */
  code: string;
  message: string;
  /** The next thing to do; absent where there is nothing to do. */
  action?: string;
}

export interface Unreachable {
  cause: UnreachableCause;
  message: string;
  hint: string;
}

/** How the graph server keeps its data. */
export interface Persistence {
  /** The `save` setting: "3600 1 300 100"; empty when snapshots are off. Null when CONFIG is forbidden. */
  snapshots: string | null;
  aof: boolean | null;
  /** ISO-8601 time of the last successful RDB save, or null when unknown. */
  lastSave: string | null;
  readOnlyReplica: boolean;
}

export interface GraphAssessment {
  state: StoreState;
  /** The graph key, "memories" by default. */
  name: string;
  /** host:port, never with a password. */
  address: string;
  unreachable?: Unreachable;
  /** Nodes with the label Memory. */
  memories: number;
  nodes: number;
  relationships: number;
  /** Label set joined by ":" → count. */
  byLabel: Record<string, number>;
  /** `type` of Memory nodes → count; "" stands for no type. */
  byType: Record<string, number>;
  byRelationship: Record<string, number>;
  version: { server: string; module: string } | null;
  /** FalkorDB RESULTSET_SIZE; null is unlimited or unknown. */
  resultCap: number | null;
  /** FalkorDB query TIMEOUT in milliseconds; 0 is none; null is unknown. */
  queryTimeoutMs: number | null;
  persistence: Persistence | null;
  /** Keys that an earlier run left: staging copies and replaced graphs. */
  leftovers: string[];
  /** Milliseconds for one PING. */
  latencyMs: number | null;
  /** Nodes a second read in the assessment's sample; null when there was nothing to read. */
  readRate: number | null;
}

export interface VectorsAssessment {
  state: StoreState;
  /** The collection, "memories" by default. */
  name: string;
  /** The URL, never with a key. */
  address: string;
  unreachable?: Unreachable;
  /** Exact count. */
  points: number;
  /** Dimensions of the unnamed vector; null for named vectors only. */
  size: number | null;
  distance: string | null;
  /** Payload field → index type. */
  payloadIndexes: Record<string, string>;
  version: string | null;
  /** Green, yellow, red or grey, as Qdrant says. */
  status: string | null;
  /** True when sampled points carry vectors but no payload: nothing to rebuild a graph from. */
  payloadsMissing: boolean;
  /** Points of excluded types, which AutoMem ignores on both sides. */
  excludedPoints: number;
  latencyMs: number | null;
  /** Points a second read (payload, no vector) in the assessment's sample. */
  readRate: number | null;
}

export interface BackupsAssessment {
  /** intact: newest pair is usable. degraded: usable, but the newest is not or a half is missing. */
  state: StoreState;
  /** Where they were looked for. */
  source: string;
  /** Newest first. */
  pairs: BackupPair[];
  /** The pair that recovery would use: its graph half is usable. */
  newest: BackupPair | null;
  /** The newest pair whose vector half is usable. */
  newestVectors: BackupPair | null;
}

export interface Assessment {
  /** ISO-8601. */
  takenAt: string;
  graph: GraphAssessment;
  vectors: VectorsAssessment;
  backups: BackupsAssessment;
  /** The stores held against each other memory by memory; null where that was not asked for, or not possible. */
  drift: DriftReport | null;
  findings: Finding[];
  /** Seconds that the assessment took. */
  seconds: number;
}
