import { textWidth } from '../report/text.js';
import { terminalSize } from './terminal.js';
import { toAscii } from './theme.js';

// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001B\[[0-9;?]*[ -/]*[@-~]/g;
const ERASE_LINE_AND_GO_UP = '\u001B[2K\u001B[1A';

export interface TerminalStream {
  /** What Ink writes to. */
  stream: NodeJS.WriteStream;
  /**
   * To be called when the terminal has become narrower, before Ink draws again: erases the rows that the terminal made
   * by wrapping the last frame, which Ink, counting lines and not rows, would leave behind.
   */
  settleResize(): void;
}

/**
 * The terminal as Ink should see it: never 0×0, in ASCII where the locale has no more, and remembering the last frame.
 *
 * Known limit: a terminal that cuts lines instead of wrapping them (the original xterm) loses a few log lines from the
 * screen when it is made narrower; the report repeats what matters.
 */
export function terminalStream(target: NodeJS.WriteStream, unicode: boolean): TerminalStream {
  let frame: string[] = [];
  let columns = terminalSize(target).columns;
  const write = (chunk: string, ...rest: []): boolean => {
    if (chunk.includes('\n')) frame = chunk.replace(ESCAPES, '').split('\n').slice(0, -1);
    return target.write(unicode ? chunk : toAscii(chunk), ...rest);
  };
  const stream = new Proxy(target, {
    get(_, property) {
      if (property === 'write') return write;
      if (property === 'columns' || property === 'rows') return terminalSize(target)[property];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return {
    stream,
    settleResize: () => {
      const now = terminalSize(target).columns;
      if (now < columns) target.write(ERASE_LINE_AND_GO_UP.repeat(wrappedRows(frame, now)));
      columns = now;
    },
  };
}

function wrappedRows(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / columns)) - 1, 0);
}
