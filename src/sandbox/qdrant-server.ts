import { chmodSync, mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';

import type { Engines } from './engines.js';
import type { Environment } from './processes.js';
import {
  engineEnvironment,
  freePort,
  type Life,
  loopback,
  onFreePort,
  type RunningServer,
  ServerProcess,
} from './server-process.js';

export interface QdrantOptions {
  /** Absolute path of the folder for data and log; made if absent. A server started on it again has the same data. */
  dataDir: string;
  /** 0 for a free one. */
  port: number;
  apiKey?: string | undefined;
  life: Life;
  env: Environment;
  /** Default: 60 s. */
  timeoutMs?: number;
  /** Called as soon as the process exists, before it answers. */
  onSpawned?: (process: { pid: number; port: number }) => void;
}

/**
 * Starts Qdrant (its own binary, or its engine behind the embedded REST server) on the loopback address and waits until
 * it answers.
 *
 * @throws Failure `engine-died`, `engine-timeout`, `engine-not-started` or `port-in-use`
 */
export async function startQdrant(engines: Engines, options: QdrantOptions): Promise<RunningServer> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  chmodSync(options.dataDir, 0o700);
  const { port, server } = await onFreePort('Qdrant', options.port, async (candidate) => {
    const started = await launch(engines, options, candidate);
    options.onSpawned?.({ pid: started.pid, port: candidate });
    return await awaitReady(engines, started, options, candidate);
  });
  return { host: loopback, port, pid: server.pid, stop: () => server.stop(), kill: () => server.kill() };
}

async function launch(engines: Engines, options: QdrantOptions, port: number): Promise<ServerProcess> {
  const storage = join(options.dataDir, 'storage');
  const common = {
    name: 'Qdrant',
    input: '',
    logFile: join(options.dataDir, 'qdrant.log'),
    life: options.life,
  };
  // The key goes by environment: the argument list is open to every user of the machine.
  const env = {
    ...engineEnvironment(options.env),
    ...(options.apiKey === undefined ? {} : { QDRANT__SERVICE__API_KEY: options.apiKey }),
  };
  const { qdrant } = engines;
  if (qdrant.kind === 'embedded') {
    const args = ['-s', qdrant.script, '--host', loopback, '--port', String(port), '--storage', storage];
    return ServerProcess.start({
      ...common,
      command: qdrant.python,
      args,
      env: { ...env, PYTHONUNBUFFERED: '1' },
    });
  }
  return ServerProcess.start({
    ...common,
    command: qdrant.command,
    args: ['--disable-telemetry'],
    env: {
      ...env,
      QDRANT__SERVICE__HOST: loopback,
      QDRANT__SERVICE__HTTP_PORT: String(port),
      QDRANT__SERVICE__GRPC_PORT: String(await freePort()),
      QDRANT__STORAGE__STORAGE_PATH: storage,
      QDRANT__STORAGE__SNAPSHOTS_PATH: join(options.dataDir, 'snapshots'),
      QDRANT__STORAGE__TEMP_PATH: join(options.dataDir, 'temp'),
    },
  });
}

/** Null if somebody else took the port. */
async function awaitReady(
  engines: Engines,
  server: ServerProcess,
  options: QdrantOptions,
  port: number,
): Promise<{ port: number; server: ServerProcess } | null> {
  try {
    await server.untilReady(async () => {
      // Only the server's own word tells that it, and not another program, answers at the port.
      if (engines.qdrant.kind === 'embedded' && !server.log().includes(`ready port=${port}`)) return false;
      return (await isQdrantReady({ host: loopback, port })) && server.isRunning();
    }, options.timeoutMs ?? 60_000);
  } catch (error) {
    if (/address already in use/i.test(server.log())) return null;
    throw error;
  }
  return { port, server };
}

/** Whether a Qdrant at this address says that it is ready, which it does without an API key. */
export async function isQdrantReady(
  address: { host: string; port: number },
  timeoutMs = 1000,
): Promise<boolean> {
  return await new Promise((resolve) => {
    const request = get({ ...address, path: '/readyz', agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
