import { QdrantClient } from '@qdrant/js-client-rest';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { startServer, type TestServer } from './server-process.js';

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
  await server.result('PUT', '/collections/c', { vectors: { size: 8, distance: 'Dot' } });
});
afterEach(() => server.remove());

interface Written {
  /** Version of each id whose upsert was acknowledged. */
  acknowledged: Map<number, number>;
  /** Versions that were sent and never answered: these may be there or not. */
  open: Map<number, number>;
}

/** Upserts batches, half of them over earlier points, until the server goes away. */
async function writeUntilCrash(client: QdrantClient, written: Written, writer: number): Promise<void> {
  for (let round = 0; ; round++) {
    const ids = Array.from({ length: 20 }, (_, n) => writer * 1_000_000 + (round >> 1) * 20 + n);
    const points = ids.map((id) => ({
      id,
      vector: Array.from({ length: 8 }, () => Math.random()),
      payload: { version: round, text: 'x'.repeat(200) },
    }));
    for (const id of ids) written.open.set(id, round);
    try {
      await client.upsert('c', { wait: true, points });
    } catch {
      return;
    }
    for (const id of ids) {
      written.acknowledged.set(id, round);
      written.open.delete(id);
    }
  }
}

async function versions(url: string): Promise<Map<number, number>> {
  const client = new QdrantClient({ url });
  const found = new Map<number, number>();
  let offset: unknown = undefined;
  do {
    const page = await client.scroll('c', {
      limit: 5000,
      ...(typeof offset === 'number' ? { offset } : {}),
    });
    for (const { id, payload } of page.points) found.set(Number(id), Number(payload?.['version']));
    offset = page.next_page_offset;
  } while (typeof offset === 'number');
  expect((await client.count('c', { exact: true })).count).toBe(found.size);
  return found;
}

it('keeps every acknowledged point through kill -9 under load, time after time', async () => {
  const written: Written = { acknowledged: new Map(), open: new Map() };
  for (let crash = 0; crash < 4; crash++) {
    const client = new QdrantClient({ url: server.url });
    const writers = [0, 1, 2].map((writer) => writeUntilCrash(client, written, crash * 10 + writer));
    await sleep(150 + 250 * crash);
    await server.crash();
    await Promise.all(writers);
    await server.start();
    const found = await versions(server.url);
    const lost = [...written.acknowledged].filter(
      ([id, version]) => found.get(id) !== version && found.get(id) !== written.open.get(id),
    );
    expect(lost).toEqual([]);
  }
  expect(written.acknowledged.size).toBeGreaterThan(1000);
});

it('keeps collections, aliases, indexes, payloads and deletions through kill -9', async () => {
  const points = [1, 2, 3].map((id) => ({ id, vector: [id, 0, 0, 0, 0, 0, 0, 1], payload: { n: id } }));
  await server.result('PUT', '/collections/c/points?wait=true', { points });
  await server.result('PUT', '/collections/c/index?wait=true', { field_name: 'n', field_schema: 'integer' });
  await server.result('PATCH', '/collections/c', { hnsw_config: { m: 5 } });
  const alias = { create_alias: { collection_name: 'c', alias_name: 'other' } };
  await server.result('POST', '/collections/aliases', { actions: [alias] });
  await server.result('POST', '/collections/c/points/payload?wait=true', { payload: { a: 1 }, points: [1] });
  await server.result('POST', '/collections/c/points/delete?wait=true', { points: [2] });
  // Operations that fail are in the log as well, and must not stop its replay.
  const missing = { payload: { a: 1 }, points: [404] };
  expect((await server.call('POST', '/collections/c/points/payload?wait=true', missing)).status).toBe(404);
  await server.result('PUT', '/collections/c/points?wait=true', { points: [{ ...points[2], id: 4 }] });
  await server.result('PUT', '/collections/gone', { vectors: { size: 1, distance: 'Dot' } });
  await server.result('DELETE', '/collections/gone');
  await server.crashAndRestart();
  const page = await server.result('POST', '/collections/other/points/scroll', {});
  expect(page).toMatchObject({
    points: [
      { id: 1, payload: { n: 1, a: 1 } },
      { id: 3, payload: { n: 3 } },
      { id: 4, payload: { n: 3 } },
    ],
  });
  expect(await server.result('GET', '/collections/c')).toMatchObject({
    config: { hnsw_config: { m: 5 } },
    payload_schema: { n: { data_type: 'integer', points: 3 } },
  });
  expect(await server.result('GET', '/collections')).toEqual({ collections: [{ name: 'c' }] });
});

it('goes on with the numbers of operations after a restart', async () => {
  const body = { points: [{ id: 1, vector: [1, 0, 0, 0, 0, 0, 0, 1] }] };
  const upsert = async (): Promise<number> =>
    (await server.result<{ operation_id: number }>('PUT', '/collections/c/points?wait=true', body))
      .operation_id;
  expect([await upsert(), await upsert()]).toEqual([0, 1]);
  await server.crashAndRestart();
  expect(await upsert()).toBe(2);
});

it('ends in order when it is told to, also with open connections', async () => {
  const client = new QdrantClient({ url: server.url });
  await client.upsert('c', { wait: true, points: [{ id: 1, vector: [1, 2, 3, 4, 5, 6, 7, 8] }] });
  expect(await server.terminate()).toBe(0);
  await server.start();
  expect(await versions(server.url)).toHaveProperty('size', 1);
});

it('removes what a crash has left behind', async () => {
  await server.crash();
  const leftover = join(server.storage, 'collections', 'half-made');
  mkdirSync(leftover);
  writeFileSync(join(leftover, 'collection.json'), '{');
  writeFileSync(join(server.storage, 'snapshots', '.upload-1.tmp'), 'x');
  await server.start();
  expect(readdirSync(join(server.storage, 'collections'))).toHaveLength(1);
  expect(readdirSync(join(server.storage, 'snapshots'))).toEqual([]);
});
