import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { Failure } from '../../src/failure.js';
import { JsonReader } from '../../src/memory/json.js';
import { Double, type Value, type ValueMap } from '../../src/memory/values.js';
import {
  createAliases,
  createCollection,
  createPayloadIndexes,
  deleteCollection,
  describeCollection,
} from '../../src/stores/vectors/collection-admin.js';
import type { RawPoint } from '../../src/stores/vectors/point-pages.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { VectorWriter } from '../../src/stores/vectors/vector-writer.js';
import type { WriteGuard } from '../../src/stores/write-guard.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';

const C = 'memories';
const ID = '9c0bb0f4-0000-4000-8000-000000000001';
const OTHER = '9c0bb0f4-0000-4000-8000-000000000002';

const OTHER_VECTOR = { size: 2, distance: 'Cosine' };

let engines: TestEngines;
let store: VectorStore;

beforeAll(async () => {
  engines = await startEngines();
  store = new VectorStore({ ...engines.vectors, timeoutMs: 10_000 });
});

afterAll(async () => {
  store.close();
  await engines.stop();
});

beforeEach(async () => {
  for (const name of [C, 'copy']) await deleteCollection(store, name);
  await createCollection(store, C, { size: 2, distance: 'Cosine' });
});

async function raw(collection = C): Promise<RawPoint[]> {
  const points: RawPoint[] = [];
  for await (const page of store.scrollRaw(collection)) points.push(...page);
  return points;
}

async function payloadOf(id: string | bigint, collection = C): Promise<Value> {
  const [point] = await store.retrieve(collection, [id], { payload: true, numbers: 'exact' });
  return point?.payload ?? null;
}

const plain = (id: string | bigint, payload: ValueMap | string = {}) => ({ id, vector: [3, 4], payload });

async function written(work: (writer: VectorWriter) => Promise<void>, options = {}): Promise<number> {
  const writer = new VectorWriter(store, options);
  await work(writer);
  await writer.flush();
  return writer.written;
}

describe('upsert', () => {
  it('keeps numbers as they are: doubles, integers beyond 2^53, ids of 64 bits', async () => {
    const payload: ValueMap = {
      whole: new Double(1),
      one: 1,
      big: 9007199254740993n,
      text: 'Ü"\\\u2028🧠',
      nested: { a: [new Double(2), 0.1] },
    };
    expect(await written((writer) => writer.upsert(C, [plain(18446744073709551615n, payload)]))).toBe(1);
    expect(await payloadOf(18446744073709551615n)).toEqual(payload);
    expect((await raw()).map(({ id }) => id)).toEqual([18446744073709551615n]);
  });

  it('writes what JSON has no word for as texts', async () => {
    const payload = { nan: new Double(NaN), list: [new Double(-Infinity)], half: '\ud83d!' };
    await written((writer) => writer.upsert(C, [plain(ID, payload)]));
    expect(await payloadOf(ID)).toEqual({ nan: 'NaN', list: ['-Infinity'], half: '\ufffd!' });
  });

  it('passes JSON text on untouched, and copies a collection to the last digit', async () => {
    const points = Array.from({ length: 700 }, (_, i) => ({
      id: i % 3 === 0 ? BigInt(i) : randomUUID(),
      vector: `[${Math.sin(i)}, ${Math.cos(i)}e0]`,
      payload: `{"n":${i}.0,"text":"]}\\" ${'x'.repeat(i)}","deep":{"a":[{"b":"{"}]}}`,
    }));
    expect(await written((writer) => writer.upsert(C, points))).toBe(700);
    await createCollection(store, 'copy', { size: 2, distance: 'Cosine' });
    await written(async (writer) => {
      for await (const page of store.scrollRaw(C)) await writer.upsert('copy', page);
    });
    const [before, after] = [await raw(), await raw('copy')];
    expect(before).toHaveLength(700);
    expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(after.map(({ payload }) => payload)).toEqual(before.map(({ payload }) => payload));
    for (const [i, { vector }] of before.entries()) {
      const copied = JSON.parse(after[i]?.vector ?? '') as number[];
      // Normalised once more: the last of the 24 bits may move.
      for (const [k, component] of (JSON.parse(vector) as number[]).entries())
        expect(copied[k]).toBeCloseTo(component, 6);
    }
    expect(new JsonReader(before.find(({ id }) => id === 9n)?.payload ?? '').value()).toMatchObject({
      n: new Double(9),
    });
  });

  it('bounds its requests, and lets the later of two writes of one point win', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(engines.vectors.url).port) });
    const behind = new VectorStore({ url: `http://127.0.0.1:${proxy.port}`, timeoutMs: 10_000 });
    const writer = new VectorWriter(behind, { bodyBytes: 1_200, inFlight: 4 });
    const ids = Array.from({ length: 5 }, () => randomUUID());
    // What is sent later on another connection would arrive before it.
    proxy.when(/"round": 8/, () => sleep(200));
    for (let round = 0; round < 10; round++)
      await writer.upsert(
        C,
        ids.map((id) => plain(id, { round, text: 'x'.repeat(200) })),
      );
    await writer.flush();
    const lengths = [...proxy.sent().matchAll(/PUT [^]*?content-length: (\d+)/gi)].map((found) =>
      Number(found[1]),
    );
    expect(lengths.length).toBeGreaterThan(10);
    expect(Math.max(...lengths)).toBeLessThan(1_300);
    for (const id of ids) expect(await payloadOf(id)).toMatchObject({ round: 9 });
    expect(writer.written).toBe(50);
    behind.close();
    await proxy.stop();
  });

  it('goes on after broken connections and a restart of the server', async () => {
    const writer = new VectorWriter(store, { bodyBytes: 2_000 });
    const ids = Array.from({ length: 400 }, () => randomUUID());
    const points = ids.map((id) => plain(id, { text: 'x'.repeat(50) }));
    await writer.upsert(C, points.slice(0, 200));
    await engines.servers.vectors.kill();
    const writing = writer.upsert(C, points.slice(200)).then(() => writer.flush());
    await engines.restartVectors();
    await writing;
    expect(await store.count(C)).toBe(400);
  }, 30_000);

  it('names the points that Qdrant refuses, and writes the others', async () => {
    const refused: [string | bigint, string][] = [];
    const points = Array.from({ length: 100 }, (_, i) => plain(BigInt(i)));
    const bad = [
      { id: 7n, vector: [1, 2, 3], payload: {} },
      { id: 50n, vector: [NaN, 1], payload: {} },
      { id: 'not-a-uuid', vector: [1, 2], payload: {} },
    ];
    const count = await written(
      (writer) => writer.upsert(C, [...points.filter(({ id }) => id !== 7n && id !== 50n), ...bad]),
      {
        onRefused: (id: string | bigint, reason: string) => refused.push([id, reason]),
      },
    );
    expect(count).toBe(98);
    expect(await store.count(C)).toBe(98);
    expect(refused.map(([id]) => id).sort()).toEqual([50n, 7n, 'not-a-uuid'].sort());
    expect(refused.find(([id]) => id === 7n)?.[1]).toMatch(/expected dim: 2, got 3/);
  });

  it('fails for a refused point where nobody takes it, and stays failed', async () => {
    const writer = new VectorWriter(store);
    await writer.upsert(C, [{ id: ID, vector: [1], payload: {} }]);
    const failure = {
      code: 'qdrant-error',
      reason: expect.stringContaining('expected dim: 2, got 1') as string,
    };
    await expect(writer.flush()).rejects.toMatchObject(failure);
    await expect(writer.upsert(C, [plain(OTHER)])).rejects.toMatchObject(failure);
  });

  it('gives up where no point at all is taken', async () => {
    const refused: unknown[] = [];
    const points = Array.from({ length: 1_000 }, (_, i) => ({ id: BigInt(i), vector: [1], payload: {} }));
    const writing = written((writer) => writer.upsert(C, points), {
      onRefused: (id: unknown) => refused.push(id),
    });
    await expect(writing).rejects.toMatchObject({ code: 'qdrant-error' });
    expect(refused).toHaveLength(200);
  });

  it('says which collection is missing', async () => {
    await expect(written((writer) => writer.upsert('nope', [plain(ID)]))).rejects.toMatchObject({
      code: 'collection-missing',
    });
  });
});

describe('changes of points', () => {
  it('sets and deletes fields of payloads, whatever their names', async () => {
    const payload = { type: 'a', keep: new Double(1), 'a.b': 1, a: { b: 2 }, 'q"[0]': 3, gone: 4 };
    await written((writer) => writer.upsert(C, [plain(ID, payload), plain(2n, payload)]));
    await written((writer) =>
      writer.setPayload(C, [
        { id: ID, set: { type: 'b', score: new Double(2) }, delete: ['gone', 'a.b', 'q"[0]', 'never'] },
        { id: 2n, set: {}, delete: [] },
      ]),
    );
    expect(await payloadOf(ID)).toEqual({
      type: 'b',
      keep: new Double(1),
      score: new Double(2),
      a: { b: 2 },
    });
    expect(await payloadOf(2n)).toEqual(payload);
  });

  it('does everything in the order in which it was asked for', async () => {
    await written(
      async (writer) => {
        for (let round = 0; round < 5; round++) {
          await writer.upsert(C, [plain(ID, { round }), plain(OTHER, { round })]);
          await writer.setPayload(C, [{ id: ID, set: { patched: round }, delete: [] }]);
          await writer.delete(C, [OTHER, 'ffffffff-0000-4000-8000-000000000001', 77n]);
        }
      },
      { inFlight: 4 },
    );
    expect(await store.count(C)).toBe(1);
    expect(await payloadOf(ID)).toEqual({ round: 4, patched: 4 });
  });

  it('names points that went away before their payload was written', async () => {
    const refused: unknown[] = [];
    await written((writer) => writer.upsert(C, [plain(1n), plain(2n), plain(4n)]));
    const changes = [1n, 2n, 3n, 4n].map((id) => ({ id, set: { x: 1 }, delete: [] }));
    await written((writer) => writer.setPayload(C, changes), {
      onRefused: (id: unknown) => refused.push(id),
    });
    expect(refused).toEqual([3n]);
    for (const id of [1n, 2n, 4n]) expect(await payloadOf(id)).toEqual({ x: 1 });
  });
});

const SETTINGS = {
  vectors: {
    dense: { size: 2, distance: 'Dot', on_disk: true, hnsw_config: { m: 24 } },
    other: { size: 3, distance: 'Euclid', quantization_config: { scalar: { type: 'int8', quantile: 0.99 } } },
    late: { size: 2, distance: 'Cosine', multivector_config: { comparator: 'max_sim' } },
  },
  sparse_vectors: { words: { index: { on_disk: true }, modifier: 'idf' } },
  shard_number: 2,
  replication_factor: 2,
  on_disk_payload: false,
  hnsw_config: { m: 32, payload_m: 16 },
  optimizers_config: { indexing_threshold: 123, memmap_threshold: 7 },
  wal_config: { wal_capacity_mb: 16 },
  quantization_config: { product: { compression: 'x16', always_ram: true } },
  metadata: { model: 'm' },
};

async function call(method: string, path: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(engines.vectors.url + path, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
}

describe('collections', () => {
  it('makes a collection again from what it was described as', async () => {
    await deleteCollection(store, C);
    await call('PUT', `/collections/${C}`, SETTINGS);
    await call('PATCH', `/collections/${C}`, { params: { read_fan_out_factor: 3 } });
    await createPayloadIndexes(store, C, {
      tags: { data_type: 'keyword' },
      content: { data_type: 'text', params: { type: 'text', tokenizer: 'prefix', min_token_len: 2 } },
      n: { data_type: 'integer', params: { lookup: true, range: false } },
    });
    await createAliases(store, C, ['alias', 'another']);
    const described = await describeCollection(store, 'alias');
    expect(described).toMatchObject({ name: C, aliases: ['alias', 'another'] });
    expect(described?.payloadSchema['tags']).toEqual({ data_type: 'keyword' });
    if (described === null) throw new Error('there is no such collection');

    const journalled = JSON.parse(JSON.stringify(described)) as typeof described;
    expect(await deleteCollection(store, C)).toBe(true);
    expect(await deleteCollection(store, C)).toBe(false);
    expect(await describeCollection(store, C)).toBeNull();
    await createCollection(store, journalled.name, journalled.config);
    await createPayloadIndexes(store, C, journalled.payloadSchema);
    await createAliases(store, C, journalled.aliases);
    expect(await describeCollection(store, 'another')).toEqual(described);
    const { params } = described.config as { params: Record<string, unknown> };
    expect(params).toMatchObject({
      read_fan_out_factor: 3,
      shard_number: 2,
      sparse_vectors: SETTINGS.sparse_vectors,
    });
  });

  it.each(['Cosine', 'Dot', 'Euclid', 'Manhattan'] as const)('makes one with %s, once', async (distance) => {
    await createCollection(store, 'copy', { size: 5, distance });
    expect(await store.collection('copy')).toMatchObject({ size: 5, distance });
    await expect(createCollection(store, 'copy', { size: 5, distance })).rejects.toMatchObject({
      code: 'collection-exists',
    });
  });

  it.each([
    [
      'the one without a name, beside others',
      { '': { size: 3, distance: 'Dot' }, other: OTHER_VECTOR },
      3,
      'Dot',
    ],
    ['the one without a name, written with it', { '': { size: 3, distance: 'Dot' } }, 3, 'Dot'],
    ['none where all have names', { first: OTHER_VECTOR, other: OTHER_VECTOR }, null, null],
  ])('says how the vector is that AutoMem uses: %s', async (_, vectors, size, distance) => {
    await createCollection(store, 'copy', { params: { vectors } });
    expect(await store.collection('copy')).toMatchObject({ size, distance });
  });

  it('writes, changes and copies points with several vectors', async () => {
    await deleteCollection(store, C);
    await createCollection(store, C, { params: SETTINGS });
    const vector = {
      dense: [1, 2],
      other: '[0.5,-1.0,1e-3]',
      late: '[[0.6,0.8],[1,0]]',
      words: '{"indices":[7,9],"values":[0.5,2.0]}',
    };
    await written((writer) => writer.upsert(C, [{ id: ID, vector, payload: { a: 1 } }]));
    await written((writer) => writer.setVectors(C, [{ id: ID, vector: { dense: [3, 4] } }]));
    const [point] = await raw();
    expect(JSON.parse(point?.vector ?? '')).toEqual({
      dense: [3, 4],
      other: [0.5, -1, 0.001],
      late: [
        [0.6, 0.8],
        [1, 0],
      ],
      words: { indices: [7, 9], values: [0.5, 2] },
    });
    expect(point?.payload).toBe('{"a":1}');
    const described = await describeCollection(store, C);
    await createCollection(store, 'copy', described?.config ?? {});
    await written(async (writer) => {
      for await (const page of store.scrollRaw(C)) await writer.upsert('copy', page);
    });
    const [copied] = await raw('copy');
    // In which order the names stand is nobody's promise.
    expect(JSON.parse(copied?.vector ?? '')).toEqual(JSON.parse(point?.vector ?? ''));
    expect(copied?.payload).toBe('{"a":1}');
  });

  it('reads points that have no vector or no payload', async () => {
    await deleteCollection(store, C);
    await createCollection(store, C, { params: { vectors: { a: { size: 2, distance: 'Dot' } } } });
    await written((writer) => writer.upsert(C, [{ id: 1n, vector: {}, payload: 'null' }]));
    const points = await raw();
    expect(points).toEqual([
      { id: 1n, vector: '{}', payload: expect.stringMatching(/^(?:null|\{\})$/) as string },
    ]);
    await createCollection(store, 'copy', { params: { vectors: { a: { size: 2, distance: 'Dot' } } } });
    expect(await written((writer) => writer.upsert('copy', points))).toBe(1);
  });
});

/** Answers of servers that the embedded one cannot give: it has no such keys, limits and disks. */
describe('refusals of a whole server', () => {
  let server: Server;
  let behind: VectorStore;
  const bodies: number[] = [];
  let answer: (bytes: number) => [status: number, body: string];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => {
        bodies.push(bytes);
        const [status, body] = answer(bytes);
        response.writeHead(status).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    behind = new VectorStore({ url: `http://127.0.0.1:${port}`, timeoutMs: 5_000 });
  });

  afterAll(() => {
    behind.close();
    server.close();
  });

  const error = (text: string): string => JSON.stringify({ status: { error: text }, time: 0 });

  it('makes its requests smaller where a proxy takes no large ones', async () => {
    bodies.length = 0;
    answer = (bytes) => (bytes > 300_000 ? [413, '<html>413</html>'] : [200, '{"result":{}}']);
    const writer = new VectorWriter(behind, { inFlight: 1 });
    const points = Array.from({ length: 3_000 }, (_, i) => plain(BigInt(i), { text: 'x'.repeat(1_000) }));
    await writer.upsert(C, points);
    await writer.flush();
    expect(writer.written).toBe(3_000);
    // Of the batches that were made before it was known.
    expect(bodies.filter((bytes) => bytes > 300_000).length).toBeLessThan(15);
    expect(bodies.slice(-5).every((bytes) => bytes < 300_000)).toBe(true);
    answer = () => [413, ''];
    await writer.upsert(C, [plain(1n)]);
    await expect(writer.flush()).rejects.toMatchObject({
      code: 'too-large',
      hint: expect.stringContaining('client_max_body_size') as string,
    });
  });

  it.each([
    [403, error('Forbidden: Write access to collection memories is required'), 'read-only-key', /read-only/],
    [403, error('Forbidden: Global manage access is required'), 'read-only-key', /full access/],
    [403, 'Invalid API key or JWT', 'wrong-credentials', /QDRANT_API_KEY/],
    [500, error('Service internal error: No space left on device: WAL buffer'), 'disk-full', /room/],
    [507, error('Insufficient storage: disk usage'), 'disk-full', /room/],
    [500, error('Service internal error: task panicked'), 'qdrant-error', /log/],
  ])('tells what an answer of %i means: %s', async (status, body, code, hint) => {
    answer = () => [status, body];
    const writer = new VectorWriter(behind, { onRefused: () => undefined });
    await writer.upsert(C, [plain(1n)]);
    await expect(writer.flush()).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) as string });
  });
});

describe('guarded', () => {
  const points = Array.from({ length: 6 }, (_, i) => plain(BigInt(i), { text: 'x'.repeat(400) }));
  const lost = new Failure({
    operation: 'go on with the run',
    subject: 'the lease',
    reason: 'the lease is lost',
    hint: '',
    exitCode: 11,
    code: 'lease-lost',
  });

  /** Allows writing so many times. */
  function guardOf(times: number): WriteGuard & { asked: number; sent: number; ended: number } {
    const guard = {
      asked: 0,
      sent: 0,
      ended: 0,
      mayWrite: () => (guard.asked++ < times ? Promise.resolve() : Promise.reject(lost)),
      sending: (_: string, count: number) => {
        guard.sent += count;
        return () => {
          guard.ended += count;
        };
      },
    };
    return guard;
  }

  it('ends no request that is not allowed any more, however much of it is on its way', async () => {
    const guard = guardOf(2);
    const writer = new VectorWriter(store, { guard, bodyBytes: 1_000, inFlight: 2 });
    const work = async (): Promise<void> => {
      await writer.upsert(C, points);
      await writer.flush();
    };
    await expect(work()).rejects.toBe(lost);
    expect(await store.count(C)).toBe(4);
    expect(guard).toMatchObject({ sent: 4, ended: 4 });
    expect(writer.written).toBe(4);
  });

  it('asks again before a request is sent a second time', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(engines.vectors.url).port) });
    const behind = new VectorStore({ url: `http://127.0.0.1:${proxy.port}`, timeoutMs: 10_000 });
    proxy.when(/PUT /, () => {
      proxy.drop();
      return undefined;
    });
    const guard = guardOf(1);
    const writer = new VectorWriter(behind, { guard });
    await writer.upsert(C, points);
    await expect(writer.flush()).rejects.toBe(lost);
    expect(guard.asked).toBe(2);
    expect(await store.count(C)).toBe(0);
    behind.close();
    await proxy.stop();
  });
});
