import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { createServer } from 'node:net';

import { ExitCode, Failure } from '../failure.js';
import { type Environment, killWithParent, signalGroup, sleep, startTimeOf } from './processes.js';

/** The only address that the sandbox's engines listen on. */
export const loopback = '127.0.0.1';

/**
 * How long a server lives: `child` dies with this process, however that ends (tests, drills); `detached` goes on after
 * it (`sandbox up`).
 */
export type Life = 'child' | 'detached';

export interface ServerCommand {
  /** For messages: "FalkorDB", "Qdrant". */
  name: string;
  command: string;
  args: string[];
  env: Environment;
  /** Given to stdin, then closed: configuration with secrets, which must not show in the process list. */
  input: string;
  /** Appended to; both stdout and stderr. */
  logFile: string;
  life: Life;
}

/** A server that answers. */
export interface RunningServer {
  host: string;
  port: number;
  pid: number;
  /** Asks it to end (SIGTERM); after 20 s makes it (SIGKILL). Also fine when it is gone already. */
  stop(): Promise<void>;
  /** Ends it as a crash would (SIGKILL), and returns when it is gone. */
  kill(): Promise<void>;
}

/** A server process that was started and may not answer yet. */
export class ServerProcess {
  private constructor(
    readonly name: string,
    readonly pid: number,
    private readonly logFile: string,
    private readonly logStart: number,
    private readonly exited: Promise<void>,
  ) {}

  /**
   * Starts a server.
   *
   * @throws Failure `engine-not-started` if the command cannot be run
   */
  static start(server: ServerCommand): ServerProcess {
    const log = openSync(server.logFile, 'a', 0o600);
    const logStart = fstatSync(log).size;
    const child = spawn(server.command, server.args, {
      env: server.env,
      stdio: ['pipe', log, log],
      detached: true,
    });
    closeSync(log);
    child.on('error', () => undefined); // Told by the missing pid.
    child.stdin?.on('error', () => undefined); // Told by the exit, which the wait for readiness sees.
    child.stdin?.end(server.input);
    if (child.pid === undefined) {
      throw new Failure({
        operation: `start ${server.name}`,
        subject: server.command,
        reason: 'the program cannot be run',
        hint: 'Check that the file exists and is executable.',
        exitCode: ExitCode.failed,
        code: 'engine-not-started',
      });
    }
    const guard = server.life === 'child' ? killWithParent(child.pid) : null;
    const exited = new Promise<void>((resolve) => {
      child.on('exit', () => {
        guard?.release();
        resolve();
      });
    });
    child.unref();
    return new ServerProcess(server.name, child.pid, server.logFile, logStart, exited);
  }

  isRunning(): boolean {
    return startTimeOf(this.pid) !== null;
  }

  /** What it has written to its log since it was started. */
  log(): string {
    const file = openSync(this.logFile, 'r');
    try {
      const content = Buffer.alloc(Math.max(fstatSync(file).size - this.logStart, 0));
      const length = readSync(file, content, 0, content.length, this.logStart);
      return content.toString('utf8', 0, length);
    } finally {
      closeSync(file);
    }
  }

  /** Waits for its end. False if it still runs after the time. */
  private async ended(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(!this.isRunning()), timeoutMs);
    });
    const ended = await Promise.race([this.exited.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  async stop(timeoutMs = 20_000): Promise<void> {
    signalGroup(this.pid, 'SIGTERM');
    if (!(await this.ended(timeoutMs))) await this.kill();
  }

  async kill(): Promise<void> {
    signalGroup(this.pid, 'SIGKILL');
    await this.ended(10_000);
  }

  /**
   * Waits until the server answers.
   *
   * @param isReady asked again and again until it says true
   * @throws Failure `engine-died` with the end of its log, or `engine-timeout` (the server is then killed)
   */
  async untilReady(isReady: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await isReady())) {
      if (!this.isRunning()) throw this.failure('engine-died', 'it ended while it was starting');
      if (performance.now() > deadline) {
        await this.kill();
        throw this.failure('engine-timeout', `it did not answer within ${timeoutMs / 1000} s`);
      }
      await sleep(10);
    }
  }

  private failure(code: string, reason: string): Failure {
    const tail = this.log().trimEnd().split('\n').slice(-15).join('\n');
    return new Failure({
      operation: `start ${this.name}`,
      subject: this.logFile,
      reason: `${reason}. The end of its log:\n${tail}`,
      hint: `Read ${this.logFile}; mend what it names, and try again.`,
      exitCode: ExitCode.failed,
      code,
    });
  }
}

/** A port of the loopback address that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, loopback, () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('A listening socket has no port'));
      });
    });
  });
}

/** Whether a server could listen on this port of the loopback address now. */
export async function isPortFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, loopback, () => probe.close(() => resolve(true)));
  });
}

/**
 * Starts a server on the port that was asked for, or, for port 0, on a free one: between finding it free and binding it
 * another process can take it, so a clash is tried again with another port.
 *
 * @param attempt starts the server on a port; returns null if the port was taken meanwhile
 * @throws Failure `port-in-use` if the port that was asked for is taken
 */
export async function onFreePort<T>(
  name: string,
  wanted: number,
  attempt: (port: number) => Promise<T | null>,
): Promise<T> {
  for (let tries = 0; tries < (wanted === 0 ? 8 : 1); tries++) {
    if (wanted !== 0 && !(await isPortFree(wanted))) break;
    const started = await attempt(wanted === 0 ? await freePort() : wanted);
    if (started !== null) return started;
  }
  throw new Failure({
    operation: `start ${name}`,
    subject: wanted === 0 ? `a free port of ${loopback}` : `${loopback}:${wanted}`,
    reason: 'another program listens there',
    hint: 'Name another port, or leave it out to have a free one chosen.',
    exitCode: ExitCode.failed,
    code: 'port-in-use',
  });
}

/** The part of the environment that an engine needs. The rest may hold keys that are none of its business. */
export function engineEnvironment(env: Environment): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'TZ', 'LD_LIBRARY_PATH'];
  return Object.fromEntries(kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
