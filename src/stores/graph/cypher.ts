import { ExitCode, Failure } from '../../failure.js';
import { Double, type Value } from '../../memory/values.js';

const MAX_INT = 9_223_372_036_854_775_807n;

/**
 * Writes a value as a Cypher literal, to the letter: 1 stays an integer, 1.0 a double with all its digits.
 *
 * Put it behind a `CYPHER name=` header rather than into the query: subnormal doubles (below 2.3e-308) are a syntax
 * error in the query itself, but not there. Checked on FalkorDB 4.16.3, which reads backslash escapes in strings but
 * no `\uXXXX`: so only the backslash and the quote are escaped, and everything else goes as it is.
 *
 * @throws Failure for what FalkorDB cannot hold: NaN and infinity, integers beyond 64 bits, NUL, half surrogate pairs.
 */
export function toCypherLiteral(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return quoteText(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'bigint') return integer(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? integer(BigInt(value)) : real(value);
  if (value instanceof Double) return real(value.value);
  if (Array.isArray(value)) return `[${value.map(toCypherLiteral).join(',')}]`;
  const entries = Object.entries(value).map(([key, item]) => `${quoteName(key)}:${toCypherLiteral(item)}`);
  return `{${entries.join(',')}}`;
}

/**
 * Writes a label, relationship type or property key: between backticks, so that any word and any sign will do.
 * @throws Failure for what cannot be quoted: an empty name, and one with a backtick or NUL.
 */
export function quoteName(name: string): string {
  if (name === '' || /[`\0]/.test(name) || !name.isWellFormed()) {
    throw refusal(
      'quote a name for the graph',
      name,
      'it is empty or holds a backtick, a NUL or half a character',
    );
  }
  return `\`${name}\``;
}

function quoteText(text: string): string {
  if (text.includes('\0')) throw refusal('write a text to the graph', text, 'it holds a NUL');
  if (!text.isWellFormed())
    throw refusal('write a text to the graph', text, 'it holds half a surrogate pair');
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function integer(value: bigint): string {
  if (value > MAX_INT || value < -MAX_INT - 1n) {
    throw refusal('write an integer to the graph', String(value), 'it has more than 64 bits');
  }
  return String(value);
}

/** Always with a point or an exponent, or it would be read as an integer. */
function real(value: number): string {
  if (!Number.isFinite(value)) {
    throw refusal('write a double to the graph', String(value), 'Cypher has no literal for it');
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function refusal(operation: string, text: string, reason: string): Failure {
  const subject = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  return new Failure({
    operation,
    subject,
    reason,
    hint: 'Leave it out or change it at its source.',
    exitCode: ExitCode.failed,
    code: 'not-storable',
  });
}
