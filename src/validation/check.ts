import type { CheckResult } from '../recovery/events.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { MemoryCensus } from './memory-census.js';

/** What the five checks look at. */
export interface ValidationContext {
  /** Null where the store could not be reached; `problem` says why. */
  readonly graph: GraphStore | null;
  readonly vectors: VectorStore | null;
  readonly problems: readonly string[];
  readonly graphName: string;
  readonly collection: string;
  readonly excludedTypes: ReadonlySet<string>;
  /** Whether AutoMem has indexes made for the payload fields that it filters by. */
  readonly payloadIndexes: boolean;
  /** What a recovery just wrote; null when validating on its own. */
  readonly expected: {
    nodes: number;
    relationships: number;
    byRelationship: Record<string, number>;
    /** Points whose payload gave no memory; they are listed in the run's quarantine. */
    quarantined: ReadonlySet<string>;
  } | null;
  /**
   * `content` compares every memory with its payload; `ids` compares id sets, which is enough right after a recovery
   * whose candidate was compared by content.
   */
  readonly depth: 'ids' | 'content';
  readonly signal: AbortSignal;
  /** Read once by the second check and used by those after it. */
  census: MemoryCensus | null;
}

/** What a check says, before it has its place in the five. */
export type Verdict = Omit<CheckResult, 'step' | 'name'>;

/** One step of the five-step validation. Throws Failure when a store stops answering. */
export interface Check {
  readonly step: number;
  readonly name: string;
  run(context: ValidationContext): Promise<Verdict>;
}
