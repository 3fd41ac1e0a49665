import { QdrantClient } from '@qdrant/js-client-rest';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;
let client: QdrantClient;

beforeAll(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
});
afterAll(() => server.remove());

beforeEach(async () => {
  await client.deleteCollection('c');
  for (const { name } of await known('c')) await client.deleteSnapshot('c', name);
  await client.createCollection('c', { vectors: { size: 2, distance: 'Dot' }, metadata: { model: 'm' } });
  for (const { name } of await known('c')) await client.deleteSnapshot('c', name);
  const points = Array.from({ length: 300 }, (_, id) => ({ id, vector: [id, 1], payload: { n: id } }));
  await client.upsert('c', { wait: true, points });
  await client.createPayloadIndex('c', { field_name: 'n', field_schema: 'integer', wait: true });
});

async function known(name: string): Promise<{ name: string }[]> {
  const answer = await server.call('GET', `/collections/${name}/snapshots`);
  return answer.status === 200 ? (answer.json as { result: { name: string }[] }).result : [];
}

async function makeSnapshot(): Promise<{ name: string; checksum: string; content: Buffer<ArrayBuffer> }> {
  const made = await client.createSnapshot('c');
  const response = await fetch(`${server.url}/collections/c/snapshots/${made?.name ?? ''}`);
  return {
    name: made?.name ?? '',
    checksum: made?.checksum ?? '',
    content: Buffer.from(await response.arrayBuffer()),
  };
}

function fileUrl(name: string): string {
  return pathToFileURL(join(server.storage, 'snapshots', 'c', name)).href;
}

it('makes, lists, serves and deletes snapshots', async () => {
  const made = await client.createSnapshot('c');
  expect(made).toEqual({
    name: expect.stringMatching(/^c-\d+-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d(-\d+)?\.snapshot$/) as string,
    creation_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/) as string,
    size: expect.any(Number) as number,
    checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
  });
  expect(await client.listSnapshots('c')).toEqual([made]);
  const response = await fetch(`${server.url}/collections/c/snapshots/${made?.name ?? ''}`);
  expect(response.headers.get('content-disposition')).toContain('attachment');
  const content = Buffer.from(await response.arrayBuffer());
  expect(content).toHaveLength(made?.size ?? 0);
  expect(createHash('sha256').update(content).digest('hex')).toBe(made?.checksum);
  expect(content.length).toBeLessThan(1_000_000);
  expect(await client.deleteSnapshot('c', made?.name ?? '')).toBe(true);
  expect(await client.listSnapshots('c')).toEqual([]);
});

it('makes two in one second', async () => {
  await Promise.all([client.createSnapshot('c'), client.createSnapshot('c')]);
  expect(await client.listSnapshots('c')).toHaveLength(2);
});

it('brings a collection back as it was, and lets it be written to', async () => {
  const { name } = await makeSnapshot();
  await client.delete('c', { wait: true, filter: {} });
  expect(await client.recoverSnapshot('c', { location: fileUrl(name) })).toBe(true);
  expect((await client.count('c')).count).toBe(300);
  const info = await client.getCollection('c');
  expect(info.payload_schema).toEqual({ n: { data_type: 'integer', points: 300 } });
  expect(info.config.metadata).toEqual({ model: 'm' });
  // An operation on a restored point must not be taken for one that it has seen.
  await client.setPayload('c', { wait: true, points: [1], payload: { n: 'changed' } });
  await client.upsert('c', {
    wait: true,
    points: [
      { id: 2, vector: [0, 0] },
      { id: 1000, vector: [1, 1] },
    ],
  });
  const found = await client.retrieve('c', { ids: [1, 2, 1000] });
  expect(found.map(({ payload }) => payload)).toEqual([{ n: 'changed' }, {}, {}]);
  await server.crashAndRestart();
  client = new QdrantClient({ url: server.url });
  expect((await client.count('c')).count).toBe(301);
  expect((await client.retrieve('c', { ids: [1] }))[0]?.payload).toEqual({ n: 'changed' });
});

it('makes a new collection from a snapshot, over HTTP', async () => {
  const { name, checksum } = await makeSnapshot();
  const location = `${server.url}/collections/c/snapshots/${name}`;
  expect(await client.recoverSnapshot('copy', { location, checksum })).toBe(true);
  expect((await client.count('copy')).count).toBe(300);
  await client.deleteCollection('copy');
});

it('takes an upload', async () => {
  const { checksum, content } = await makeSnapshot();
  const upload = async (query: string): Promise<Response> => {
    const form = new FormData();
    form.append('other', 'field');
    form.append('snapshot', new Blob([content]), 'some.snapshot');
    const path = `/collections/uploaded/snapshots/upload?priority=snapshot${query}`;
    return fetch(server.url + path, { method: 'POST', body: form });
  };
  expect((await upload(`&checksum=${'0'.repeat(64)}`)).status).toBe(400);
  expect((await upload(`&checksum=${checksum}`)).status).toBe(200);
  expect((await client.count('uploaded')).count).toBe(300);
  await client.deleteCollection('uploaded');
  const left = readdirSync(join(server.storage, 'snapshots')).filter((name) => name.startsWith('.'));
  expect(left).toEqual([]);
});

it('goes on with reads and keeps updates for after the snapshot', async () => {
  const done: string[] = [];
  const note = (what: string) => () => done.push(what);
  await Promise.all([
    client.createSnapshot('c').then(note('snapshot')),
    client.upsert('c', { wait: true, points: [{ id: 5000, vector: [1, 1] }] }).then(note('update')),
    client.count('c').then(note('count')),
  ]);
  expect(done.indexOf('snapshot')).toBeLessThan(done.indexOf('update'));
  expect((await client.count('c')).count).toBe(301);
});

it('answers 202 where it shall not wait', async () => {
  const answer = await server.call('POST', '/collections/c/snapshots?wait=false');
  expect(answer.status).toBe(202);
  expect(answer.json).toEqual({ status: 'accepted', time: expect.any(Number) as number });
  for (let tries = 0; tries < 50 && (await client.listSnapshots('c')).length === 0; tries++) await sleep(20);
  expect(await client.listSnapshots('c')).toHaveLength(1);
});

it('refuses what it cannot restore', async () => {
  const { name } = await makeSnapshot();
  const refused = async (location: string, more = {}): Promise<[number, string]> => {
    const answer = await server.call('PUT', '/collections/c/snapshots/recover', { location, ...more });
    return [answer.status, errorOf(answer)];
  };
  expect(await refused('ftp://x/y')).toEqual([
    400,
    'Bad request: URL ftp://x/y with scheme ftp is not supported',
  ]);
  expect(await refused('file:///no/such')).toEqual([
    400,
    'Bad request: Snapshot file "/no/such" does not exist',
  ]);
  const [status, message] = await refused('file:///etc/hostname');
  expect(status).toBe(existsSync('/etc/hostname') ? 403 : 400);
  expect(message).toMatch(/must be inside the snapshots directory|does not exist/);
  expect((await refused(fileUrl(name), { checksum: 'a'.repeat(64) }))[1]).toContain(
    'Snapshot checksum mismatch',
  );
  expect((await refused(fileUrl(`${name}.checksum`)))[0]).toBe(500);
  expect((await client.count('c')).count).toBe(300);
  await client.deleteCollection('c');
  await client.createCollection('c', { vectors: { size: 3, distance: 'Dot' } });
  expect((await refused(fileUrl(name)))[1]).toContain('Snapshot is not compatible with existing collection');
});

it.each(['nope', '..%2f..%2fregistry.json'])('has no snapshot %s', async (name) => {
  for (const method of ['GET', 'DELETE']) {
    const answer = await server.call(method, `/collections/c/snapshots/${name}`);
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toBe(`Not found: Snapshot ${decodeURIComponent(name)} not found`);
  }
});
