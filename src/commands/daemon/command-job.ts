import { Command } from 'commander';
import { ExitCode } from '../../failure.js';
import type { CommandContext } from '../context.js';

type AddCommand = (program: Command, context: CommandContext) => unknown;

/** How a command ended. */
export interface CommandEnd {
  exitCode: number;
  /** Its last line, which is the result of commands with --json; empty where that is no object. */
  result: Record<string, unknown>;
}

/**
 * Runs one of Lifeboat's own commands as a job, without terminal: what a person can type and what the daemon does is the
 * same. What it prints is not shown, and its exit code is not that of this process.
 *
 * @param words as they would be typed: ['backup', 'verify', 'latest', '--json']
 * @throws what the command throws
 */
export async function runCommand(
  add: AddCommand,
  words: readonly string[],
  context: CommandContext,
  signal: AbortSignal,
): Promise<CommandEnd> {
  let exitCode: number = ExitCode.done;
  let last = '';
  const program = new Command('lifeboat')
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  add(program, {
    ...context,
    terminal: null,
    out: (text) => {
      last = text.trimEnd().split('\n').at(-1) ?? '';
    },
    err: () => undefined,
    setExitCode: (code) => (exitCode = code),
    onInterrupt: (listener) => {
      // Between the start of the job and here the daemon may have been asked to stop.
      if (signal.aborted) listener();
      else signal.addEventListener('abort', listener);
      return () => signal.removeEventListener('abort', listener);
    },
  });
  signal.throwIfAborted();
  await program.parseAsync(words, { from: 'user' });
  return { exitCode, result: objectOf(last) };
}

function objectOf(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
