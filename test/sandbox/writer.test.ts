import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { damageScenario } from '../../src/sandbox/damage.js';
import { fill } from '../../src/sandbox/fill.js';
import { qdrantClient } from '../../src/sandbox/qdrant-client.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startWriter } from '../support/writer.js';

let engines: TestEngines;
let redis: Redis;
let stores: StoreAddresses;

beforeAll(async () => {
  engines = await startEngines();
  stores = {
    graph: { ...engines.graph, name: 'memories' },
    vectors: { ...engines.vectors, collection: 'memories' },
  };
  redis = new Redis({ ...engines.graph, retryStrategy: () => 50 });
  redis.on('error', () => undefined);
});
afterAll(async () => {
  redis.disconnect();
  await engines.stop();
});
beforeEach(async () => {
  const timestamp = '20261101_030000';
  await fill({ memories: 60, dim: 8, seed: 1, backupDir: null, timestamp, force: true }, stores);
});

async function query(cypher: string): Promise<unknown[][]> {
  const reply = (await redis.call('GRAPH.QUERY', 'memories', cypher)) as unknown[];
  return reply[1] as unknown[][];
}

const options = { seed: 5, perSecond: 120 };

describe('a writer', () => {
  it('does all that the service does, and finds all of it again', async () => {
    const writer = await startWriter(stores, options);
    await sleep(900);
    const { counts, acknowledged, memories, points, relationships, deleted } = await writer.stop();
    for (const request of ['store', 'patch', 'associate', 'touch', 'remove'] as const) {
      expect(counts[request].done, request).toBeGreaterThan(0);
    }
    // Clients also ask for what was deleted.
    expect(counts.patch.missing + counts.touch.missing + counts.remove.missing).toBeGreaterThan(0);
    expect(acknowledged).toBeGreaterThan(60);
    expect(Math.min(memories.size, points.size, relationships.size, deleted.size)).toBeGreaterThan(0);
    expect(await writer.missingFrom(stores)).toEqual([]);
  });

  it('tells everything that is lost, changed or back again', async () => {
    const writer = await startWriter(stores, options);
    await sleep(500);
    const { memories, relationships, deleted, points } = await writer.stop();
    const written = [...memories].filter(([id, { content }]) => content !== undefined && points.has(id));
    const [gone = '', changed = '', twice = '', pointless = ''] = written.map(([id]) => id);
    const [back] = deleted;
    const edge = [...relationships.values()].find(
      ({ from, to }) => ![gone, twice].some((id) => id === from || id === to),
    );
    await query(`MATCH (m:Memory {id: '${gone}'}) DETACH DELETE m`);
    await query(`MATCH (m:Memory {id: '${changed}'}) SET m.content = 'old'`);
    await query(`CREATE (:Memory {id: '${twice}'}), (:Memory {id: '${back ?? ''}'})`);
    await query(
      `MATCH (a {id: '${edge?.from ?? ''}'})-[e:${edge?.type ?? ''}]->(b {id: '${edge?.to ?? ''}'}) DELETE e`,
    );
    await qdrantClient(stores.vectors).delete('memories', { wait: true, points: [pointless] });
    const lost = (await writer.missingFrom(stores)).join('\n');
    expect(lost).toContain(`memory ${gone} is in the graph 0 times`);
    expect(lost).toContain(`memory ${changed}: content is old, not `);
    expect(lost).toContain(`memory ${twice} is in the graph 2 times`);
    expect(lost).toContain(`memory ${back ?? ''} was deleted and is back`);
    expect(lost).toContain(
      `relationship ${edge?.from ?? ''} -[${edge?.type ?? ''}]-> ${edge?.to ?? ''} is not there`,
    );
    expect(lost).toContain(`point ${pointless} is not there`);
  });

  it('goes on where the graph is away, and acknowledges nothing meanwhile', async () => {
    const writer = await startWriter(stores, options);
    await sleep(200);
    await engines.servers.graph.stop();
    const { done } = writer.ledger.counts.store;
    await sleep(200);
    expect(writer.ledger.counts.store).toMatchObject({ done });
    expect(writer.ledger.counts.store.refused).toBeGreaterThan(0);
    await engines.restartGraph();
    await sleep(400);
    const { counts } = await writer.stop();
    expect(counts.store.done).toBeGreaterThan(done);
    expect(await writer.missingFrom(stores)).toEqual([]);
  });

  it('makes the graph that it does not find, and knows none of the old memories in it', async () => {
    await damageScenario('graph-lost').apply(stores);
    const writer = await startWriter(stores, options);
    await sleep(300);
    const { counts } = await writer.stop();
    expect(await redis.exists('memories')).toBe(1);
    expect(counts.patch.missing + counts.touch.missing).toBeGreaterThan(0);
    expect(await query('MATCH (m:Memory) RETURN count(m)')).toEqual([
      [counts.store.done - counts.remove.done],
    ]);
    expect(await writer.missingFrom(stores)).toEqual([]);
  });
});
