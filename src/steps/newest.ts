import type { Value, ValueMap } from '../memory/values.js';

/** Names of times that tell when a record was changed; when it was last read, or what it is about, does not. */
const CHANGED = /(?:_at|_last_run)$/;

/** Milliseconds since 1970 of the newest change that a record tells of itself; -Infinity where it tells of none. */
export function newestTime(properties: ValueMap): number {
  let newest = -Infinity;
  for (const [name, value] of Object.entries(properties)) {
    if (!CHANGED.test(name) || typeof value !== 'string') continue;
    const time = Date.parse(value);
    if (time > newest) newest = time;
  }
  return newest;
}

/** The later of two ISO-8601 times, down to their microseconds; what is no text is earlier than any. */
export function laterText(a: Value | undefined, b: Value | undefined): Value | undefined {
  if (typeof a !== 'string') return typeof b === 'string' ? b : (a ?? b);
  if (typeof b !== 'string') return a;
  const [left, right] = [Date.parse(a), Date.parse(b)];
  if (left === right) return a > b ? a : b;
  return left > right || Number.isNaN(right) ? a : b;
}
