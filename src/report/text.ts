/**
 * Text for a terminal. What a store holds may hold anything, so everything that is shown passes `printable` first: a
 * memory id with an escape sequence in it must not move the cursor of the person who is recovering it.
 */

// C0 without line feed, DEL, C1, and the marks that reverse the direction of what follows.
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2028\u2029\u2066-\u2069]/g;
const ZERO_WIDTH = /^(\p{M}|\p{Cf})/u;
const WIDE =
  /^(\p{Emoji_Presentation}|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}])/u;
const ASCII_ONLY = /^[\u0020-\u007E]*$/;

/** The text with every control character made visible; line feeds stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    if (char === '\t') return ' ';
    if (char === '\r') return '';
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}

/** Makes every string in a value printable, at any depth. */
export function printableDeep<T>(value: T): T;
export function printableDeep(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map((item: unknown) => printableDeep(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [printable(key), printableDeep(item as unknown)]),
  );
}

/** The text on one line: line feeds and the spaces around them become one space. */
export function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

/** How many columns a terminal takes to show the text. */
export function textWidth(text: string): number {
  if (ASCII_ONLY.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** The text cut to a width, with an ellipsis where something is missing. */
export function truncateText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  const [head] = splitAt(text, width - 1);
  return `${head.trimEnd()}…`;
}

/** Breaks text into lines of at most `width` columns: at spaces, or inside a word that is longer than a line. */
export function wrapText(text: string, width: number): string[] {
  const room = Math.max(1, width);
  return text.split('\n').flatMap((paragraph) => wrapParagraph(paragraph.trim(), room));
}

function wrapParagraph(paragraph: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.split(/ +/)) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) <= width) {
      line = `${line} ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    let rest = word;
    while (textWidth(rest) > width) {
      const [head, tail] = splitAt(rest, width);
      lines.push(head);
      rest = tail;
    }
    line = rest;
  }
  // A word that was broken may have left nothing over; an empty paragraph is still a line.
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** Splits after the last character that fits; always takes at least one, so that a caller's loop ends. */
function splitAt(text: string, width: number): [string, string] {
  let used = 0;
  let end = 0;
  for (const char of text) {
    const next = used + charWidth(char);
    if (next > width && end > 0) break;
    used = next;
    end += char.length;
  }
  return [text.slice(0, end), text.slice(end)];
}

function charWidth(char: string): number {
  if (ZERO_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}
