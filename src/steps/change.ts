import type { GraphStore } from '../stores/graph/graph-store.js';
import type { WriteGuard } from '../stores/write-guard.js';
import type { CollectionDescription } from '../stores/vectors/collection-admin.js';

/** A snapshot that was asked for: by that one is found again of which nobody learned the name. */
interface SnapshotAsk {
  /** ISO-8601. */
  at: string;
  /** Names of the snapshots that the collection had then. */
  beside: string[];
}

/** A change of a store that can be undone, and what is needed for that. Plain data: it stands in the run's journal. */
export type Change =
  /**
   * The staged graph took the live key; what was there is kept under `replaced`, null where there was nothing. `earlier` is
   * the run that had made what was there, null where none is known.
   */
  | { kind: 'graph-swap'; graph: string; staging: string; replaced: string | null; earlier?: string | null }
  /**
   * The live graph is changed in place; `copy` holds it as it was before, null where there was no graph. `earlier` as above;
   * journals of before it was noted have none.
   */
  | { kind: 'graph-edit'; graph: string; copy: string | null; earlier?: string | null }
  /**
   * Points of the collection are changed; the server keeps a snapshot of how they were, null until it is taken. `undone` are
   * snapshots of what a rollback replaced, `asked` the times at which a snapshot was asked for.
   */
  | {
      kind: 'collection-edit';
      collection: string;
      snapshot: string | null;
      undone?: string[];
      asked?: SnapshotAsk[];
    }
  /**
   * There was no such collection before; or an empty one that the vectors did not fit into, as `replaced` describes it.
   * `undone` and `asked` as above.
   */
  | {
      kind: 'collection-create';
      collection: string;
      replaced?: CollectionDescription;
      undone?: string[];
      asked?: SnapshotAsk[];
    };

/** `intent` is journalled before, `done` after; a rollback makes it `undone`, letting go of what was kept `freed`. */
export type ChangePhase = 'intent' | 'done' | 'undone' | 'freed';

/** Journals what is about to be changed, before it is, and that it was. */
export interface ChangeLog extends WriteGuard {
  /**
   * @param work makes the change as it was journalled, and tells it as it was made, such as with the name of a snapshot
   * @throws Failure where the lease was lost or the journal cannot be written: then nothing is changed
   */
  make(intent: Change, work: () => Promise<Change>): Promise<Change>;
  /** What this run changed already, before it was stopped perhaps. */
  made<K extends Change['kind']>(
    kind: K,
  ): { change: Extract<Change, { kind: K }>; phase: ChangePhase } | undefined;
  /** Journals that a change, known by its intent, was found to be made, or was undone by the run itself. */
  settle(kind: Change['kind'], phase: 'done' | 'undone'): void;
  /** Throws Failure where the lease was lost: asked before each write of a change that stands in the journal. */
  check(): Promise<void>;
  /**
   * WATCHes the lease on this connection, where it is kept beside the graph: a transaction that follows then comes to
   * nothing if somebody takes the lease over, and also at a heartbeat of our own. Throws Failure where it was lost.
   *
   * @returns false where it is kept elsewhere, and nothing is watched
   */
  fence(graph: GraphStore, graphName: string): Promise<boolean>;
}

/** Small files in the folder of the run, written whole or not at all. */
export interface Checkpoints {
  read(name: string): Promise<Buffer | null>;
  write(name: string, data: Buffer): Promise<void>;
}
