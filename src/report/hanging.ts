import { textWidth, wrapText } from './text.js';

/** In fewer columns a text beside its head is a pile of single words. */
const LEAST_BESIDE = 20;
/** What stands beneath its head, in columns. */
const BENEATH = 4;

/**
 * A head and the text beside it, at most `width` columns wide: what does not fit goes on under the place where the text
 * began, or beneath the head where that leaves no room. `Infinity` wraps nothing.
 */
export function hangingLines(head: string, text: string, width: number): string[] {
  const indent = textWidth(head);
  if (indent + textWidth(text) <= width) return [head + text];
  if (indent > 0 && width - indent < LEAST_BESIDE) {
    const beneath = wrapText(text, width - BENEATH).map((line) => ' '.repeat(BENEATH) + line);
    const above = indent <= width ? [head.trimEnd()] : wrapText(head, width);
    return [...above, ...beneath];
  }
  return wrapText(text, width - indent).map(
    (line, index) => (index === 0 ? head : ' '.repeat(indent)) + line,
  );
}

/**
 * Help as it was written by hand, for a narrower terminal: paragraphs with a line that is too long are filled anew, and
 * lines of a table ("  name  what it does") go on under their last column. What fits stays as it is.
 */
export function wrapHelp(help: string, width: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    const fits = paragraph.every((line) => textWidth(line) <= width);
    lines.push(...(fits ? paragraph : wrapText(paragraph.join(' '), width)));
    paragraph = [];
  };
  for (const line of help.split('\n')) {
    const isProse = /^\S/.test(line);
    if (isProse) {
      paragraph.push(line);
      continue;
    }
    flush();
    lines.push(...(textWidth(line) <= width ? [line] : tableLine(line, width)));
  }
  flush();
  return lines.join('\n');
}

/** Goes on under the last column that leaves room enough; what stood in columns after it follows in the same text. */
function tableLine(line: string, width: number): string[] {
  const starts = [...line.matchAll(/(?<=\S) {2,}|^ +/g)].map(({ index, 0: gap }) => index + gap.length);
  const start = starts.findLast((column) => width - column >= LEAST_BESIDE) ?? starts.at(-1) ?? 0;
  return hangingLines(line.slice(0, start), line.slice(start).replaceAll(/ {2,}/g, '; '), width);
}
