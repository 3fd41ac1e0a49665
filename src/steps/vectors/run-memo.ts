import { IdTable } from '../../drift/id-table.js';
import type { RunWork } from '../step.js';

/**
 * What the steps of this room remember of a run while the process lives. A process that takes over begins with nothing:
 * it only asks and looks once more than needed.
 */
export interface RunMemo {
  /** Ids of the points that were written: one that has no memory afterwards was deleted while it was made. */
  readonly written: IdTable;
  /** Memories that got no vector and will not get one by asking again: in quarantine. */
  readonly refused: Set<string>;
  /** Whether the provider was held against the vectors that there are. */
  isGuarded: boolean;
}

const memos = new WeakMap<RunWork, RunMemo>();

export function memoOf(work: RunWork): RunMemo {
  const known = memos.get(work) ?? { written: new IdTable(), refused: new Set(), isGuarded: false };
  memos.set(work, known);
  return known;
}
