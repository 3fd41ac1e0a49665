import type { Value } from '../../memory/values.js';

/** How a record of a list ends in the files that AutoMem writes: Python's `json.dump(…, indent=2)`. */
const RECORD_END = '\n    }';
const PLAIN_KEY = /^[A-Za-z0-9_]+$/;

/**
 * Reads a node or relationship with JavaScript's own parser, which is several times faster than ours, where it is certain
 * that nothing is lost by it:
 *
 * - The record is laid out as AutoMem lays it out, so that its end can be found. A line break cannot stand in a JSON
 *   string, so what is cut at one is either a whole record or no JSON at all.
 * - No property is a whole number: of 1 and 1.0 the native parser makes the same. Fractions are doubles either way.
 * - No list holds anything but texts, and every key is plain: V8 may confuse keys with escapes (nodejs/node#63785).
 *
 * @param start where the record's opening brace stands.
 * @returns null where any of this does not hold; the record must then be read by our own parser.
 */
export function nativeRecord(text: string, start: number): { record: Value; end: number } | null {
  const at = text.indexOf(RECORD_END, start);
  if (at < 0) return null;
  const end = at + RECORD_END.length;
  let record: { properties?: unknown };
  try {
    record = JSON.parse(text.slice(start, end)) as { properties?: unknown };
  } catch {
    return null;
  }
  return isLossless(record.properties) ? { record: record as Value, end } : null;
}

function isLossless(properties: unknown): boolean {
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) return false;
  for (const key in properties) {
    const value = (properties as Record<string, unknown>)[key];
    if (typeof value === 'number' ? Number.isInteger(value) : typeof value === 'object' && !isTexts(value))
      return false;
    if (!PLAIN_KEY.test(key)) return false;
  }
  return true;
}

function isTexts(value: object | null): boolean {
  if (value === null) return true;
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
