import type { Mend } from '../recovery/events.js';
import type { Verdict } from './check.js';
import type { Differences } from './memory-census.js';

/** What is done about a failed check: by a person, in words, and by Lifeboat where it can. */
export interface Remedy {
  fix: string;
  mend?: Mend;
}

/** At most this many percent are mended in place; above, a whole store is behind, and a plan brings it back. */
export const MOST_MENDED_PERCENT = 50;

export function passed(expected: string, actual: string, provesData = true): Verdict {
  return { status: 'pass', expected, actual, provesData };
}

export function failed(expected: string, actual: string, remedy: Remedy, provesData = true): Verdict {
  return { status: 'fail', expected, actual, ...remedy, provesData };
}

export function skipped(expected: string, why: string): Verdict {
  return { status: 'skip', expected, actual: `not checked: ${why}`, provesData: false };
}

/** "3 points without a memory (a, b, c)"; empty where there are none. */
export function problem({ count, examples }: Differences, what: string): string {
  return count === 0 ? '' : `${count} ${what} (${examples.slice(0, 3).join(', ')}${count > 3 ? ', …' : ''})`;
}
