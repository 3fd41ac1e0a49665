import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface RunOptions {
  env: Environment;
  /** The process is killed after this time. */
  timeoutMs: number;
  /** Called with every line of stdout as it comes. */
  onLine?: (line: string) => void;
}

export interface RunResult {
  /** The exit code; null if it was killed by a signal, timed out or could not be started. */
  code: number | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/**
 * Runs a command to its end, with nothing on its stdin. Never throws: a command that cannot be started gives
 * `code: null` and the reason in `stderr`. The command is killed if this process dies before it.
 */
export async function run(command: string, args: string[], options: RunOptions): Promise<RunResult> {
  const child = spawn(command, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const guard = child.pid === undefined ? null : killWithParent(child.pid);
  const result: RunResult = { code: null, stdout: '', stderr: '', timedOut: false };
  const timer = setTimeout(() => {
    result.timedOut = true;
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  }, options.timeoutMs);
  createInterface({ input: child.stdout }).on('line', (line) => {
    result.stdout += `${line}\n`;
    options.onLine?.(line);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text));
  await new Promise<void>((resolve) => {
    child.on('error', (error) => {
      result.stderr += error.message;
      resolve();
    });
    child.on('close', (code) => {
      result.code = code;
      resolve();
    });
  });
  clearTimeout(timer);
  guard?.release();
  return result;
}

/** Sends a signal to a process group; a group that is gone already is no error. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * Makes the process group `pid` die when this process does, however it dies (SIGKILL included).
 *
 * A shell waits on a pipe whose other end only this process holds: the kernel closes it when the process is gone. This
 * was chosen over PR_SET_PDEATHSIG, which follows the thread that forked, not the process, and over having each engine
 * watch for itself, which the database servers cannot. The group has its own session, so that Ctrl-C in a terminal
 * reaches Lifeboat only, which decides what stops when.
 */
export function killWithParent(pid: number): { release(): void } {
  const watchdog = spawn(
    '/bin/sh',
    ['-c', 'read -r word || kill -9 "-$1"', 'lifeboat-watchdog', String(pid)],
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} },
  );
  // Without a watchdog, or with one that somebody killed, the process is merely unguarded.
  watchdog.on('error', () => undefined);
  watchdog.stdin.on('error', () => undefined);
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  return { release: () => watchdog.stdin.end('done\n') };
}

/**
 * When a process was started, in clock ticks since boot: with the pid it names one process, where the pid alone may
 * have been given to another one since. Null if there is no such process, or only its zombie.
 *
 * Source: proc_pid_stat(5), fields 3 and 22; the name in field 2 may hold spaces and parentheses.
 */
export function startTimeOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

/** Resolves after a time. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
