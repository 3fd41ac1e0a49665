import { damageScenario } from '../../src/sandbox/damage.js';
import { floor as compareFloor } from './drift.js';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, runLifeboat } from './measure.js';
import type { BenchRow } from './row.js';

/** Memories that are missing, half of them in each store. */
const SCENARIO = 'drift-3';

/**
 * Repairing a small drift, the whole command: against reading both stores as often as it must, which is once before and
 * once after the repair and once for the validation.
 */
export function benchRepair(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, ({ engines, stores, backupDir, memories, dim, rounds }) =>
    benchRounds(
      { name: 'repair', memories, dim },
      rounds,
      async () => 3 * (await compareFloor(engines)),
      async () => {
        await damageScenario(SCENARIO).apply(stores);
        return runLifeboat(engines, backupDir, ['sync-drift']);
      },
    ),
  );
}
