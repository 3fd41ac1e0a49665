import type { Assessment, Finding } from '../assess/types.js';
import type { PassedOver } from '../backup/pair/choose-pair.js';
import type { IdSet } from '../backup/pair/id-set.js';
import type { PairVerification } from '../backup/pair/verify-pair.js';
import type { BackupPair } from '../backup/types.js';
import { IdTable } from '../drift/id-table.js';
import type { EmbeddingProvider } from '../embedding/provider.js';
import type { Archive } from '../stores/archive/archive.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { ApiAddress } from '../stores/service/automem-api.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { ChangeLog, Checkpoints } from './change.js';
import type { Differences } from './differences.js';
import type { GraphMark } from './graph-mark.js';
import type { GraphSink } from './graph-sink.js';
import type { LiveWatch } from '../stores/graph/live-watch.js';
import type { NodeSource } from './node-source.js';
import type { CopyRecord } from './restore/copy-record.js';
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
  /** The operator named the backup: no other may take its place. */
  readonly backupNamed: boolean;
  /** The command of the run, to which other options can be added. */
  readonly again: string;
  /** The operator goes without backups. */
  readonly withoutBackup: boolean;
  readonly assessment: Assessment;
  readonly stagingKey: string;
  readonly replacedKey: string;
  /** Nothing is written to any store; steps that only write are skipped. */
  readonly dryRun: boolean;
  readonly options: RecoveryOptions;
  readonly changes: ChangeLog;
  readonly checkpoints: Checkpoints;
  /** What a collection that does not exist yet becomes. */
  readonly vectorSettings: { size: number; sizeFromCollection: boolean; payloadIndexes: boolean };
  /** The provider that vectors of this size are made with. @throws Failure where none is set up */
  readonly embedder: (size: number) => EmbeddingProvider;
  /** AutoMem's own API, for --via-api. */
  readonly service: ApiAddress;
  /** Aborts when the step must end at once. */
  readonly signal: AbortSignal;
  /** Aborts earlier, when the operator asked to stop after the step in hand: one that only waits ends then. */
  readonly stopSignal: AbortSignal;
  readonly progress: (unit: string, done: number, total: number | null) => void;
  readonly notice: (message: string) => void;
  /** Tells what the operator must know before the result is trusted. */
  readonly warn: (finding: Finding) => void;
  readonly salvage: (id: string, field: string, rule: string) => void;
  readonly quarantine: (entry: QuarantineEntry) => void;
  /** What the steps of one run hand on to each other. */
  readonly work: RunWork;
}

/** What the operator asked for besides the plan. Plain data: a resumed run has the same. */
export interface RecoveryOptions {
  /** Memories of the backup whose vector is gone are brought back instead of quarantined. */
  restoreUnmatched: boolean;
  /** Leaves the other store alone; null works on both. */
  only: 'graph' | 'vectors' | null;
  /** A restore adds what is missing and changes nothing else. */
  merge: boolean;
  /** A restore deletes points that the backup does not hold. */
  exact: boolean;
  /** What becomes of points without a memory. */
  orphans: 'restore' | 'delete' | 'keep';
  /** Percent of drift above which a repair refuses. */
  maxDrift: number;
  /** Repairs also where there is little to worry about. */
  always: boolean;
  /** Embeds everything anew, in the space of the provider's model. */
  newSpace: boolean;
  /** Lets AutoMem embed, through its own API. */
  viaApi: boolean;
  /** Vectors come from a function of the text: for drills and tests only. */
  deterministicVectors: boolean;
  /** Seconds to wait for what a person or the service must do first. */
  waitSeconds: number;
  /** Seconds to wait, before anything is read, until the service has stopped writing; null does not wait. */
  waitForQuiet: number | null;
}

/** The backup that a restore takes from, read to its end. A half that must not be used is null. */
export interface VerifiedPair extends BackupPair {
  /** Components of its vectors; null where that half is not used. */
  vectorSize: number | null;
  /** Points in that half, those included that cannot be restored; missing where it is not used. */
  points?: number;
}

/** What later steps, the validation and the report need of those before; journalled with each step, so plain data. */
export interface LastingWork {
  promoted: boolean;
  /** Whether the promotion replaced a graph, which is then kept. */
  replaced: boolean;
  restored: { memories: number; nodes: number; relationships: number; vectors: number };
  /** Relationships that were written, by type; null where no graph was built. */
  byRelationship: Record<string, number> | null;
  /** ISO-8601 time of the newest memory that the backup does not hold as it is now; null when it holds all. */
  newestUnbacked: string | null;
  /** In plain words; see vectors/losses.ts, which journals them. */
  losses: readonly string[];
  /** Points that gave no memory: they are in quarantine. */
  quarantinedPoints: string[];
  /** Vectors that were embedded anew, and the tokens that the provider counted; null where none had to be. */
  embedded: { vectors: number; tokens: number | null } | null;
  /** Percent by which the stores were apart, as far as they were compared. */
  drift: { before: number | null; after: number | null } | null;
  /** What a restore takes from; null in all other runs. See {@link pairInUse}. */
  pair: VerifiedPair | null;
}

export interface RunWork extends LastingWork {
  /** Backups that must not be used, newest first; see prove-halves.ts. */
  passedOver: PassedOver[];
  /** The pairs whose halves were read to their end; null where none is sound, missing before that was found out. */
  proven: { graph?: BackupPair | null; vectors?: BackupPair | null };
  /** Results of {@link verifyPair} by timestamp and halves. */
  verified: Map<string, PairVerification>;
  /** Why the run ends here, without a fault and with nothing changed; null where it goes on. */
  nothingToDo: string | null;
  /** What the last comparison of the stores found. */
  differences: Differences | null;
  /** Memories that get their vector from the newest backup; null before that was found out. */
  coverage: ReadonlySet<string> | null;
  index: SourceIndex | null;
  sources: NodeSource[];
  sink: GraphSink | null;
  /** How the live graph was when it was read last; null before that. */
  mark: GraphMark | null;
  /** Watches the live graph from the moment that {@link mark} was begun; null where nothing is promoted. */
  watch: LiveWatch | null;
  /** This process made the swap: what is live is as it was a moment ago. */
  swappedHere: boolean;
  /** This run made the swap before it was stopped, and begins anew all the same. */
  swappedBefore: boolean;
  /** Type of a Pattern node → its internal id in the staging graph. */
  patternIds: Map<string, number>;
  /** Ids of memories without a point → internal ids in the staging graph. */
  memoryIds: Map<string, number>;
  /** What is staged when the graph is a copy of a backup; null where it is built from payloads. */
  copy: CopyRecord | null;
  /** Ids of all points of the backup that a restore read, those included that cannot be restored. */
  pointsOfBackup: IdSet | null;
  /** Ids of points that vectors were made for: one that has no memory afterwards was deleted while it was made. */
  writtenPoints: IdTable;
  /** In a collection that this run made: points of the backup that somebody else wrote or changed. */
  foreignPoints: IdTable;
  /** Points that this run had restored, to the last one, before it was stopped; null where it had not. */
  restoredBefore: number | null;
  /** With --merge: memories whose stores differ, as the last comparison found them, and that stay as they are. */
  keptByMerge: Set<string>;
  /** Memories that got no vector and will not get one by asking again: in quarantine. */
  refusedVectors: Set<string>;
  /** The collection is empty and the vectors do not fit into it: it is deleted before it is made. */
  makesCollectionAnew: boolean;
  /** Whether the provider was held against the vectors that there are. */
  isSpaceGuarded: boolean;
  /** Notes all that is lost before it counts. @throws Failure where it cannot be noted */
  readonly journalLosses: (losses: readonly string[]) => void;
}

/** What the steps of a run share; each gets its own progress, and a graph connection that is alive. */
export type RunStepsContext = Omit<StepContext, 'progress' | 'graph'> & {
  /** The run's connection to the graph server, made again where it broke. @throws Failure where it cannot be reached */
  readonly liveGraph: () => Promise<GraphStore>;
};

/** One recovery step: data for the views, and the work. Idempotent: running it again after a crash does no harm. */
export interface Step {
  readonly id: string;
  readonly title: string;
  /** Whether it changes a store; such steps are skipped in a dry run. */
  readonly writes: boolean;
  /** The store that it is about; --only leaves the steps of the other one out. */
  readonly store?: 'graph' | 'vectors';
  /**
   * Makes live in one command what the steps before it prepared. It must be waited for, since whether it did has to be
   * known; and a resumed run begins after it.
   */
  readonly isSwap?: true;
  /** Runs also where the graph server cannot be reached; it must not use `context.graph`. */
  readonly withoutGraph?: true;
  /** @returns what was done, for the log: "10,000 memories, all payloads read". */
  run(context: StepContext): Promise<string>;
}

/** @param journalLosses see {@link RunWork}; without it a run that is killed within a step forgets what that told */
export function emptyWork(journalLosses: RunWork['journalLosses'] = () => undefined): RunWork {
  return {
    promoted: false,
    replaced: false,
    restored: { memories: 0, nodes: 0, relationships: 0, vectors: 0 },
    byRelationship: null,
    newestUnbacked: null,
    losses: [],
    quarantinedPoints: [],
    embedded: null,
    drift: null,
    pair: null,
    passedOver: [],
    proven: {},
    verified: new Map(),
    nothingToDo: null,
    differences: null,
    coverage: null,
    index: null,
    sources: [],
    sink: null,
    mark: null,
    watch: null,
    swappedHere: false,
    swappedBefore: false,
    patternIds: new Map(),
    memoryIds: new Map(),
    copy: null,
    pointsOfBackup: null,
    writtenPoints: new IdTable(),
    foreignPoints: new IdTable(),
    restoredBefore: null,
    keptByMerge: new Set(),
    refusedVectors: new Set(),
    makesCollectionAnew: false,
    isSpaceGuarded: false,
    journalLosses,
  };
}

/** The part of the work that is journalled. */
export function lastingWork(work: RunWork): LastingWork {
  const { promoted, replaced, restored, byRelationship, newestUnbacked, losses } = work;
  const { quarantinedPoints, embedded, drift, pair } = work;
  return {
    promoted,
    replaced,
    restored,
    byRelationship,
    newestUnbacked,
    losses,
    quarantinedPoints,
    embedded,
    drift,
    pair,
  };
}
