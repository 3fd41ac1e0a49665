import { isAscii } from 'node:buffer';
import { IncompleteJson, InvalidJson, MAX_DEPTH } from '../../memory/json.js';

// One instance serves every throw: a stream runs out of bytes once a chunk, and stack traces are dear.
const INCOMPLETE = new IncompleteJson('the bytes end inside a value');

export const enum Byte {
  Nul = 0,
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
  OpenBracket = 91,
  Backslash = 92,
  CloseBracket = 93,
  LowerE = 101,
  OpenBrace = 123,
  CloseBrace = 125,
}

/** What a byte is outside of strings. */
const enum Kind {
  /** Part of a number or a literal, or nothing that JSON knows. */
  Word = 0,
  Space,
  Quote,
  Open,
  Close,
  Separator,
  /** The guard behind the last byte. */
  Guard,
}

const KINDS = new Uint8Array(256);
for (const [kind, bytes] of [
  [Kind.Space, ' \t\n\r'],
  [Kind.Quote, '"'],
  [Kind.Open, '[{'],
  [Kind.Close, ']}'],
  [Kind.Separator, ',:'],
  [Kind.Guard, '\0'],
] as const) {
  for (const byte of Buffer.from(bytes)) KINDS[byte] = kind;
}

/**
 * Reads JSON from bytes and hands values on as the text they were written in, without white space. Numbers keep every digit.
 * It works on bytes because a string that was cut from a larger one keeps the larger one in memory, and because what is
 * only passed on need not become JavaScript values.
 *
 * Reading past the end throws {@link IncompleteJson}; the caller then comes again from the last whole value with more bytes.
 */
export class ByteReader {
  /** The depth of the last compacted value: 0 for a scalar. */
  depth = 0;
  /** Where the last compacted value ends in `out`. */
  length = 0;

  /**
   * @param bytes a NUL stands at `end`, so that no loop needs to look where it is
   * @param out scratch space, at least as long as `bytes`
   */
  constructor(
    readonly bytes: Buffer,
    public pos: number,
    readonly end: number,
    readonly out: Buffer,
  ) {}

  /** Skips white space and returns the byte there. */
  peek(): number {
    const { bytes } = this;
    let { pos } = this;
    while (KINDS[bytes[pos] as number] === Kind.Space) pos++;
    this.pos = pos;
    if (pos >= this.end) throw INCOMPLETE;
    return bytes[pos] as number;
  }

  /** Skips white space; true when nothing else is left. */
  atEnd(): boolean {
    while (KINDS[this.bytes[this.pos] as number] === Kind.Space) this.pos++;
    return this.pos >= this.end;
  }

  /** Consumes one punctuation byte, or throws {@link InvalidJson}. */
  expect(byte: number): void {
    const found = this.peek();
    if (found !== byte) throw this.invalid(`expected ${quoted(byte)} but found ${quoted(found)}`);
    this.pos++;
  }

  /**
   * Consumes one value and returns its text without white space. Brackets, strings and the separation of words are looked
   * at; whether the rest is JSON is for the caller to find out with a parser.
   */
  value(): string {
    this.compact();
    return this.text();
  }

  /** Consumes the key of a member and the colon behind it. */
  key(): string {
    if (this.peek() !== Byte.Quote) throw this.invalid('expected a key');
    const start = this.pos;
    this.compact();
    const literal = this.text();
    let key: unknown;
    try {
      key = JSON.parse(literal);
    } catch {
      throw new InvalidJson('a key holds an invalid escape', start);
    }
    this.expect(Byte.Colon);
    return key as string;
  }

  /** The text of what lies in `out`. It is a copy: nothing else stays in memory for it. */
  text(): string {
    const { out, length } = this;
    const bytes = out.subarray(0, length);
    if (isAscii(bytes)) return out.toString('latin1', 0, length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // Replaced characters would be a loss that nobody hears of.
      throw this.invalid('the text is not UTF-8');
    }
  }

  /** Consumes one value into `out`. */
  private compact(): void {
    const first = this.peek();
    this.depth = 0;
    this.length = 0;
    switch (KINDS[first]) {
      case Kind.Quote:
        this.copyString();
        return;
      case Kind.Open:
        this.copyContainer();
        return;
      case Kind.Word:
        this.copyWord();
        return;
      default:
        throw this.invalid(`expected a value but found ${quoted(first)}`);
    }
  }

  private copyContainer(): void {
    const { bytes, out } = this;
    let depth = 0;
    for (;;) {
      const byte = bytes[this.pos] as number;
      switch (KINDS[byte]) {
        case Kind.Quote:
          this.copyString();
          continue;
        case Kind.Space:
          this.skipSpace();
          continue;
        case Kind.Open:
          if (++depth > this.depth) this.depth = depth;
          if (depth > MAX_DEPTH) throw this.invalid(`values are nested deeper than ${MAX_DEPTH} levels`);
          break;
        case Kind.Close:
          depth--;
          break;
        case Kind.Guard:
          this.atGuard();
          break;
        default:
      }
      out[this.length++] = byte;
      this.pos++;
      if (depth === 0) return;
    }
  }

  private copyString(): void {
    const { bytes, out } = this;
    let { pos, length } = this;
    out[length++] = bytes[pos++] as number;
    for (;;) {
      const byte = bytes[pos] as number;
      if (byte === Byte.Nul && pos >= this.end) throw INCOMPLETE;
      out[length++] = byte;
      pos++;
      if (byte === Byte.Quote) break;
      if (byte !== Byte.Backslash) continue;
      if (pos >= this.end) throw INCOMPLETE;
      out[length++] = bytes[pos++] as number;
    }
    this.pos = pos;
    this.length = length;
  }

  private copyWord(): void {
    const { bytes, out } = this;
    let byte = bytes[this.pos] as number;
    for (; KINDS[byte] === Kind.Word; byte = bytes[++this.pos] as number) out[this.length++] = byte;
    // Whether more of the word follows is not known before its end is in sight.
    if (KINDS[byte] === Kind.Guard) this.atGuard();
  }

  /** Words that only white space keeps apart must not become one. */
  private skipSpace(): void {
    const { bytes } = this;
    let { pos } = this;
    while (KINDS[bytes[pos] as number] === Kind.Space) pos++;
    const isBetweenWords =
      KINDS[bytes[pos] as number] === Kind.Word && KINDS[this.out[this.length - 1] as number] === Kind.Word;
    this.pos = pos;
    if (isBetweenWords) throw this.invalid('expected "," or the end of a list or object');
  }

  private atGuard(): void {
    if (this.pos >= this.end) throw INCOMPLETE;
    throw this.invalid('a NUL byte stands outside of a string');
  }

  invalid(message: string): InvalidJson {
    return new InvalidJson(message, this.pos);
  }
}

function quoted(byte: number): string {
  return JSON.stringify(String.fromCharCode(byte));
}
