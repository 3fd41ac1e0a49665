import { fileURLToPath } from 'node:url';
import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';

const FIXTURE = fileURLToPath(new URL('fixture-run.tsx', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface RealTerminal {
  /** The lines that a person sees now, without trailing spaces. */
  screen(): string;
  /** All lines since the start, the scrollback too. */
  everything(): string[];
  /** Lines that the terminal had to break because they were too long. */
  wrapped(): string[];
  /** Every byte that the program wrote. */
  raw(): string;
  type(text: string): void;
  /** Changes the size once everything that was written until now is drawn. */
  resize(columns: number, rows: number): Promise<void>;
  /** Waits until the screen shows the text; fails with the screen after ten seconds, or after the time given. */
  shows(wanted: string | RegExp, timeoutMs?: number): Promise<void>;
  /** Waits until the program has ended; its exit code. */
  ended(): Promise<number>;
  /** Its process id. */
  readonly pid: number;
  close(): void;
}

export interface RealTerminalOptions {
  columns: number;
  rows: number;
  args?: string[];
  /** What Node.js runs, before `args`; by default the fixture program. */
  program?: string[];
  env?: Record<string, string>;
}

/** Runs a program in a real pseudo terminal that a real terminal emulator draws. */
export function openTerminal(options: RealTerminalOptions): RealTerminal {
  const { columns, rows, args = [], program: main = ['--import', 'tsx', FIXTURE], env = {} } = options;
  const screen = new xterm.Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true });
  const program = pty.spawn(process.execPath, [...main, ...args], {
    cols: columns,
    rows,
    cwd: ROOT,
    env: { ...plainEnvironment(), TERM: 'xterm-256color', ...env },
  });
  let raw = '';
  let written: Promise<void> = Promise.resolve();
  program.onData((data) => {
    raw += data;
    written = new Promise((resolve) => screen.write(data, resolve));
  });
  const exit = new Promise<number>((resolve) => program.onExit(({ exitCode }) => resolve(exitCode)));
  const lines = (from: number): { text: string; isWrapped: boolean }[] => {
    const buffer = screen.buffer.active;
    return Array.from({ length: buffer.length - from }, (_, index) => {
      const line = buffer.getLine(from + index);
      return { text: line?.translateToString(true) ?? '', isWrapped: line?.isWrapped ?? false };
    });
  };
  const visible = (): string =>
    lines(screen.buffer.active.baseY)
      .map((line) => line.text)
      .join('\n');
  return {
    screen: visible,
    everything: () => lines(0).map((line) => line.text),
    wrapped: () =>
      lines(0)
        .filter((line) => line.isWrapped)
        .map((line) => line.text),
    raw: () => raw,
    type: (text) => program.write(text),
    resize: async (nextColumns, nextRows) => {
      await written;
      screen.resize(nextColumns, nextRows);
      program.resize(nextColumns, nextRows);
    },
    shows: async (wanted, timeoutMs = 10_000) => {
      const deadline = performance.now() + timeoutMs;
      while (performance.now() < deadline) {
        await written;
        const text = visible();
        if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`The screen never showed ${String(wanted)}. It shows:\n${visible()}`);
    },
    ended: async () => {
      const code = await exit;
      // What the program wrote last may still be on its way through the emulator.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await written;
      return code;
    },
    pid: program.pid,
    close: () => {
      program.kill('SIGKILL');
      screen.dispose();
    },
  };
}

/** The environment without what would change how the program draws. */
function plainEnvironment(): Record<string, string | undefined> {
  const changing = new Set(['CI', 'NO_COLOR', 'FORCE_COLOR', 'NODE_ENV']);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !changing.has(name)));
}
