import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreAddresses } from './addresses.js';
import { ensureEngines } from './engines.js';
import { startFalkordb } from './falkordb-server.js';
import type { Environment } from './processes.js';
import { startQdrant } from './qdrant-server.js';

/** Two engines that live as long as this process, for one drill. */
export interface DrillEngines {
  stores: StoreAddresses;
  /** AutoMem's variables that name them. */
  variables: Record<string, string>;
  stop(): Promise<void>;
}

/**
 * Starts both engines on free ports with AutoMem's own persistence settings.
 *
 * @param options.folder where their data goes; the caller removes it.
 * @throws Failure where an engine is missing or does not start
 */
export async function startDrillEngines(options: {
  folder: string;
  env: Environment;
  onProgress: (message: string) => void;
}): Promise<DrillEngines> {
  const { folder, env, onProgress } = options;
  const engines = await ensureEngines({ env, onProgress });
  const dataDir = (name: string): string => join(folder, name);
  await Promise.all(['falkordb', 'qdrant'].map((name) => mkdir(dataDir(name), { recursive: true })));
  onProgress('starting FalkorDB and Qdrant for the drill');
  const common = { life: 'child', port: 0, env } as const;
  const [graph, vectors] = await Promise.all([
    startFalkordb(engines, { ...common, dataDir: dataDir('falkordb'), aof: true }),
    startQdrant(engines, { ...common, dataDir: dataDir('qdrant') }),
  ]);
  const url = `http://${vectors.host}:${vectors.port}`;
  return {
    stores: {
      graph: { host: graph.host, port: graph.port, name: 'memories' },
      vectors: { url, collection: 'memories' },
    },
    variables: { FALKORDB_HOST: graph.host, FALKORDB_PORT: String(graph.port), QDRANT_URL: url },
    stop: async () => {
      await Promise.all([graph.stop(), vectors.stop()]);
    },
  };
}
