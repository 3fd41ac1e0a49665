import { join } from 'node:path';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { fill, type FillResult } from '../../src/sandbox/fill.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { GRAPH, say, TIMESTAMP } from './measure.js';
import type { BenchRow } from './row.js';

export interface BenchOptions {
  memories: number[];
  dim: number;
  rounds: number;
}

/** Two engines with a population in them, and a backup of it beside them. */
export interface Filled {
  engines: TestEngines;
  stores: StoreAddresses;
  backupDir: string;
  filled: FillResult;
  memories: number;
  dim: number;
  rounds: number;
}

/** Runs a bench for each size on engines of its own, set up as AutoMem's compose file has them. */
export async function benchSizes(
  { memories: sizes, dim, rounds }: BenchOptions,
  bench: (filled: Filled) => Promise<BenchRow>,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const memories of sizes) {
    const engines = await startEngines({ aof: true });
    try {
      say(`filling ${memories} memories of ${dim} dimensions`);
      const backupDir = join(engines.folder, 'backups');
      const stores = {
        graph: { ...engines.graph, name: GRAPH },
        vectors: { ...engines.vectors, collection: GRAPH },
      };
      const options = { memories, dim, seed: 1, backupDir, timestamp: TIMESTAMP, force: false };
      const filled = await fill(options, stores);
      rows.push(await bench({ engines, stores, backupDir, filled, memories, dim, rounds }));
    } finally {
      await engines.stop();
    }
  }
  return rows;
}
