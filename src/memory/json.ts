import { Double, double, isMap, setOwn, type Value, type ValueMap } from './values.js';

/** The text ended inside a value: more of it must be read. */
export class IncompleteJson extends Error {
  override readonly name = 'IncompleteJson';
}

/** The text is not JSON. `offset` counts characters from the start of the text that was given. */
export class InvalidJson extends Error {
  override readonly name = 'InvalidJson';
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(`${message} at character ${offset}`);
  }
}

// One instance serves every throw: a stream runs out of text once a chunk, and stack traces are dear.
const INCOMPLETE = new IncompleteJson('the text ends inside a value');

const enum Char {
  Tab = 9,
  Newline = 10,
  Return = 13,
  Space = 32,
  Quote = 34,
  Plus = 43,
  Comma = 44,
  Minus = 45,
  Dot = 46,
  Zero = 48,
  Nine = 57,
  Colon = 58,
  UpperE = 69,
  UpperI = 73,
  UpperN = 78,
  OpenBracket = 91,
  Backslash = 92,
  CloseBracket = 93,
  LowerE = 101,
  LowerF = 102,
  LowerN = 110,
  LowerT = 116,
  OpenBrace = 123,
  CloseBrace = 125,
}

/**
 * How deep values may be nested: as deep as Python's own reader follows by default. Qdrant refuses more than 128 levels;
 * without a limit, a hostile text would exhaust the stack.
 */
export const MAX_DEPTH = 1000;

/** Which key came after which. */
export type KeyFollowers = Map<string, string>;

/** A file of wild keys must not fill the memory. */
const MAX_FOLLOWERS = 1_000;

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
/** What a number can be cut down to that is no number itself. */
const NUMBER_START = /^-?(?:(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?[eE][+-]?))?$/;

/**
 * Reads JSON without losing what JavaScript's own parser loses: 1.0 stays a double, integers beyond 2^53 stay
 * exact, and `NaN`, `Infinity` and `-Infinity` are read as Python writes them (AutoMem's backup files may hold them).
 * Control characters that a text holds unescaped are kept, as Python does with `strict=False`.
 *
 * It reads values one after another from `text`, so that a caller can walk a file in chunks.
 */
export class JsonReader {
  pos = 0;
  // Where the next backslash is, so that strings without escapes are cut without looking at each character.
  private nextBackslash = -1;
  private depth = 0;

  constructor(
    readonly text: string,
    /** True where no more text can follow: a number that touches the end is then whole. */
    private readonly last: boolean = true,
    /** Shared by the readers of one file, whose records have the same keys in the same order. */
    private readonly followers: KeyFollowers = new Map(),
  ) {}

  /** Skips white space and returns the character there, or throws {@link IncompleteJson}. */
  peek(): number {
    const { text } = this;
    for (let pos = this.pos; ; pos++) {
      const char = text.charCodeAt(pos);
      if (char > Char.Space) {
        this.pos = pos;
        return char;
      }
      if (char === Char.Space || char === Char.Newline || char === Char.Return || char === Char.Tab) continue;
      this.pos = pos;
      // Past the end there is NaN; a control character is left for the caller to refuse.
      if (pos >= text.length) throw INCOMPLETE;
      return char;
    }
  }

  /** Skips white space; true when nothing else is left. */
  atEnd(): boolean {
    try {
      this.peek();
      return false;
    } catch (error) {
      if (error instanceof IncompleteJson) return true;
      throw error;
    }
  }

  /** Consumes one punctuation character, or throws {@link InvalidJson}. */
  expect(char: number): void {
    const found = this.peek();
    if (found !== char) throw this.invalid(`expected ${quoted(char)} but found ${quoted(found)}`);
    this.pos++;
  }

  /** As {@link peek}, for where white space is unlikely or a single space. */
  private glance(): number {
    let char = this.text.charCodeAt(this.pos);
    if (char === Char.Space) char = this.text.charCodeAt(++this.pos);
    return char > Char.Space ? char : this.peek();
  }

  value(): Value {
    const char = this.glance();
    switch (char) {
      case Char.Quote:
        return this.string();
      case Char.OpenBrace:
        return this.object();
      case Char.OpenBracket:
        return this.array();
      case Char.LowerT:
        return this.word('true', true);
      case Char.LowerF:
        return this.word('false', false);
      case Char.LowerN:
        return this.word('null', null);
      case Char.UpperN:
        return this.word('NaN', new Double(NaN));
      case Char.UpperI:
        return this.word('Infinity', new Double(Infinity));
      default:
        return this.number(char);
    }
  }

  object(): ValueMap {
    this.expect(Char.OpenBrace);
    this.enter();
    const map: ValueMap = {};
    let next = this.peek();
    if (next === Char.CloseBrace) {
      this.leave();
      return map;
    }
    for (let key = ''; ;) {
      if (next !== Char.Quote) throw this.invalid('expected a key');
      key = this.key(key);
      if (this.glance() !== Char.Colon) this.expect(Char.Colon);
      this.pos++;
      const value = this.value();
      setOwn(map, key, value);
      next = this.glance();
      if (next === Char.CloseBrace) {
        this.leave();
        return map;
      }
      if (next !== Char.Comma) throw this.invalid(`expected "," or "}" but found ${quoted(next)}`);
      this.pos++;
      next = this.peek();
    }
  }

  /**
   * A key. Most stand after the same key as in the record before: then the text is only compared, and the string of then is
   * taken, which spares cutting and hashing it.
   */
  private key(previous: string): string {
    const { text, followers } = this;
    const start = this.pos + 1;
    const guess = followers.get(previous);
    if (
      guess !== undefined &&
      text.startsWith(guess, start) &&
      text.charCodeAt(start + guess.length) === Char.Quote
    ) {
      this.pos = start + guess.length + 1;
      return guess;
    }
    const key = this.string();
    const isPlain = this.pos === start + key.length + 1 && !key.includes('\\');
    if (!isPlain || followers.size >= MAX_FOLLOWERS) return key;
    // Copied, or the whole text would be kept in memory for the sake of a few characters of it.
    const kept = Buffer.from(key, 'utf16le').toString('utf16le');
    followers.set(previous, kept);
    return kept;
  }

  array(): Value[] {
    this.expect(Char.OpenBracket);
    this.enter();
    const items: Value[] = [];
    if (this.peek() === Char.CloseBracket) {
      this.leave();
      return items;
    }
    for (;;) {
      items.push(this.value());
      const next = this.glance();
      if (next === Char.CloseBracket) {
        this.leave();
        return items;
      }
      if (next !== Char.Comma) throw this.invalid(`expected "," or "]" but found ${quoted(next)}`);
      this.pos++;
    }
  }

  private enter(): void {
    if (++this.depth > MAX_DEPTH) throw this.invalid(`values are nested deeper than ${MAX_DEPTH} levels`);
  }

  private leave(): void {
    this.depth--;
    this.pos++;
  }

  string(): string {
    const { text } = this;
    const start = this.pos + 1;
    const end = text.indexOf('"', start);
    if (end < 0) throw INCOMPLETE;
    if (this.nextBackslash < start) {
      const found = text.indexOf('\\', start);
      this.nextBackslash = found < 0 ? text.length : found;
    }
    if (this.nextBackslash > end) {
      this.pos = end + 1;
      return text.slice(start, end);
    }
    return this.escapedString(start, end);
  }

  private escapedString(start: number, firstQuote: number): string {
    const { text } = this;
    let end = firstQuote;
    while (isEscaped(text, start, end)) {
      end = text.indexOf('"', end + 1);
      if (end < 0) throw INCOMPLETE;
    }
    const value = unescape(text.slice(start - 1, end + 1));
    if (value === null) throw this.invalid('a string holds an invalid escape');
    this.pos = end + 1;
    return value;
  }

  private number(first: number): Value {
    const { text } = this;
    const start = this.pos;
    if (first === Char.Minus && text.charCodeAt(start + 1) === Char.UpperI) {
      return this.word('-Infinity', new Double(-Infinity));
    }
    let pos = start;
    let isDouble = false;
    for (; ; pos++) {
      const char = text.charCodeAt(pos);
      if (char >= Char.Zero && char <= Char.Nine) continue;
      if (char === Char.Dot || char === Char.LowerE || char === Char.UpperE) isDouble = true;
      else if (char !== Char.Minus && char !== Char.Plus) break;
    }
    if (pos >= text.length && !this.last) throw INCOMPLETE;
    const literal = text.slice(start, pos);
    if (!NUMBER.test(literal)) {
      if (pos >= text.length && NUMBER_START.test(literal)) throw INCOMPLETE;
      throw this.invalid(`expected a value but found ${quoted(first)}`);
    }
    this.pos = pos;
    if (isDouble) return double(Number(literal));
    const value = Number(literal);
    return Number.isSafeInteger(value) ? value + 0 : BigInt(literal);
  }

  private word<T>(word: string, value: T): T {
    const { text, pos } = this;
    if (text.startsWith(word, pos)) {
      this.pos = pos + word.length;
      return value;
    }
    if (word.startsWith(text.slice(pos))) throw INCOMPLETE;
    throw this.invalid(`expected "${word}"`);
  }

  private invalid(message: string): InvalidJson {
    return new InvalidJson(message, this.pos);
  }
}

function isEscaped(text: string, start: number, quote: number): boolean {
  let backslashes = 0;
  for (let pos = quote - 1; pos >= start && text.charCodeAt(pos) === Char.Backslash; pos--) backslashes++;
  return backslashes % 2 === 1;
}

// eslint-disable-next-line no-control-regex -- these are what it looks for
const ESCAPE_OR_CONTROL = /\\[^]|[\x00-\x1f]/g;

/** The text behind a string literal, or null where it holds an invalid escape. */
function unescape(literal: string): string | null {
  const value = nativeString(literal);
  if (value !== null) return value;
  return nativeString(
    literal.replace(ESCAPE_OR_CONTROL, (found) => (found.length === 1 ? escapeUnit(found) : found)),
  );
}

/** The native parser confuses only keys of objects that hold escapes (nodejs/node#63785); a lone string is safe. */
function nativeString(literal: string): string | null {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return null;
  }
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function quoted(char: number): string {
  return JSON.stringify(String.fromCharCode(char));
}

/**
 * Reads one whole JSON text.
 *
 * @throws InvalidJson where it is not JSON, is cut short, or something follows it.
 */
export function parseJson(text: string): Value {
  const reader = new JsonReader(text);
  try {
    const value = reader.value();
    if (!reader.atEnd()) throw new InvalidJson('something follows the value', reader.pos);
    return value;
  } catch (error) {
    if (error instanceof IncompleteJson) throw new InvalidJson('the text ends inside a value', text.length);
    throw error;
  }
}

/**
 * Writes JSON as Python's `json.dumps` does with its defaults, which is how AutoMem writes `metadata`: `, ` and `: `
 * between, everything outside ASCII escaped, doubles by shortest repr with a `.0` where whole.
 */
export function printPythonJson(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return pythonString(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (Array.isArray(value)) return `[${value.map(printPythonJson).join(', ')}]`;
  if (isMap(value)) {
    const fields = Object.entries(value).map(
      ([key, field]) => `${pythonString(key)}: ${printPythonJson(field)}`,
    );
    return `{${fields.join(', ')}}`;
  }
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Double) return pythonDouble(value.value);
  return Number.isInteger(value) ? value.toString() : pythonDouble(value);
}

// Python escapes DEL too. Control characters are no matter here: JSON.stringify has escaped them already.
const NOT_PRINTABLE_ASCII = /[^ -~]/g;

/** What stands in JSON as it is. Most texts are that, and looking at them is quicker than writing them anew. */
const PLAIN = /^[ !#-[\]-~]*$/;

function pythonString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  // JSON.stringify escapes lone surrogates itself and control characters just as Python does.
  return JSON.stringify(text).replace(NOT_PRINTABLE_ASCII, escapeUnit);
}

/** Python's `repr(float)`: shortest digits, exponent from 1e16 up and below 1e-4, exponents of two digits at least. */
function pythonDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (Object.is(value, -0)) return '-0.0';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    const [digits = '', exponent = ''] = value.toExponential().split('e');
    const sign = exponent.startsWith('-') ? '-' : '+';
    return `${digits}e${sign}${exponent.slice(1).padStart(2, '0')}`;
  }
  const text = value.toString();
  return text.includes('.') ? text : `${text}.0`;
}
