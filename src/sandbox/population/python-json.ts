import { Double, type Value } from '../../memory/values.js';

/**
 * A double as Python's `repr` writes it: always with a point or an exponent, the exponent with two digits, and
 * exponents from 1e16 up and below 1e-4.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  if (size >= 1e16 || size < 1e-4) {
    const [mantissa = '', exponent = ''] = value.toExponential().split('e');
    return `${mantissa}e${exponent[0] ?? '+'}${exponent.slice(1).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** A JSON string as Python's `json.dumps` writes it: ASCII only. */
export function pythonString(text: string): string {
  const quoted = JSON.stringify(text);
  return /[^\x20-\x7e]/.test(quoted)
    ? quoted.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : quoted;
}

/**
 * Writes a value as Python's `json.dumps` does, ASCII-escaped.
 * @param indent null for one line with `, ` and `: `; otherwise the spaces per level, as `indent=2` writes them.
 * @param level the level that the value stands on; its first line is not indented.
 */
export function pythonJson(value: Value, indent: number | null = null, level = 0): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return pythonString(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : pythonFloat(value);
  if (value instanceof Double) return pythonFloat(value.value);
  if (typeof value !== 'object') return String(value);
  const items = Array.isArray(value)
    ? value.map((item) => pythonJson(item, indent, level + 1))
    : Object.entries(value).map(
        ([key, item]) => `${pythonString(key)}: ${pythonJson(item, indent, level + 1)}`,
      );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  if (indent === null) return `${open}${items.join(', ')}${close}`;
  const line = `\n${' '.repeat(indent * (level + 1))}`;
  return `${open}${line}${items.join(`,${line}`)}\n${' '.repeat(indent * level)}${close}`;
}
