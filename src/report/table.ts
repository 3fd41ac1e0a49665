import { textWidth, truncateText } from './text.js';

/** One column of a table. */
export interface Column {
  title: string;
  /** Numbers stand at the right. */
  align: 'left' | 'right';
  /** Where there is no room, the columns with the highest number go first; one without a number always stays. */
  drop?: number;
}

const GAP = 2;

/**
 * A table of text, as narrow as it can be: a line for the titles, then one for each row. What is dropped for want of room is
 * dropped from every row; what still is too wide is cut off.
 *
 * @param rows printable text, a cell for each column
 * @param width in columns of the terminal; Infinity for no limit
 */
export function tableLines(columns: readonly Column[], rows: readonly string[][], width: number): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(textWidth(title), ...rows.map((row) => textWidth(row[index] ?? ''))),
  );
  const shown = new Set(columns.keys());
  const total = (): number =>
    [...shown].reduce((sum, index) => sum + (widths[index] ?? 0), 0) + GAP * (shown.size - 1);
  const droppable = [...columns.entries()].filter(([, { drop }]) => drop !== undefined);
  droppable.sort(([, a], [, b]) => (b.drop ?? 0) - (a.drop ?? 0));
  for (const [index] of droppable) {
    if (total() <= width) break;
    shown.delete(index);
  }
  const lineOf = (cells: readonly string[]): string => {
    const padded = [...shown].map((index) =>
      pad(cells[index] ?? '', widths[index] ?? 0, columns[index]?.align ?? 'left'),
    );
    return truncateText(padded.join(' '.repeat(GAP)).trimEnd(), width);
  };
  return [lineOf(columns.map(({ title }) => title)), ...rows.map(lineOf)];
}

function pad(text: string, width: number, align: Column['align']): string {
  const blanks = ' '.repeat(Math.max(0, width - textWidth(text)));
  return align === 'left' ? text + blanks : blanks + text;
}
