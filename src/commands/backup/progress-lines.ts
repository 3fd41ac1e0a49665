import type { OnRead } from '../../backup/create/graph-export.js';
import { formatCount } from '../../report/format.js';
import type { CommandContext } from '../context.js';

const EVERY_MS = 500;
const ERASE_LINE = '\r\u001B[2K';

/** How far a backup has come: one line that changes in a terminal, one JSON object now and then for scripts. */
export interface ProgressLines {
  read: OnRead;
  /** Takes the line away. */
  end(): void;
}

export function progressLines(context: CommandContext, isJson: boolean): ProgressLines {
  const counts: Partial<Record<Parameters<OnRead>[0], number>> = {};
  const isTerminal = context.terminal?.stdout.isTTY === true && context.env['TERM'] !== 'dumb';
  let told = performance.now();
  let isShown = false;
  const tell = (): void => {
    if (isJson) {
      context.out(`${JSON.stringify({ type: 'progress', read: counts })}\n`);
      return;
    }
    if (!isTerminal) return;
    const text = Object.entries(counts).map(([what, count]) => `${formatCount(count)} ${what}`);
    context.out(`${ERASE_LINE}Reading: ${text.join(', ')}`);
    isShown = true;
  };
  return {
    read: (what, count) => {
      counts[what] = count;
      if (performance.now() - told < EVERY_MS) return;
      told = performance.now();
      tell();
    },
    end: () => {
      if (isShown) context.out(ERASE_LINE);
      isShown = false;
    },
  };
}
