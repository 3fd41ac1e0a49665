import type { SharedField } from '../memory/fingerprint.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';

/** What can be said of an id that one of the stores holds; each id is of exactly one class. */
export const DRIFT_CLASSES = [
  /** In both stores, and alike as far as was looked. */
  'same',
  /** A memory that should have a vector and has none: no point, or a point without a vector. */
  'missing-vector',
  /** A point without a memory. */
  'orphan-vector',
  /** The payload says something else than the graph, in other fields than the content. */
  'stale-payload',
  /** The payload has another content: the vector is of the old text. */
  'content-changed',
  /** Several Memory nodes have this id. */
  'duplicate-id',
  /** Of a type that AutoMem gives no vector; where there is one, it is ignored. */
  'excluded-type',
  /** A memory without content, which AutoMem cannot embed. */
  'no-content',
  /** Some difference, of a memory so young that the service may not be done with it. */
  'pending',
  /** The vector is the random one that AutoMem stores where no embedding provider answers. */
  'placeholder-vector',
  /** In both stores, in a collection of another size than the expected one. */
  'wrong-size',
] as const;

export type DriftClass = (typeof DRIFT_CLASSES)[number];

/** Both stores, open. Graph and collection must exist. */
export interface DriftContext {
  readonly graph: GraphStore;
  readonly graphName: string;
  readonly vectors: VectorStore;
  readonly collection: string;
}

export interface DriftOptions {
  /** `content` compares every memory with its payload, field by field; `ids` only which ids there are. */
  readonly depth: 'ids' | 'content';
  /** RECALL_EXCLUDED_TYPES. The graph's type decides; a payload's only where there is no memory. */
  readonly excludedTypes: ReadonlySet<string>;
  /** Whether to look for placeholder vectors. Default: false. */
  readonly placeholders?: boolean;
  /** Whether to ask for points without a vector. Default: true. */
  readonly vectorless?: boolean;
  /** Differences of memories changed within so many seconds are pending. Default: 120. */
  readonly graceSeconds?: number;
  /** Components that vectors should have; null or absent where any will do. */
  readonly expectedSize?: number | null;
  readonly signal: AbortSignal;
  /** The end of the grace period. Default: the time of the call. */
  readonly now?: Date;
  /** Told now and then how many nodes and points were read, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told every id that is not `same`, once both stores were read completely. */
  readonly onDifference?: (difference: Difference) => void;
}

/** One id that is not the same in both stores. */
export interface Difference {
  /** As the stores join it: UUIDs hyphenated and in small letters, integers as decimal text. */
  readonly id: string;
  readonly class: DriftClass;
  /** What a `pending` one would be if it were older. */
  readonly pendingAs?: DriftClass;
  /** Shared fields in which payload and node differ. */
  readonly fields?: readonly SharedField[];
  /** The graph's own id of the node; absent where there is none. One of them where several nodes have the id. */
  readonly internalId?: number;
  /** True where the point is there, but has no vector. */
  readonly vectorless?: true;
  /** True for a point without a memory whose payload holds no content, so that none can be made of it. */
  readonly contentless?: true;
}

/** Some ids of a class. */
export interface DriftExample {
  id: string;
  /** For the classes in which payload and node differ: where. */
  fields?: SharedField[];
}

/** Two stores held against each other, id by id. */
export interface DriftReport {
  /** ISO-8601. */
  takenAt: string;
  depth: 'ids' | 'content';
  /** Nodes with the label Memory. */
  memories: number;
  points: number;
  /** Memories that should have a vector. */
  eligible: number;
  /** Ids by class. */
  counts: Record<DriftClass, number>;
  /** (missing + orphans + stale + changed) / all ids that should be in both stores · 100. */
  percent: number;
  /** What AutoMem's own health check would say: it compares totals. abs(difference) / max(points, 1) · 100. */
  automem: { memories: number; points: number; percent: number };
  /** Shared field → ids whose payload differs in it. */
  staleFields: Record<string, number>;
  /** Up to ten ids of each class that has any. */
  examples: Partial<Record<DriftClass, DriftExample[]>>;
  /** Seconds that it took. */
  seconds: number;
}

/** Whether anything differs that is not as it should be or about to mend itself. */
export function hasDrift({ counts }: Pick<DriftReport, 'counts'>): boolean {
  return DRIFT_CLASSES.some((name) => counts[name] > 0 && !HARMLESS.has(name));
}

/** Classes that call for nothing: AutoMem means them to be so, or is still at work. Source: its contract, 2.4. */
const HARMLESS: ReadonlySet<DriftClass> = new Set(['same', 'excluded-type', 'no-content', 'pending']);
