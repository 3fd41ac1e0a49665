import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;
let client: QdrantClient;

beforeAll(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
  await client.createCollection('names', {
    vectors: {
      a: { size: 2, distance: 'Dot' },
      'bé [x]': { size: 2, distance: 'Euclid' },
      many: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
    },
    sparse_vectors: { words: {} },
  });
});
afterAll(() => server.remove());

beforeEach(async () => {
  await client.deleteCollection('c');
  await client.createCollection('c', { vectors: { size: 4, distance: 'Euclid' } });
});

const uuid = '9b404af3-b132-496b-8de0-4d9dd7b0b286';

async function put(points: unknown, wait = true): Promise<Awaited<ReturnType<TestServer['call']>>> {
  return server.call('PUT', `/collections/c/points?wait=${wait}`, { points });
}

async function payloadOf(id: number | string): Promise<unknown> {
  return (await client.retrieve('c', { ids: [id] }))[0]?.payload;
}

describe('ids', () => {
  it.each([
    ['0', '0'],
    ['18446744073709551615', '18446744073709551615'],
    [`"${uuid}"`, `"${uuid}"`],
    [`"${uuid.toUpperCase()}"`, `"${uuid}"`],
    [`"${uuid.replaceAll('-', '')}"`, `"${uuid}"`],
    [`"urn:uuid:${uuid}"`, `"${uuid}"`],
    [`"{${uuid}}"`, `"${uuid}"`],
  ])('takes %s and gives %s back', async (given, back) => {
    const body = `{"points": [{"id": ${given}, "vector": [1, 2, 3, 4]}]}`;
    await server.result('PUT', '/collections/c/points?wait=true', body);
    const { text } = await server.call('POST', '/collections/c/points/scroll', {});
    expect(text).toContain(`"points":[{"id":${back},`);
    const found = await server.call('POST', '/collections/c/points', `{"ids": [${given}]}`);
    expect(found.text).toContain(`"result":[{"id":${back},`);
  });

  it.each([
    ['"12"', '12'],
    ['-1', '-1'],
    ['1.5', '1.5'],
    ['true', 'true'],
    ['null', 'Unit'],
    ['"abc"', 'abc'],
    ['18446744073709551616', '1.8446744073709552e+19'],
  ])('refuses %s', async (given, shown) => {
    const message = `Format error in JSON body: value ${shown} is not a valid point ID, valid values are either an unsigned integer or a UUID`;
    const bodies: [string, string, string][] = [
      ['PUT', '/collections/c/points?wait=true', `{"points": [{"id": ${given}, "vector": [1, 2, 3, 4]}]}`],
      ['POST', '/collections/c/points', `{"ids": [${given}]}`],
      ['POST', '/collections/c/points/delete', `{"points": [${given}]}`],
    ];
    for (const [method, path, body] of bodies) {
      const answer = await server.call(method, path, body);
      expect([answer.status, errorOf(answer)]).toEqual([400, message]);
    }
  });

  it('reads them from paths', async () => {
    await put([{ id: uuid, vector: [1, 2, 3, 4], payload: { a: 1 } }]);
    expect(await server.result('GET', `/collections/c/points/${uuid}`)).toEqual({
      id: uuid,
      payload: { a: 1 },
      vector: [1, 2, 3, 4],
    });
    const missing = await server.call('GET', '/collections/c/points/7');
    expect([missing.status, errorOf(missing)]).toEqual([404, 'Not found: Point with id 7 does not exists!']);
    const invalid = await server.call('GET', '/collections/c/points/x');
    expect([invalid.status, errorOf(invalid)]).toEqual([
      400,
      'Wrong input: Can not recognize "x" as point id',
    ]);
  });
});

describe('payloads', () => {
  it('come back as they were sent', async () => {
    const payload =
      '{"int":1,"zero":0,"float":2.0,"small":5e-324,"big":1e300,"max":18446744073709551615,"min":-9223372036854775808,' +
      '"ratio":0.1234567890123456,"nothing":null,"yes":true,"empty":{},"list":[1,1.0,"1",[],null],' +
      '"text":"\\u0000 \\" \\\\ \\n é 😀 \\u007f","":"key"}';
    await server.result(
      'PUT',
      '/collections/c/points?wait=true',
      `{"points":[{"id":1,"vector":[1,2,3,4],"payload":${payload}}]}`,
    );
    const { text } = await server.call('POST', '/collections/c/points/scroll', {});
    for (const part of [
      '"int":1,',
      '"float":2.0',
      '"small":5e-324',
      '"big":1e+300',
      '"max":18446744073709551615',
      '"min":-9223372036854775808',
      '"ratio":0.1234567890123456',
      '"list":[1,1.0,"1",[],null]',
    ]) {
      expect(text).toContain(part);
    }
    // Not through the client: it makes BigInts of large integers.
    const { json } = await server.call('GET', '/collections/c/points/1');
    expect(json).toMatchObject({ result: { payload: JSON.parse(payload) as unknown } });
  });

  it('may be absent or null', async () => {
    await put([
      { id: 1, vector: [1, 2, 3, 4] },
      { id: 2, vector: [1, 2, 3, 4], payload: null },
    ]);
    expect([await payloadOf(1), await payloadOf(2)]).toEqual([{}, {}]);
  });

  it('are objects', async () => {
    const answer = await put([{ id: 1, vector: [1, 2, 3, 4], payload: [1] }]);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain('expected a map');
  });

  it('are set, set at a path, overwritten, cut and cleared', async () => {
    await put([1, 2].map((id) => ({ id, vector: [1, 2, 3, 4], payload: { a: { b: 1 }, c: 1 } })));
    await client.setPayload('c', { points: [1], payload: { c: 2, d: 3 }, wait: true });
    await client.setPayload('c', { points: [1], payload: { e: 4 }, key: 'a', wait: true });
    expect(await payloadOf(1)).toEqual({ a: { b: 1, e: 4 }, c: 2, d: 3 });
    await client.deletePayload('c', { points: [1], keys: ['a.b', 'd'], wait: true });
    expect(await payloadOf(1)).toEqual({ a: { e: 4 }, c: 2 });
    await client.overwritePayload('c', {
      filter: { must: [{ has_id: [1] }] },
      payload: { n: 1 },
      wait: true,
    });
    expect(await payloadOf(1)).toEqual({ n: 1 });
    await client.clearPayload('c', { points: [1], wait: true });
    expect(await payloadOf(1)).toEqual({});
    expect(await payloadOf(2)).toEqual({ a: { b: 1 }, c: 1 });
  });

  it.each([
    ['POST', 'payload', { payload: {} }],
    ['PUT', 'payload', { payload: {} }],
    ['POST', 'payload/delete', { keys: ['a'] }],
  ])('need a target for %s %s', async (method, path, body) => {
    const answer = await server.call(method, `/collections/c/points/${path}`, body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain('Either list of point ids or filter must be provided');
  });

  it('are not set on points that are not there', async () => {
    const body = { payload: { a: 1 }, points: [404] };
    const answer = await server.call('POST', '/collections/c/points/payload?wait=true', body);
    expect([answer.status, errorOf(answer)]).toEqual([404, 'Not found: No point with id 404 found']);
  });
});

describe('vectors', () => {
  it('are printed as 32-bit floats', async () => {
    await put([{ id: 1, vector: [0.1, -2.5, 1e-9, 3] }]);
    const { text } = await server.call('POST', '/collections/c/points', { ids: [1], with_vector: true });
    expect(text).toContain('"vector":[0.1, -2.5, 0.000000001, 3.0]');
  });

  it('are normalised at rest where the distance is cosine', async () => {
    await client.createCollection('cosine', { vectors: { size: 2, distance: 'Cosine' } });
    await client.upsert('cosine', { wait: true, points: [{ id: 1, vector: [3, 4] }] });
    expect((await client.retrieve('cosine', { ids: [1], with_vector: true }))[0]?.vector).toEqual([0.6, 0.8]);
  });

  it.each([
    [[1, 2, 3], 3],
    [[1, 2, 3, 4, 5], 5],
  ])('have the right length, not that of %j', async (vector, got) => {
    const answer = await put([
      { id: 1, vector: [1, 2, 3, 4] },
      { id: 2, vector },
    ]);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toBe(`Wrong input: Vector dimension error: expected dim: 4, got ${got}`);
    expect((await client.count('c')).count).toBe(0);
  });

  it('of a wrong length are acknowledged and dropped without wait, as Qdrant does', async () => {
    const answer = await put([{ id: 1, vector: [1] }], false);
    expect(answer.json).toMatchObject({ result: { status: 'acknowledged' } });
    expect((await client.count('c')).count).toBe(0);
  });

  it.each([
    [{ id: 1 }, 400, 'missing field `vector`'],
    [{ vector: [1, 2, 3, 4] }, 400, 'missing field `id`'],
    [{ id: 1, vector: [1, 2, null, 4] }, 400, 'untagged enum VectorStruct'],
    [{ id: 1, vector: 'x' }, 400, 'untagged enum VectorStruct'],
    [{ id: 1, vector: [] }, 422, 'dense vector must not be empty'],
    [{ id: 1, vector: { nope: [1, 2] } }, 400, 'Not existing vector name error: nope'],
    [{ id: 1, vector: { text: 'hi', model: 'm' } }, 500, 'InferenceService is not initialized'],
    [7, 400, 'expected struct PointStruct'],
  ])('refuses the point %j', async (point, status, message) => {
    const answer = await put([point]);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });

  it('are named, multiple and sparse', async () => {
    const vector = {
      a: [0.5, 1],
      'bé [x]': [0.1, 1e-7],
      many: [
        [1, 0.1],
        [0.2, 3],
      ],
      words: { indices: [9, 2], values: [0.1, 2] },
    };
    await client.upsert('names', { wait: true, points: [{ id: 1, vector }] });
    const read = async (wanted: boolean | string[]): Promise<unknown> =>
      (await client.retrieve('names', { ids: [1], with_vector: wanted }))[0]?.vector;
    expect(await read(true)).toEqual({ ...vector, words: { indices: [2, 9], values: [2, 0.1] } });
    expect(await read(['a', 'words'])).toEqual({ a: [0.5, 1], words: { indices: [2, 9], values: [2, 0.1] } });
    expect(await read(false)).toBeUndefined();
    await client.updateVectors('names', { wait: true, points: [{ id: 1, vector: { a: [7, 8] } }] });
    expect(await read(['a', 'many'])).toEqual({ a: [7, 8], many: vector.many });
    await client.deleteVectors('names', { wait: true, points: [1], vector: ['a', 'words'] });
    expect(Object.keys((await read(true)) as object).sort()).toEqual(['bé [x]', 'many']);
  });

  it.each([
    [{ words: { indices: [1, 1], values: [1, 2] } }, 422, 'indices: must be unique'],
    [{ words: { indices: [1], values: [1, 2] } }, 422, 'values: must be the same length as indices'],
    [{ words: [1, 2] }, 400, 'Conversion between sparse and regular vectors failed'],
    [{ a: [1, 2, 3] }, 400, 'expected dim: 2, got 3'],
    [{ many: [[1, 2], [1]] }, 400, 'expected dim: 2, got 1'],
    [[1, 2], 400, 'Not existing vector name error: '],
  ])('refuses named %j', async (vector, status, message) => {
    const body = { points: [{ id: 5, vector }] };
    const answer = await server.call('PUT', '/collections/names/points?wait=true', body);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });
});

describe('updates', () => {
  it('are numbered and say whether they are done', async () => {
    const points = [{ id: 1, vector: [1, 2, 3, 4] }];
    expect(await client.upsert('c', { wait: true, points })).toEqual({
      operation_id: 0,
      status: 'completed',
    });
    expect(await client.upsert('c', { wait: false, points })).toEqual({
      operation_id: 1,
      status: 'acknowledged',
    });
  });

  it('come in columns', async () => {
    await client.upsert('c', {
      wait: true,
      batch: {
        ids: [1, 2],
        vectors: [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
        payloads: [{ a: 1 }, null],
      },
    });
    expect(await payloadOf(1)).toEqual({ a: 1 });
    const batch = {
      ids: [1, 2],
      vectors: {
        a: [
          [1, 2],
          [3, 4],
        ],
      },
    };
    await client.upsert('names', { wait: true, batch });
    const [, second] = await client.retrieve('names', { ids: [1, 2], with_vector: ['a'] });
    expect(second?.vector).toEqual({ a: [3, 4] });
    const uneven = {
      batch: {
        ids: [1],
        vectors: [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
      },
    };
    expect((await server.call('PUT', '/collections/c/points', uneven)).status).toBe(422);
  });

  it('can be conditional', async () => {
    await put([{ id: 1, vector: [1, 1, 1, 1], payload: { v: 1 } }]);
    const points = [1, 2].map((id) => ({ id, vector: [2, 2, 2, 2], payload: { v: 2 } }));
    await server.result('PUT', '/collections/c/points?wait=true', { points, update_mode: 'insert_only' });
    expect([await payloadOf(1), await payloadOf(2)]).toEqual([{ v: 1 }, { v: 2 }]);
    const newer = { points: [{ id: 1, vector: [3, 3, 3, 3], payload: { v: 3 } }] };
    const onlyV2 = { must: [{ key: 'v', match: { value: 2 } }] };
    await server.result('PUT', '/collections/c/points?wait=true', { ...newer, update_filter: onlyV2 });
    expect(await payloadOf(1)).toEqual({ v: 1 });
  });

  it.each([
    [{ points: [] }, 'Bad request: Empty update request'],
    [{}, 'Format error in JSON body: Invalid PointInsertOperations format'],
  ])('refuse %j', async (body, message) => {
    const answer = await server.call('PUT', '/collections/c/points?wait=true', body);
    expect([answer.status, errorOf(answer)]).toEqual([400, message]);
  });

  it('delete by id and by filter', async () => {
    await put([1, 2, 3, 4].map((id) => ({ id, vector: [1, 2, 3, 4], payload: { n: id } })));
    await client.delete('c', { wait: true, points: [1, 99] });
    await client.delete('c', { wait: true, filter: { must: [{ key: 'n', range: { gte: 4 } }] } });
    expect((await client.scroll('c', {})).points.map(({ id }) => id)).toEqual([2, 3]);
    await server.result('POST', '/collections/c/points/delete?wait=true', { filter: {} });
    expect((await client.count('c')).count).toBe(0);
    const answer = await server.call('POST', '/collections/c/points/delete', {});
    expect(errorOf(answer)).toContain('untagged enum PointsSelector');
  });

  it('come in batches, in order', async () => {
    const operations = [
      { upsert: { points: [1, 2].map((id) => ({ id, vector: [1, 2, 3, 4], payload: { a: 1, b: 1 } })) } },
      { set_payload: { points: [1], payload: { c: 1 } } },
      { overwrite_payload: { points: [2], payload: { d: 1 } } },
      { delete_payload: { points: [1], keys: ['a'] } },
      { update_vectors: { points: [{ id: 1, vector: [9, 9, 9, 9] }] } },
      {
        upsert: {
          batch: {
            ids: [3, 4],
            vectors: [
              [1, 1, 1, 1],
              [2, 2, 2, 2],
            ],
          },
        },
      },
      { delete: { points: [3] } },
      { clear_payload: { filter: { must: [{ has_id: [2] }] } } },
    ];
    const results = await server.result<unknown[]>('POST', '/collections/c/points/batch?wait=true', {
      operations,
    });
    expect(results).toHaveLength(8);
    expect(results[7]).toEqual({ operation_id: 7, status: 'completed' });
    expect((await client.scroll('c', { with_vector: true })).points).toEqual([
      { id: 1, payload: { b: 1, c: 1 }, vector: [9, 9, 9, 9] },
      { id: 2, payload: {}, vector: [1, 2, 3, 4] },
      { id: 4, payload: {}, vector: [2, 2, 2, 2] },
    ]);
    const bad = { operations: [{ explode: {} }] };
    expect(errorOf(await server.call('POST', '/collections/c/points/batch', bad))).toContain(
      'untagged enum UpdateOperation',
    );
  });
});

describe('scrolling', () => {
  beforeEach(async () => {
    const ids: (number | string)[] = [5, 3, 1, 4, 2, uuid];
    await put(
      ids.map((id, n) => ({ id, vector: [n, 0, 0, 0], payload: { n, tag: `t${n % 2}`, deep: { x: n } } })),
    );
  });

  it('goes through all points in the order of their ids', async () => {
    const first = await client.scroll('c', { limit: 4 });
    expect(first.points.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(first.next_page_offset).toBe(5);
    const rest = await client.scroll('c', { limit: 4, offset: 5 });
    expect(rest.points.map(({ id }) => id)).toEqual([5, uuid]);
    expect(rest.next_page_offset).toBeNull();
    const last = await client.scroll('c', { limit: 4, offset: uuid });
    expect(last.points.map(({ id }) => id)).toEqual([uuid]);
  });

  it('gives ten where no limit is set', async () => {
    await put(Array.from({ length: 20 }, (_, n) => ({ id: 100 + n, vector: [1, 1, 1, 1] })));
    expect(
      (await server.result<{ points: unknown[] }>('POST', '/collections/c/points/scroll', {})).points,
    ).toHaveLength(10);
  });

  it.each([
    [true, { n: 2, tag: 't0', deep: { x: 2 } }],
    [['n', 'deep.x'], { n: 2, deep: { x: 2 } }],
    [{ include: ['tag'] }, { tag: 't0' }],
    [{ exclude: ['deep', 'n'] }, { tag: 't0' }],
    [false, undefined],
  ])('gives the payload that %j asks for', async (withPayload, expected) => {
    const { points } = await client.scroll('c', { limit: 1, with_payload: withPayload });
    expect(points[0]?.payload).toEqual(expected);
  });

  it('counts and filters', async () => {
    const filter = { must: [{ key: 'tag', match: { value: 't1' } }] };
    expect((await client.scroll('c', { filter })).points.map(({ id }) => id)).toEqual([3, 4, uuid]);
    expect(await client.count('c', { filter, exact: true })).toEqual({ count: 3 });
    expect(await client.count('c', { exact: false })).toEqual({ count: 6 });
  });

  it('orders by an indexed field', async () => {
    const unindexed = await server.call('POST', '/collections/c/points/scroll', { order_by: 'n' });
    expect(unindexed.status).toBe(400);
    expect(errorOf(unindexed)).toContain('Wrong input: No range index for `order_by` key: `n`');
    await client.createPayloadIndex('c', { field_name: 'n', field_schema: 'integer', wait: true });
    const down = await client.scroll('c', { order_by: { key: 'n', direction: 'desc' }, limit: 2 });
    expect(down.points).toMatchObject([
      { payload: { n: 5 }, order_value: 5 },
      { payload: { n: 4 }, order_value: 4 },
    ]);
    expect(down.next_page_offset).toBeNull();
    const from = await client.scroll('c', { order_by: { key: 'n', start_from: 3 } });
    expect(from.points.map(({ payload }) => payload?.['n'])).toEqual([3, 4, 5]);
  });

  it('counts the values of an indexed field', async () => {
    const body = { key: 'tag' };
    expect(errorOf(await server.call('POST', '/collections/c/facet', body))).toContain(
      'No appropriate index for faceting: `tag`',
    );
    await client.createPayloadIndex('c', { field_name: 'tag', field_schema: 'keyword', wait: true });
    const filter = { must: [{ key: 'n', range: { lt: 5 } }] };
    expect(await client.facet('c', { key: 'tag', exact: true, filter })).toEqual({
      hits: [
        { value: 't0', count: 3 },
        { value: 't1', count: 2 },
      ],
    });
  });

  it.each([
    [
      { limit: 0 },
      422,
      'Validation error in JSON body: [scroll_request.limit: value 0 invalid, must be 1 or larger]',
    ],
    [{ limit: -1 }, 400, 'invalid value: integer `-1`, expected usize'],
    [{ limit: 'x' }, 400, 'invalid type: string "x", expected usize'],
    [{ offset: 'x' }, 400, 'value x is not a valid point ID'],
    [
      { with_payload: 1 },
      400,
      'Expected a boolean, an array of strings, or an object with an include/exclude field',
    ],
    [{ with_vector: 1 }, 400, 'Expected a boolean, or an array of strings'],
    [{ with_payload: ['a['] }, 400, 'Format error in JSON body'],
    [{ order_by: { direction: 'asc' } }, 400, 'missing field `key`'],
    [{ order_by: { key: 'n', direction: 'up' } }, 400, 'unknown variant `up`'],
  ])('refuses %j', async (body, status, message) => {
    const answer = await server.call('POST', '/collections/c/points/scroll', body);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });
});
