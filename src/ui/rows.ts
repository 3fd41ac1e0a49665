import { adviceOf } from '../report/advice.js';
import { oneLine, textWidth, wrapText } from '../report/text.js';
import type { Tone } from '../report/words.js';
import { SYMBOLS, type LookName } from './theme.js';

/**
 * A screen is rows of spans, each row exactly one line of the terminal. So a screen knows its height before it is drawn,
 * and the live area can be kept below the height of the terminal, where a taller one would break the scrollback.
 */
export interface Span {
  text: string;
  look?: LookName;
  /** Drawn as the moving spinner; its text is not shown. */
  spins?: boolean;
  /** Never cut nor broken, however narrow the terminal: for the scrollback alone. */
  whole?: boolean;
}

/** A row is cut at the width of the terminal, but for one in the scrollback that the terminal itself may go on below. */
export type Row = readonly Span[];

export const BLANK: Row = [{ text: ' ' }];

export function span(text: string, look: LookName = 'plain'): Span {
  return { text, look };
}

export function spinner(): Span {
  return { text: ' ', look: 'accent', spins: true };
}

/** The symbol of a tone, in its look. */
export function mark(tone: Tone): Span {
  return { text: SYMBOLS[tone], look: tone };
}

/** The text filled with spaces to a width, as a table needs it. */
export function cell(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}

/** Rows that wrap a text, all but the first under the place where the text began. */
export function hanging(lead: Row, text: string, width: number, look: LookName = 'plain'): Row[] {
  const indent = lead.reduce((sum, item) => sum + textWidth(item.text), 0);
  return wrapText(text, width - indent).map((line, index) =>
    index === 0 ? [...lead, span(line, look)] : [span(' '.repeat(indent)), span(line, look)],
  );
}

/**
 * Rows of advice, for the scrollback: its words wrap, its commands never, so that each can be copied. A command stands
 * beside its words where both fit, else on a line of its own, indented where there is room for that.
 */
export function adviceRows(lead: Row, text: string, width: number, look: LookName = 'plain'): Row[] {
  const indent = lead.reduce((sum, item) => sum + textWidth(item.text), 0);
  return adviceOf(text).flatMap(({ says, command }, index) => {
    const from: Row = index === 0 ? lead : [span(' '.repeat(indent))];
    const words = oneLine(says);
    if (command === null) return hanging(from, words, width, look);
    if (indent + textWidth(words) + 1 + textWidth(command) <= width)
      return [[...from, span(`${words} ${command}`, look)]];
    return [...hanging(from, words, width, look), wholeRow(command, width, look, indent)];
  });
}

/** A text that is never broken, for the scrollback: indented where there is room for that. */
export function wholeRow(text: string, width: number, look: LookName, indent = 3): Row {
  const room = indent + textWidth(text) <= width ? indent : 0;
  return [span(' '.repeat(room)), { text: oneLine(text), look, whole: true }];
}

/** At most `budget` rows; where some are left out, the last one says how many. */
export function clipRows(rows: readonly Row[], budget: number): Row[] {
  if (rows.length <= budget) return [...rows];
  if (budget <= 0) return [];
  return [...rows.slice(0, budget - 1), hidden(rows.length - budget + 1)];
}

/**
 * At most `budget` rows of a text through which the person leafs, from page 0; the last row says that there is more, and
 * which key shows it. Begins again after the last page.
 */
export function pageRows(rows: readonly Row[], budget: number, page: number): Row[] {
  if (rows.length <= budget || budget < 2) return clipRows(rows, budget);
  const from = (page % pagesOf(rows, budget)) * (budget - 1);
  const shown = rows.slice(from, from + budget - 1);
  const left = rows.length - from - shown.length;
  return [...shown, [span(left > 0 ? `   … ${left} more: Tab` : '   … from the top: Tab', 'quiet')]];
}

/** How many pages {@link pageRows} makes of the rows. */
export function pagesOf(rows: readonly Row[], budget: number): number {
  return rows.length <= budget ? 1 : Math.ceil(rows.length / Math.max(1, budget - 1));
}

/** At most `budget` rows around the chosen one; where some are hidden at an end, a row there says how many. */
export function windowRows(rows: readonly Row[], chosen: number, budget: number): Row[] {
  if (rows.length <= budget) return [...rows];
  if (budget < 3) return rows.slice(chosen, chosen + Math.max(0, budget));
  const atTop = chosen < budget - 1;
  const atBottom = chosen > rows.length - budget;
  if (atTop) return [...rows.slice(0, budget - 1), hidden(rows.length - budget + 1)];
  if (atBottom) return [hidden(rows.length - budget + 1), ...rows.slice(1 - budget)];
  const start = chosen - Math.floor((budget - 2) / 2);
  const end = start + budget - 2;
  return [hidden(start), ...rows.slice(start, end), hidden(rows.length - end)];
}

function hidden(count: number): Row {
  return [span(`   … ${count} more`, 'quiet')];
}
