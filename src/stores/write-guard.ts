import type { GraphStore } from './graph/graph-store.js';

/** What a request changes, in the word for people. */
export type Written = 'nodes' | 'relationships' | 'points';

/** Asked by a writer in the moment before each of its requests; it may have slept since the last one. */
export interface WriteGuard {
  /**
   * Comes back only where writing is still allowed: at once where that was confirmed a moment ago.
   *
   * @throws Failure where it is not allowed any more; then nothing may be sent
   */
  mayWrite(): Promise<void>;
  /**
   * Notes a request that is sent now.
   *
   * @returns to be called when it has ended, however: true where it is proven that it did nothing, or did it while that was
   * still allowed
   */
  sending(what: Written, count: number): (isProven: boolean) => void;
}

/** Besides, makes the graph server itself refuse what comes too late. */
export interface GraphGuard extends WriteGuard {
  /**
   * WATCHes on this connection what the writing depends on: a transaction that follows comes to nothing where it is lost, and
   * now and then where it is not.
   *
   * @returns false where it is kept elsewhere, and the server knows nothing of it
   * @throws Failure where writing is not allowed any more
   */
  watch(store: GraphStore): Promise<boolean>;
}
