import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { ExitCode, Failure } from '../failure.js';
import { sleep, startTimeOf } from './processes.js';

export interface LockOptions {
  /** What the lock is for, as a verb phrase: "provision the engines". */
  operation: string;
  timeoutMs: number;
  /** Told once, if the lock is held by another process. */
  onWait?: (holder: { pid: number }) => void;
}

/**
 * Does some work while holding a lock file that names its holder by pid and start time, so that the lock of a process
 * that was killed is recognised as left over and taken.
 *
 * Taking over a left-over lock renames it away and looks at what was caught: if that was another's fresh lock, it is
 * put back. Two holders at once would need three processes within microseconds of one takeover; callers must be merely
 * wasteful then, not wrong.
 *
 * @throws Failure `lock-timeout` if another process holds it for longer than the timeout
 */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const token = randomUUID();
  const content = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), token });
  const deadline = performance.now() + options.timeoutMs;
  let told = false;
  while (!take(file, content, token)) {
    const holder = read(file);
    if (holder !== null && !isAlive(holder)) {
      takeAway(file, holder, token);
      continue;
    }
    if (holder !== null && !told) options.onWait?.({ pid: holder.pid });
    told ||= holder !== null;
    if (performance.now() > deadline) throw timeoutFailure(file, options, holder);
    await sleep(50);
  }
  try {
    return await work();
  } finally {
    if (read(file)?.token === token) rmSync(file, { force: true });
  }
}

interface Holder {
  pid: number;
  startTime: number | null;
  token: string;
}

/** Makes the lock with its content in one step, so that nobody reads a half-written one. */
function take(file: string, content: string, token: string): boolean {
  const draft = `${file}.${token}`;
  writeFileSync(draft, content, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return null; // Released between the two looks at it.
  }
}

function isAlive(holder: Holder): boolean {
  const startTime = startTimeOf(holder.pid);
  return startTime !== null && startTime === holder.startTime;
}

function takeAway(file: string, dead: Holder, token: string): void {
  const caught = `${file}.${token}.old`;
  try {
    renameSync(file, caught);
    if (read(caught)?.token !== dead.token) linkSync(caught, file);
  } catch {
    // Another process was quicker in taking it away, or in taking the lock; the caller looks again.
  }
  rmSync(caught, { force: true });
}

function timeoutFailure(file: string, options: LockOptions, holder: Holder | null): Failure {
  const who = holder === null ? 'another process' : `the process ${holder.pid}`;
  return new Failure({
    operation: options.operation,
    subject: file,
    reason: `${who} was at it for more than ${Math.round(options.timeoutMs / 1000)} s`,
    hint: `Wait for it to end, or end it, and try again.`,
    exitCode: ExitCode.failed,
    code: 'lock-timeout',
  });
}
