import { SHARED_FIELDS } from '../memory/fingerprint.js';
import { Mark } from './pairs.js';
import type { DriftClass } from './types.js';

const CONTENT = 1 << SHARED_FIELDS.indexOf('content');

/** Classes that no time mends, or that are no difference: being young does not change them. */
const TIMELESS: ReadonlySet<DriftClass> = new Set(['same', 'excluded-type', 'no-content', 'wrong-size']);

/**
 * The one class of an id.
 *
 * @param marks see {@link Mark}
 * @param differing bit set of the shared fields in which payload and node differ
 * @param wrongSize whether the collection is of another size than the expected one
 */
export function classify(
  marks: number,
  differing: number,
  wrongSize: boolean,
): { class: DriftClass; pendingAs?: DriftClass } {
  const settled = settledClass(marks, differing, wrongSize);
  const isPending = (marks & Mark.Young) !== 0 && !TIMELESS.has(settled);
  return isPending ? { class: 'pending', pendingAs: settled } : { class: settled };
}

/** The graph decides: first what it says of the memory, then whether there is a vector, then what is wrong with it. */
function settledClass(marks: number, differing: number, wrongSize: boolean): DriftClass {
  const has = (mark: Mark): boolean => (marks & mark) !== 0;
  if (!has(Mark.Node)) return has(Mark.ExcludedPoint) ? 'excluded-type' : 'orphan-vector';
  if (has(Mark.Duplicate)) return 'duplicate-id';
  if (has(Mark.ExcludedNode)) return 'excluded-type';
  if (!has(Mark.Point) || has(Mark.Vectorless)) return has(Mark.BlankNode) ? 'no-content' : 'missing-vector';
  const changed = (differing & CONTENT) !== 0;
  if (has(Mark.BlankNode) && !changed) return differing === 0 ? 'no-content' : 'stale-payload';
  if (wrongSize) return 'wrong-size';
  if (changed) return 'content-changed';
  if (has(Mark.Placeholder)) return 'placeholder-vector';
  return differing === 0 ? 'same' : 'stale-payload';
}
