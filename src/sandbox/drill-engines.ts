import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreAddresses } from './addresses.js';
import { ensureEngines } from './engines.js';
import { startFalkordb } from './falkordb-server.js';
import type { Environment } from './processes.js';
import { startQdrant } from './qdrant-server.js';
import { copyVolume, putVolumeBack } from './volume.js';

/** Two engines that live as long as this process, for one drill. */
export interface DrillEngines {
  stores: StoreAddresses;
  /** AutoMem's variables that name them. */
  variables: Record<string, string>;
  /**
   * Copies FalkorDB's data folder while nobody writes, as a hosting provider's snapshot does.
   * @returns the folder with the copy. @throws Failure when the server cannot be reached or does not save.
   */
  snapshotVolume(): Promise<string>;
  /**
   * Ends FalkorDB, puts a copy in place of its data folder, and starts it again on the same port.
   * @param snapshot what {@link snapshotVolume} returned.
   * @throws Failure when the server does not start on it.
   */
  restoreVolume(snapshot: string): Promise<void>;
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
  const common = { life: 'child', env } as const;
  const startGraph = (port: number): ReturnType<typeof startFalkordb> =>
    startFalkordb(engines, { ...common, port, dataDir: dataDir('falkordb'), aof: true });
  const [started, vectors] = await Promise.all([
    startGraph(0),
    startQdrant(engines, { ...common, port: 0, dataDir: dataDir('qdrant') }),
  ]);
  const address = { host: started.host, port: started.port };
  const url = `http://${vectors.host}:${vectors.port}`;
  let graph = started;
  let copies = 0;
  return {
    stores: { graph: { ...address, name: 'memories' }, vectors: { url, collection: 'memories' } },
    variables: { FALKORDB_HOST: address.host, FALKORDB_PORT: String(address.port), QDRANT_URL: url },
    snapshotVolume: async () => {
      const copy = dataDir(`falkordb-snapshot-${++copies}`);
      await copyVolume(address, dataDir('falkordb'), copy);
      return copy;
    },
    restoreVolume: async (snapshot) => {
      await graph.stop();
      await putVolumeBack(snapshot, dataDir('falkordb'));
      graph = await startGraph(address.port);
    },
    stop: async () => {
      await Promise.all([graph.stop(), vectors.stop()]);
    },
  };
}
