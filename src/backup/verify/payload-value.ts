import { parseJson } from '../../memory/json.js';
import type { Value, ValueMap } from '../../memory/values.js';

/**
 * The values of a payload's text, read by the native parser where nothing is lost by it, which is several times faster.
 *
 * @throws InvalidJson when it is not JSON, not even as Python writes it
 */
export function payloadValue(text: string): Value {
  // The native parser may confuse keys with escapes (nodejs/node#63785).
  if (text.includes('\\')) return parseJson(text);
  try {
    const value = JSON.parse(text) as Value;
    return isExact(value) ? value : parseJson(text);
  } catch {
    return parseJson(text);
  }
}

/** Of 1 and 1.0 the native parser makes the same; fractions are doubles either way. */
function isExact(value: Value): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) && Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isExact);
  for (const key in value) if (!isExact((value as ValueMap)[key] as Value)) return false;
  return true;
}
