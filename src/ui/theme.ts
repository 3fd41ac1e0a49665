import type { Tone } from '../report/words.js';

/** How a piece of text looks. Colour only repeats what a word or symbol already says. */
export interface Look {
  color?: string;
  bold?: boolean;
  dim?: boolean;
}

export type LookName = Tone | 'plain' | 'title' | 'quiet' | 'accent';

export const LOOKS: Record<LookName, Look> = {
  plain: {},
  info: {},
  title: { bold: true },
  quiet: { dim: true },
  accent: { color: 'cyan', bold: true },
  ok: { color: 'green' },
  bad: { color: 'red', bold: true },
  warn: { color: 'yellow' },
  skip: { dim: true },
};

/** The symbol of a status. Each differs from the others also in ASCII. */
export const SYMBOLS: Record<Tone, string> = { ok: '✓', bad: '✗', warn: '!', skip: '–', info: '·' };

export const POINTER = '›';
export const ARROW = '→';
export const NOT_APPLICABLE = '×';
export const CURSOR = '█';
export const BAR = { full: '█', empty: '░' };
export const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** Slow enough to be calm, fast enough to show that something lives. */
export const SPINNER_MS = 160;

const ASCII: ReadonlyMap<string, string> = new Map([
  ['✓', '+'],
  ['✗', 'x'],
  ['×', 'x'],
  ['–', '-'],
  ['—', '-'],
  ['·', '-'],
  ['›', '>'],
  ['→', '>'],
  ['…', '~'],
  ['█', '#'],
  ['░', '.'],
  ['↑', '^'],
  ['↓', 'v'],
  ['“', '"'],
  ['”', '"'],
  ['’', "'"],
  ...SPINNER.map((frame, index): [string, string] => [frame, ['|', '/', '-', '\\'][index % 4] ?? '|']),
]);

/** The text for a terminal without UTF-8: each character becomes one of the same width, so no line moves. */
export function toAscii(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[^\u0000-\u007F]/gu, (char) => ASCII.get(char) ?? '?');
}
