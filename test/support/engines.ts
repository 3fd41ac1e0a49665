import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Engines, ensureEngines } from '../../src/sandbox/engines.js';
import { type FalkordbOptions, startFalkordb } from '../../src/sandbox/falkordb-server.js';
import { startQdrant } from '../../src/sandbox/qdrant-server.js';
import type { RunningServer } from '../../src/sandbox/server-process.js';

export interface TestEnginesOptions {
  /** Default: no password. */
  password?: string;
  /** Default: no key. */
  apiKey?: string;
  /** Default: false. */
  aof?: boolean;
  /** See {@link FalkordbOptions}; `officialImage` has what FalkorDB's own container image sets. */
  moduleArgs?: FalkordbOptions['moduleArgs'];
  /** Lines of the Redis configuration, such as `{ maxmemory: '100mb' }`. */
  settings?: FalkordbOptions['settings'];
}

/** The module arguments of FalkorDB's official image: results are cut at 10,000 rows without an error. */
export const officialImage = ['MAX_QUEUED_QUERIES', '25', 'TIMEOUT', '1000', 'RESULTSET_SIZE', '10000'];

/** Real engines with empty stores, which end with the test process at the latest. */
export interface TestEngines {
  graph: { host: string; port: number; password?: string };
  vectors: { url: string; apiKey?: string };
  /** AutoMem's variables for both, over nothing else. */
  env: Record<string, string>;
  /** The temporary folder that holds both stores' data. */
  folder: string;
  /** The servers of the moment: `kill()` is a crash, `stop()` an orderly end. */
  servers: { graph: RunningServer; vectors: RunningServer };
  /** Starts the graph server again on the same data and port, after its end. */
  restartGraph(): Promise<void>;
  /** Starts the vector server again on the same data and port, after its end. */
  restartVectors(): Promise<void>;
  /** Ends both and removes their data. */
  stop(): Promise<void>;
}

/** Starts a FalkorDB and a Qdrant for a test file: about a second, once the engines are in the cache. */
export async function startEngines(options: TestEnginesOptions = {}): Promise<TestEngines> {
  const { password, apiKey } = options;
  const engines = await ensureEngines({ env: process.env });
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
  const startBoth = starters(engines, folder, options);
  const [graph, vectors] = await Promise.all([startBoth.graph(0), startBoth.vectors(0)]);
  const servers = { graph, vectors };
  const url = `http://${vectors.host}:${vectors.port}`;
  return {
    graph: { host: graph.host, port: graph.port, ...(password === undefined ? {} : { password }) },
    vectors: { url, ...(apiKey === undefined ? {} : { apiKey }) },
    env: {
      FALKORDB_HOST: graph.host,
      FALKORDB_PORT: String(graph.port),
      ...(password === undefined ? {} : { FALKORDB_PASSWORD: password }),
      QDRANT_URL: url,
      ...(apiKey === undefined ? {} : { QDRANT_API_KEY: apiKey }),
    },
    folder,
    servers,
    restartGraph: async () => {
      servers.graph = await startBoth.graph(graph.port);
    },
    restartVectors: async () => {
      servers.vectors = await startBoth.vectors(vectors.port);
    },
    stop: async () => {
      await Promise.all([servers.graph.kill(), servers.vectors.kill()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function starters(
  engines: Engines,
  folder: string,
  options: TestEnginesOptions,
): Record<'graph' | 'vectors', (port: number) => Promise<RunningServer>> {
  const { password, apiKey, aof = false, moduleArgs, settings } = options;
  const common = { life: 'child', env: process.env } as const;
  return {
    graph: (port) =>
      startFalkordb(engines, {
        ...common,
        dataDir: join(folder, 'falkordb'),
        port,
        password,
        aof,
        ...(moduleArgs === undefined ? {} : { moduleArgs }),
        ...(settings === undefined ? {} : { settings }),
      }),
    vectors: (port) => startQdrant(engines, { ...common, dataDir: join(folder, 'qdrant'), port, apiKey }),
  };
}
