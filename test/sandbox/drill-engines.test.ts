import { Redis } from 'ioredis';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareGraphs, readGraph } from '../../src/sandbox/compare.js';
import { damageScenario } from '../../src/sandbox/damage.js';
import { startDrillEngines, type DrillEngines } from '../../src/sandbox/drill-engines.js';
import { fill } from '../../src/sandbox/fill.js';

let folder: string;
let engines: DrillEngines;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-drill-'));
  engines = await startDrillEngines({ folder, env: process.env, onProgress: () => undefined });
  const timestamp = '20261121_120000';
  await fill({ memories: 150, dim: 8, seed: 2, backupDir: null, timestamp, force: false }, engines.stores);
});

afterAll(async () => {
  await engines.stop();
  await rm(folder, { recursive: true, force: true });
});

async function query(text: string): Promise<void> {
  const redis = new Redis({ host: engines.stores.graph.host, port: engines.stores.graph.port });
  await redis.call('GRAPH.QUERY', 'memories', text);
  redis.disconnect();
}

describe('volumes of a drill', () => {
  it('brings a lost graph back, to the letter, at the same address', async () => {
    // Written after the last rewrite: only the append-only file has it.
    await query("CREATE (:Memory {id: 'last', content: 'just written'})");
    const before = await readGraph(engines.stores.graph);
    let copy = '';
    const volume = { snapshotVolume: async () => (copy = await engines.snapshotVolume()) };
    const done = await damageScenario('volume-snapshot').apply({ ...engines.stores, volume });
    expect(done.join('\n')).toContain(copy);
    expect((await readGraph(engines.stores.graph)).exists).toBe(false);
    await engines.restoreVolume(copy);
    const after = await readGraph(engines.stores.graph);
    expect(await compareGraphs(before, after)).toMatchObject({ equal: true });
    await Promise.all([before.close(), after.close()]);
  });

  it('holds what there was when it was taken, can be put back again, and costs nothing when it is missing', async () => {
    const copy = await engines.snapshotVolume();
    const before = await readGraph(engines.stores.graph);
    for (let round = 0; round < 2; round++) {
      await query('MATCH (m:Memory) DETACH DELETE m');
      await engines.restoreVolume(copy);
    }
    await expect(engines.restoreVolume(join(folder, 'no-such-copy'))).rejects.toThrow();
    await engines.restoreVolume(copy);
    const after = await readGraph(engines.stores.graph);
    expect(await compareGraphs(before, after)).toMatchObject({ equal: true });
    await Promise.all([before.close(), after.close()]);
  });
});
