import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import type { Engines } from './engines.js';
import { missingLibraryFailure } from './libraries.js';
import type { Environment } from './processes.js';
import { askRedis, turnAofOn } from './redis-probe.js';
import {
  engineEnvironment,
  type Life,
  loopback,
  onFreePort,
  type RunningServer,
  ServerProcess,
} from './server-process.js';

export interface FalkordbOptions {
  /** Absolute path of the folder for data and log; made if absent. A server started on it again has the same data. */
  dataDir: string;
  /** 0 for a free one. */
  port: number;
  password?: string | undefined;
  /** Append-only file on, synced every second, as AutoMem's compose file sets it. */
  aof: boolean;
  /**
   * Arguments of the FalkorDB module. The module alone is unlimited; the official image sets
   * `['MAX_QUEUED_QUERIES', '25', 'TIMEOUT', '1000', 'RESULTSET_SIZE', '10000']`.
   */
  moduleArgs?: readonly string[];
  /** Further lines of the server's configuration, as name and text: `{ maxmemory: '100mb', save: '""' }`. */
  settings?: Readonly<Record<string, string>>;
  life: Life;
  env: Environment;
  /** Default: 60 s. Loading much data takes long. */
  timeoutMs?: number;
  /** Called as soon as the process exists, before it answers. */
  onSpawned?: (process: { pid: number; port: number }) => void;
}

/**
 * Starts FalkorDB on the loopback address and waits until it serves queries.
 *
 * @throws Failure `engine-died`, `engine-timeout`, `engine-not-started`, `library-missing` or `port-in-use`
 */
export async function startFalkordb(engines: Engines, options: FalkordbOptions): Promise<RunningServer> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  chmodSync(options.dataDir, 0o700);
  const { port, server } = await onFreePort('FalkorDB', options.port, async (candidate) => {
    const started = launch(engines, options, candidate);
    options.onSpawned?.({ pid: started.pid, port: candidate });
    return await awaitReady(started, options, candidate);
  });
  if (options.aof && hasOnlySnapshot(options.dataDir)) await switchAofOn(server, port, options);
  return { host: loopback, port, pid: server.pid, stop: () => server.stop(), kill: () => server.kill() };
}

function launch(engines: Engines, options: FalkordbOptions, port: number): ServerProcess {
  return ServerProcess.start({
    name: 'FalkorDB',
    command: engines.redisServer,
    args: ['-'], // The configuration comes on stdin: the password is in no argument list and in no file.
    env: { ...engineEnvironment(options.env), ...engines.libraryEnvironment },
    input: configuration(engines.falkordbModule, options, port),
    logFile: join(options.dataDir, 'falkordb.log'),
    life: options.life,
  });
}

/** Null if somebody else took the port. */
async function awaitReady(
  server: ServerProcess,
  options: FalkordbOptions,
  port: number,
): Promise<{ port: number; server: ServerProcess } | null> {
  const address = { host: loopback, port, password: options.password };
  try {
    // Only the pid tells that it, and not another server, answers at the port; in that case it is about to end.
    await server.untilReady(async () => {
      const answer = await askRedis(address);
      return answer.ready && answer.pid === server.pid;
    }, options.timeoutMs ?? 60_000);
    return { port, server };
  } catch (error) {
    if (/Address already in use/.test(server.log())) return null;
    throw missingLibraryFailure(server.log()) ?? error;
  }
}

/**
 * Data that was saved without AOF: a server that is started with AOF on and finds no AOF takes no notice of the
 * snapshot, and is empty. So it is started without, and AOF is turned on when it has read the snapshot.
 */
function hasOnlySnapshot(dataDir: string): boolean {
  return existsSync(join(dataDir, 'dump.rdb')) && !existsSync(join(dataDir, 'appendonlydir'));
}

async function switchAofOn(server: ServerProcess, port: number, options: FalkordbOptions): Promise<void> {
  if (await turnAofOn({ host: loopback, port, password: options.password })) return;
  await server.kill();
  throw new Failure({
    operation: 'start FalkorDB',
    subject: join(options.dataDir, 'falkordb.log'),
    reason: 'it did not turn its append-only file on within 10 s',
    hint: 'Read its log; start it without AOF to have its data as it was.',
    exitCode: ExitCode.failed,
    code: 'aof-not-on',
  });
}

function configuration(module: string, options: FalkordbOptions, port: number): string {
  const settings: [string, string][] = [
    ...(options.password === undefined
      ? []
      : ([
          ['requirepass', quote(options.password)],
          ['masterauth', quote(options.password)],
        ] as [string, string][])),
    ['bind', loopback],
    ['port', String(port)],
    ['dir', quote(options.dataDir)],
    ['daemonize', 'no'],
    ['appendonly', options.aof && !hasOnlySnapshot(options.dataDir) ? 'yes' : 'no'],
    ['appendfsync', 'everysec'],
    ['save', '60 1'], // AutoMem's compose file.
    ...Object.entries(options.settings ?? {}),
    ['loadmodule', [quote(module), ...(options.moduleArgs ?? []).map(quote)].join(' ')],
  ];
  // Later lines win, except for `save`, which adds up: so every name is given once.
  return [...new Map(settings)].map(([name, text]) => `${name} ${text}\n`).join('');
}

/**
 * Quotes a word for redis.conf.
 *
 * Source: `sdssplitargs` of Redis: in double quotes, backslash escapes `\xHH`.
 */
function quote(word: string): string {
  if (/[\0\r\n]/.test(word)) {
    throw new Failure({
      operation: 'configure FalkorDB',
      subject: 'password, path or module argument',
      reason: 'it holds a line break or a NUL',
      hint: 'Use one without line breaks.',
      exitCode: ExitCode.usage,
      code: 'unusable-setting',
    });
  }
  return `"${word.replace(/[\\"]/g, '\\$&')}"`;
}
