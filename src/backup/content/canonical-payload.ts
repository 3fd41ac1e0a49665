import { parseJson, printPythonJson } from '../../memory/json.js';
import { isMap } from '../../memory/values.js';
import { Byte } from '../files/json-bytes.js';
import { canonicalText } from './digest.js';
import { KeyPath } from './key-paths.js';

/** What a printer would write in another way: all but printable ASCII, and escapes that Python has no use for. */
const OTHERWISE = /[^ -~]|\\(?:\/|u(?:00(?:0[89acd]|[2-6][0-9a-f]|7[0-9a-e])|[0-9a-f]{0,3}[A-F]))/;

/** Numbers that stand as Python prints them: whole ones, and doubles of so few digits that none is lost. */
const PRINTED = /^(?:0|-?[1-9][0-9]*|-?(?=[0-9.]{3,16}$)(?!0\.0000)(?:0|[1-9][0-9]*)\.(?:0|[0-9]*[1-9]))$/;

const TYPE = '"type": ';

/** A payload in the one form that digests are made of, and the type of its memory. */
export interface CanonicalPayload {
  /** As {@link canonicalText} of its values; all of it is ASCII. */
  text: string;
  /** Empty where there is none. */
  type: string;
}

/**
 * Brings payloads into the form that digests are made of. Nearly all of what a backup holds is written in that form, but for
 * the order of its keys and the spaces between, and then it is only put in order, which is several times faster than reading
 * it into values and printing those.
 */
export class CanonicalPayloads {
  private readonly root = KeyPath.root();
  private text = '';
  private pos = 0;
  private depth = 0;
  private type = '';
  /** Objects with a key that comes twice. */
  private doubled = 0;

  /**
   * @param text JSON, without white space outside of its strings
   * @throws InvalidJson when it is not JSON, not even as Python writes it
   */
  of(text: string): CanonicalPayload {
    if (!OTHERWISE.test(text)) {
      const inOrder = this.arrange(text);
      if (inOrder !== null) return inOrder;
    }
    const value = parseJson(text);
    const type = isMap(value) ? value['type'] : null;
    return { text: canonicalText(value), type: typeof type === 'string' ? type : '' };
  }

  /** @returns null for an object with a key that comes twice */
  private arrange(text: string): CanonicalPayload | null {
    this.text = text;
    this.pos = 0;
    this.depth = 0;
    this.type = '';
    this.doubled = 0;
    const arranged = this.value();
    return this.doubled === 0 ? { text: arranged, type: this.type } : null;
  }

  private value(): string {
    switch (this.text.charCodeAt(this.pos)) {
      case Byte.Quote:
        return this.string();
      case Byte.OpenBrace:
        return this.object();
      case Byte.OpenBracket:
        return this.list();
      default:
        return this.scalar();
    }
  }

  private object(): string {
    const lines: string[] = [];
    let path = this.root;
    this.pos++;
    this.depth++;
    while (this.text.charCodeAt(this.pos) !== Byte.CloseBrace) {
      if (this.text.charCodeAt(this.pos) === Byte.Comma) this.pos++;
      path = this.key(path);
      const value = this.value();
      if (this.depth === 1 && path.line === TYPE && value.startsWith('"'))
        this.type = JSON.parse(value) as string;
      lines.push(path.line + value);
    }
    this.pos++;
    this.depth--;
    const order = path.order();
    if (order === null) this.doubled++;
    return `{${order?.map((at) => lines[at]).join(', ') ?? ''}}`;
  }

  private key(path: KeyPath): KeyPath {
    const { guess } = path;
    if (guess !== null && this.text.startsWith(guess.literal, this.pos)) {
      this.pos += guess.literal.length;
      return guess;
    }
    const literal = `${this.string()}:`;
    this.pos++;
    return path.to(literal);
  }

  private list(): string {
    const items: string[] = [];
    this.pos++;
    while (this.text.charCodeAt(this.pos) !== Byte.CloseBracket) {
      if (this.text.charCodeAt(this.pos) === Byte.Comma) this.pos++;
      items.push(this.value());
    }
    this.pos++;
    return `[${items.join(', ')}]`;
  }

  private string(): string {
    const { text, pos } = this;
    let end = text.indexOf('"', pos + 1);
    while (text.charCodeAt(end - 1) === Byte.Backslash && isEscaped(text, end))
      end = text.indexOf('"', end + 1);
    this.pos = end + 1;
    return text.slice(pos, end + 1);
  }

  private scalar(): string {
    const { text, pos } = this;
    let end = pos + 1;
    for (; end < text.length; end++) {
      const char = text.charCodeAt(end);
      if (char === Byte.Comma || char === Byte.CloseBrace || char === Byte.CloseBracket) break;
    }
    this.pos = end;
    const literal = text.slice(pos, end);
    const first = text.charCodeAt(pos);
    const isNumber = first === Byte.Minus || (first >= Byte.Zero && first <= Byte.Nine);
    return isNumber && !PRINTED.test(literal) ? printPythonJson(parseJson(literal)) : literal;
  }
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === Byte.Backslash) backslashes++;
  return backslashes % 2 === 1;
}
