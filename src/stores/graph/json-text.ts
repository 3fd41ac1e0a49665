import { Double, type Value, type ValueMap } from '../../memory/values.js';

const DIGITS = 15;

/**
 * The text that FalkorDB's `toJSON` gives of these properties, where they stand in this order (checked on FalkorDB 4.16.3):
 * it escapes nothing, prints doubles with 15 digits and does not tell 1.0 from 1.
 *
 * @returns null where that cannot be foretold
 */
export function propertiesText(properties: ValueMap): string | null {
  const parts: string[] = [];
  for (const key in properties) {
    const value = properties[key] as Value;
    if (value === null) continue;
    const text = scalarText(value) ?? listText(value);
    if (text === null) return null;
    parts.push(`"${key}": ${text}`);
  }
  return `{${parts.join(', ')}}`;
}

/** Lists of texts alone: the type of a number within a list can be asked for by no column. */
function listText(value: Value): string | null {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) return null;
  return value.length === 0 ? '[]' : `["${value.join('", "')}"]`;
}

function scalarText(value: Value): string | null {
  if (typeof value === 'string') return `"${value}"`;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value + 0) : doubleText(value);
  return value instanceof Double ? doubleText(value.value) : null;
}

/** As C prints a double with `%.15g`; null for what is not worth the trouble. */
function doubleText(value: number): string | null {
  if (Object.is(value, -0)) return '-0';
  const size = Math.abs(value);
  if (!(size < 1e15 && (size >= 1e-4 || size === 0))) return null;
  const text = value.toPrecision(DIGITS);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
