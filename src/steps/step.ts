import type { Assessment } from '../assess/types.js';
import type { BackupPair } from '../backup/types.js';
import type { Archive } from '../stores/archive/archive.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { GraphSink } from './graph-sink.js';
import type { NodeSource } from './node-source.js';
import type { SourceIndex } from './source-index.js';

/** A record that could not be brought back, as `quarantine.ndjson` holds it. */
export interface QuarantineEntry {
  kind: 'memory' | 'node' | 'relationship' | 'property';
  /** Memory id, node id, or "source -TYPE-> target". */
  id: string;
  reason: string;
  /** Everything that is known of it. */
  record?: unknown;
}

/** What a recovery works on; made by the command, handed to every step. */
export interface StepContext {
  readonly graphName: string;
  readonly collection: string;
  readonly excludedTypes: ReadonlySet<string>;
  readonly graph: GraphStore;
  /** A connection of its own for the writes that run beside reads. */
  readonly openGraph: () => Promise<GraphStore>;
  readonly vectors: VectorStore;
  readonly archive: Archive | null;
  /** The pair to take relationships and graph-only properties from; null goes on without. */
  readonly backup: BackupPair | null;
  readonly assessment: Assessment;
  readonly stagingKey: string;
  readonly replacedKey: string;
  /** Nothing is written to any store; steps that only write are skipped. */
  readonly dryRun: boolean;
  /** Memories of the backup whose vector is gone are brought back instead of quarantined. */
  readonly restoreUnmatched: boolean;
  readonly signal: AbortSignal;
  readonly progress: (unit: string, done: number, total: number | null) => void;
  readonly notice: (message: string) => void;
  readonly salvage: (id: string, field: string, rule: string) => void;
  readonly quarantine: (entry: QuarantineEntry) => void;
  /** What the steps of one run hand on to each other. */
  readonly work: RebuildWork;
}

export interface RebuildWork {
  index: SourceIndex | null;
  sources: NodeSource[];
  sink: GraphSink | null;
  /** Live graph as it was when staging began; a change since then stops the run before the swap. */
  liveBefore: string | null;
  promoted: boolean;
  /** Whether the promotion replaced a graph, which is then kept. */
  replaced: boolean;
  restored: { memories: number; nodes: number; relationships: number; vectors: number };
  /** ISO-8601 time of the newest memory that the backup does not hold as it is now; null when it holds all. */
  newestUnbacked: string | null;
  losses: string[];
  /** Type of a Pattern node → its internal id in the staging graph. */
  patternIds: Map<string, number>;
  /** Ids of memories without a point → internal ids in the staging graph. */
  memoryIds: Map<string, number>;
}

/** One recovery step: data for the views, and the work. Idempotent: running it again after a crash does no harm. */
export interface Step {
  readonly id: string;
  readonly title: string;
  /** Whether it changes a store; such steps are skipped in a dry run. */
  readonly writes: boolean;
  /** Changes what is live in one command, and must be waited for, since whether it did has to be known. */
  readonly isSwap?: true;
  /** @returns what was done, for the log: "10,000 memories, all payloads read". */
  run(context: StepContext): Promise<string>;
}

export function emptyWork(): RebuildWork {
  return {
    index: null,
    sources: [],
    sink: null,
    liveBefore: null,
    promoted: false,
    replaced: false,
    restored: { memories: 0, nodes: 0, relationships: 0, vectors: 0 },
    newestUnbacked: null,
    losses: [],
    patternIds: new Map(),
    memoryIds: new Map(),
  };
}
