import type { CommandContext } from '../../src/commands/context.js';

/** A context for one command run in a test, with what the command wrote and how it ended. */
export interface TestContext extends CommandContext {
  /** Everything written to stdout so far. */
  readonly stdout: string;
  /** Everything written to stderr so far. */
  readonly stderr: string;
  /** The exit code that was set, or 0. */
  readonly exitCode: number;
  /** Variables that the command set. */
  readonly environment: Readonly<Record<string, string>>;
  /** Does what one SIGINT does. */
  interrupt(): void;
}

/** A context without terminal and environment, in the root folder, unless the test says otherwise. */
export function testContext(overrides: Partial<CommandContext> = {}): TestContext {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const listeners = new Set<() => void>();
  const environment: Record<string, string> = {};
  let exitCode = 0;
  return {
    version: '0.0.0-test',
    env: {},
    cwd: '/',
    terminal: null,
    out: (text) => void stdout.push(text),
    err: (text) => void stderr.push(text),
    setExitCode: (code) => void (exitCode = code),
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    setEnvironment: (variables) => void Object.assign(environment, variables),
    ...overrides,
    get stdout() {
      return stdout.join('');
    },
    get stderr() {
      return stderr.join('');
    },
    get exitCode() {
      return exitCode;
    },
    environment,
    interrupt: () => {
      for (const listener of [...listeners]) listener();
    },
  };
}
