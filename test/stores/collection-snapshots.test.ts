import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import {
  createCollection,
  createPayloadIndexes,
  deleteCollection,
  describeCollection,
} from '../../src/stores/vectors/collection-admin.js';
import {
  createSnapshot,
  deleteSnapshot,
  listSnapshots,
  restoreSnapshot,
} from '../../src/stores/vectors/collection-snapshots.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { VectorWriter } from '../../src/stores/vectors/vector-writer.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';

const C = 'memories';
const POINTS = 2_000;

let engines: TestEngines;
let store: VectorStore;
let folder: string;

beforeAll(async () => {
  engines = await startEngines({ apiKey: 'secret' });
  store = new VectorStore({ ...engines.vectors, timeoutMs: 10_000 });
  // The embedded server keeps them within its storage, Qdrant itself beside it.
  const data = join(engines.folder, 'qdrant');
  folder = [join(data, 'storage', 'snapshots'), join(data, 'snapshots')].find(existsSync) ?? '';
});

afterAll(async () => {
  store.close();
  await engines.stop();
});

beforeEach(async () => {
  await make();
  for (const { name } of await listSnapshots(store, C)) await deleteSnapshot(store, C, name);
});

/** A collection with points whose payload is 0.1 KB. */
async function make(size = 32): Promise<void> {
  await deleteCollection(store, C);
  await createCollection(store, C, { size, distance: 'Cosine' });
  await createPayloadIndexes(store, C, { tags: { data_type: 'keyword' } });
  const vector = Array.from({ length: size }, (_, i) => i + 1);
  const points = Array.from({ length: POINTS }, (_, i) => ({ id: BigInt(i), vector, payload: { n: i } }));
  await write((writer) => writer.upsert(C, points));
}

async function write(work: (writer: VectorWriter) => Promise<void>): Promise<void> {
  const writer = new VectorWriter(store);
  await work(writer);
  await writer.flush();
}

/** As a run would damage it: points gone, points changed, points added. */
async function change(): Promise<void> {
  await write(async (writer) => {
    await writer.delete(
      C,
      Array.from({ length: 1_500 }, (_, i) => BigInt(i)),
    );
    await writer.setPayload(C, [{ id: 1_600n, set: { n: 'changed' }, delete: [] }]);
    await writer.upsert(C, [{ id: 9_999n, vector: Array.from({ length: 32 }, () => 1), payload: {} }]);
  });
}

async function contents(): Promise<string> {
  const hash = createHash('sha256');
  for await (const page of store.scrollRaw(C))
    for (const { id, vector, payload } of page) hash.update(`${id.toString()} ${vector} ${payload}\n`);
  return hash.digest('hex');
}

it('takes, lists and deletes snapshots', async () => {
  const made = await createSnapshot(store, C);
  expect(made).toMatchObject({
    name: expect.stringContaining(C) as string,
    size: expect.any(Number) as number,
  });
  expect(made.checksum).toMatch(/^[0-9a-f]{64}$/);
  expect(await listSnapshots(store, C)).toEqual([made]);
  expect(await deleteSnapshot(store, C, made.name)).toBe(true);
  expect(await deleteSnapshot(store, C, made.name)).toBe(false);
  expect(await listSnapshots(store, C)).toEqual([]);
});

it.each(['in-place', 'uploaded'] as const)('makes the collection what it was: %s', async (way) => {
  const [before, described] = [await contents(), await describeCollection(store, C)];
  const { name } = await createSnapshot(store, C);
  await change();
  expect(await contents()).not.toBe(before);
  const from = way === 'in-place' ? folder : undefined;
  for (let times = 0; times < 2; times++) {
    expect(await restoreSnapshot(store, C, name, from)).toBe(way);
    expect(await contents()).toBe(before);
    expect(await describeCollection(store, C)).toEqual(described);
  }
  await change();
  expect(await store.count(C)).toBe(501);
  expect(readdirSync(join(folder, C)).filter((file) => file.endsWith('.snapshot'))).toEqual([name]);
});

it.each(['in-place', 'uploaded'] as const)(
  'makes it what it was where it was deleted and made again, and keeps it over a crash: %s',
  async (way) => {
    const before = await contents();
    const described = await describeCollection(store, C);
    const { name } = await createSnapshot(store, C);
    await change();
    await deleteCollection(store, C);
    await expect(restoreSnapshot(store, C, name)).rejects.toMatchObject({ code: 'collection-missing' });
    await createCollection(store, C, described?.config ?? {});
    expect((await listSnapshots(store, C)).map((one) => one.name)).toEqual([name]);
    expect(await restoreSnapshot(store, C, name, way === 'in-place' ? folder : undefined)).toBe(way);
    expect(await contents()).toBe(before);
    await change();
    const changed = await contents();
    await engines.servers.vectors.kill();
    await engines.restartVectors();
    expect(await contents()).toBe(changed);
    expect(await restoreSnapshot(store, C, name)).toBe('uploaded');
    expect(await contents()).toBe(before);
  },
);

it('refuses a collection that was made again with other vectors, and changes nothing', async () => {
  const { name } = await createSnapshot(store, C);
  await make(16);
  const before = await contents();
  for (const from of [undefined, folder])
    await expect(restoreSnapshot(store, C, name, from)).rejects.toMatchObject({
      code: 'snapshot-incompatible',
    });
  expect(await contents()).toBe(before);
});

it('refuses a snapshot that is damaged, and changes nothing', async () => {
  const { name } = await createSnapshot(store, C);
  const before = await contents();
  const file = join(folder, C, name);
  const data = readFileSync(file);
  data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 1;
  writeFileSync(file, data);
  for (const from of [undefined, folder])
    await expect(restoreSnapshot(store, C, name, from)).rejects.toMatchObject({ code: 'snapshot-damaged' });
  truncateSync(file, data.length >> 1);
  await expect(restoreSnapshot(store, C, name)).rejects.toMatchObject({ code: 'snapshot-damaged' });
  expect(await contents()).toBe(before);
});

it('says that a snapshot, or a collection, is not there', async () => {
  await expect(restoreSnapshot(store, C, 'nope.snapshot')).rejects.toMatchObject({
    code: 'snapshot-missing',
  });
  await expect(createSnapshot(store, 'nope')).rejects.toMatchObject({ code: 'collection-missing' });
  await expect(listSnapshots(store, 'nope')).rejects.toMatchObject({ code: 'collection-missing' });
});

it('fails where the connection breaks in the midst, leaves the collection alone, and can be done again', async () => {
  const { name } = await createSnapshot(store, C);
  const before = await contents();
  const proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(engines.vectors.url).port) });
  const behind = new VectorStore({
    ...engines.vectors,
    url: `http://127.0.0.1:${proxy.port}`,
    timeoutMs: 5_000,
  });
  proxy.when(/form-data; name="snapshot"/, () => {
    proxy.drop();
    return undefined;
  });
  await expect(restoreSnapshot(behind, C, name)).rejects.toMatchObject({ code: 'connection-lost' });
  expect(await contents()).toBe(before);
  await change();
  expect(await restoreSnapshot(behind, C, name)).toBe('uploaded');
  expect(await contents()).toBe(before);
  behind.close();
  await proxy.stop();
});

it('tells of a full disk and of a key that may only read', async () => {
  // The embedded server has no such keys, and its disk cannot be filled in a test.
  let text = '';
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(text.startsWith('Forbidden') ? 403 : 500);
    response.end(JSON.stringify({ status: { error: text }, time: 0 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const refusing = new VectorStore({ url, timeoutMs: 5_000 });
  text = 'Service internal error: IO Error: No space left on device (os error 28)';
  await expect(createSnapshot(refusing, C)).rejects.toMatchObject({ code: 'disk-full' });
  text = 'Forbidden: Global manage access is required';
  await expect(createSnapshot(refusing, C)).rejects.toMatchObject({ code: 'read-only-key' });
  await expect(deleteSnapshot(refusing, C, 'x')).rejects.toMatchObject({ code: 'read-only-key' });
  refusing.close();
  server.close();
});
