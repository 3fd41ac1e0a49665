import { join } from 'node:path';
import { damageScenario } from '../../src/sandbox/damage.js';
import { fill } from '../../src/sandbox/fill.js';
import { startEngines } from '../support/engines.js';
import { floor as compareFloor } from './drift.js';
import { benchRounds, GRAPH, runLifeboat, say, TIMESTAMP } from './measure.js';
import type { BenchRow } from './row.js';

/** Memories that are missing, half of them in each store. */
const SCENARIO = 'drift-3';

/**
 * Repairing a small drift, the whole command: against reading both stores as often as it must, which is once before and
 * once after the repair and once for the validation.
 */
export async function benchRepair(options: {
  memories: number[];
  dim: number;
  rounds: number;
}): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const memories of options.memories) rows.push(await benchSize(memories, options.dim, options.rounds));
  return rows;
}

async function benchSize(memories: number, dim: number, rounds: number): Promise<BenchRow> {
  const engines = await startEngines();
  try {
    say(`filling ${memories} memories of ${dim} dimensions`);
    const backupDir = join(engines.folder, 'backups');
    const stores = {
      graph: { ...engines.graph, name: GRAPH },
      vectors: { ...engines.vectors, collection: GRAPH },
    };
    await fill({ memories, dim, seed: 1, backupDir, timestamp: TIMESTAMP, force: false }, stores);
    return await benchRounds(
      { name: 'repair', memories, dim },
      rounds,
      async () => 3 * (await compareFloor(engines)),
      async () => {
        await damageScenario(SCENARIO).apply(stores);
        return runLifeboat(engines, backupDir, ['sync-drift', '--always']);
      },
    );
  } finally {
    await engines.stop();
  }
}
