import type { TerminalSize } from './terminal.js';

/** Lines longer than this are hard to read, however wide the terminal. */
const WIDEST = 110;

export interface Layout {
  /** Columns to write in: one less than the terminal has, so that no terminal wraps a full line. */
  width: number;
  /** Rows that the whole live area may take. */
  liveRows: number;
  /** Too narrow for tables. */
  narrow: boolean;
  /** High enough for empty lines between the parts. */
  roomy: boolean;
}

/** How much fits. The live area stays below rows − 1: a frame as tall as the terminal breaks the scrollback. */
export function layoutOf({ columns, rows }: TerminalSize): Layout {
  return {
    width: Math.max(10, Math.min(columns - 1, WIDEST)),
    liveRows: Math.max(1, rows - 2),
    narrow: columns < 64,
    roomy: rows >= 16,
  };
}
