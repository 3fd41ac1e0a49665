import { parseJson } from '../../memory/json.js';
import type { Value } from '../../memory/values.js';

/** Qdrant's JSON reader follows 127 levels, of which a request's `{"points":[{` takes three. */
export const MAX_PAYLOAD_DEPTH = 124;

/** Strings, and the three words that Python writes where JSON has no number. */
const STRING_OR_WORD = /"[^"\\]*(?:\\[^][^"\\]*)*"|-?Infinity|NaN/g;
/** A whole surrogate pair, half of one, or any other escape. */
const ESCAPE =
  /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\[^]/g;
// eslint-disable-next-line no-control-regex -- these are what it looks for
const CONTROL = /[\x00-\x1f]/g;

/**
 * The payload of a point as the text it was written in, without white space: numbers keep their digits, 1.0 stays 1.0, and
 * what only goes from a backup into the collection is never parsed.
 */
export class PayloadText {
  /** What Qdrant refuses in it, and with it the whole request it comes in; null where it can be sent as it is. */
  readonly trouble: string | null;

  /** @throws InvalidJson when the text is not JSON, not even as Python writes it */
  constructor(readonly text: string) {
    this.trouble = troubleOf(text);
  }

  /** The payload as values, parsed anew at each call. */
  value(): Value {
    return parseJson(this.text);
  }

  /**
   * The text with everything made harmless that {@link trouble} tells of: null where there was NaN or Infinity, U+FFFD where
   * there was half a character, and control characters escaped. A loss: whoever uses it must say so.
   */
  repaired(): string {
    if (this.trouble === null) return this.text;
    return this.text.replace(STRING_OR_WORD, (found) => (found.startsWith('"') ? mended(found) : 'null'));
  }
}

function troubleOf(text: string): string | null {
  if (isStrictJson(text)) {
    return /\\u[dD]/.test(text) && hasHalfPair(text) ? 'a text in it holds half a character' : null;
  }
  parseJson(text);
  // Our parser takes two things that others refuse.
  const words = text.match(STRING_OR_WORD)?.filter((found) => !found.startsWith('"')) ?? [];
  return words.length > 0
    ? `it holds ${words[0] ?? ''}, which is no JSON`
    : 'a text in it holds a control character';
}

function isStrictJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function hasHalfPair(text: string): boolean {
  return text.match(ESCAPE)?.some(isHalfPair) ?? false;
}

function isHalfPair(escape: string): boolean {
  return escape.length === '\\ud800'.length;
}

function mended(literal: string): string {
  const whole = literal.replace(ESCAPE, (found) => (isHalfPair(found) ? '\\ufffd' : found));
  return whole.replace(CONTROL, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
