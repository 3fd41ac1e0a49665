import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;
let client: QdrantClient;

beforeAll(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
  await client.createCollection('c', { vectors: { size: 2, distance: 'Dot' } });
  const points = [1, 2, 3, 4, 5].map((id) => ({
    id,
    vector: [id, 1],
    payload: { n: id, odd: id % 2 === 1 },
  }));
  await client.upsert('c', { wait: true, points });
  await client.createCollection('n', {
    vectors: { a: { size: 2, distance: 'Dot' }, b: { size: 3, distance: 'Cosine' } },
    sparse_vectors: { s: {} },
  });
  await client.upsert('n', {
    wait: true,
    points: [
      { id: 1, vector: { a: [1, 0], b: [1, 0, 0], s: { indices: [1], values: [0.9] } } },
      { id: 2, vector: { a: [0, 1], b: [0, 1, 0], s: { indices: [1, 2], values: [0.1, 1] } } },
    ],
  });
});
afterAll(() => server.remove());

type Found = { id: unknown }[];

// The client has no method for `search` any more; servers still answer it.
const search = (name: string, body: object): Promise<Found> =>
  server.result('POST', `/collections/${name}/points/search`, body);

const ids = (points: { id: unknown }[]): unknown[] => points.map(({ id }) => id);

describe('search', () => {
  it('finds the nearest', async () => {
    expect(await search('c', { vector: [1, 0.1], limit: 2 })).toEqual([
      { id: 5, version: 0, score: 5.1 },
      { id: 4, version: 0, score: 4.1 },
    ]);
  });

  it('filters, skips, cuts off and shows', async () => {
    const found = await search('c', {
      vector: [1, 0],
      limit: 10,
      offset: 1,
      filter: { must: [{ key: 'odd', match: { value: true } }] },
      score_threshold: 2,
      with_payload: ['n'],
      with_vector: true,
      params: { exact: true, hnsw_ef: 128 },
    });
    expect(found).toEqual([{ id: 3, version: 0, score: 3, payload: { n: 3 }, vector: [3, 1] }]);
  });

  it('takes named and sparse vectors', async () => {
    const near = await search('n', { vector: { name: 'b', vector: [0, 2, 0] }, limit: 1 });
    expect(near).toEqual([{ id: 2, version: 0, score: 1 }]);
    const vector = { name: 's', vector: { indices: [1], values: [1] } };
    expect(ids(await search('n', { vector, limit: 5 }))).toEqual([1, 2]);
  });

  it('runs batches', async () => {
    const searches = [1, -1].map((x) => ({ vector: [x, 0], limit: 1 }));
    const found = await server.result<Found[]>('POST', '/collections/c/points/search/batch', { searches });
    expect(found.map(ids)).toEqual([[5], [1]]);
  });

  it.each([
    ['c', { vector: [1], limit: 1 }, 400, 'Wrong input: Vector dimension error: expected dim: 2, got 1'],
    ['c', { vector: [1, 2] }, 400, 'missing field `limit`'],
    ['c', { limit: 1 }, 400, 'missing field `vector`'],
    ['c', { vector: [1, 2], limit: 0 }, 422, 'search_request.limit: value 0 invalid, must be 1 or larger'],
    [
      'c',
      { vector: { name: 'x', vector: [1, 2] }, limit: 1 },
      400,
      'Vector with name x is not configured in this collection',
    ],
    [
      'n',
      { vector: [1, 2], limit: 1 },
      400,
      'Collection requires specified vector name in the request, available names: a, b, s',
    ],
    [
      'n',
      { vector: { name: 'x', vector: [1] }, limit: 1 },
      400,
      'Vector with name `x` is not configured in this collection, available names: a, b, s',
    ],
    ['c', { vector: [1, 2], limit: 1, score_threshold: 'x' }, 400, 'expected f32'],
  ])('on %s refuses %j', async (name, body, status, message) => {
    const answer = await server.call('POST', `/collections/${name}/points/search`, body);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });
});

describe('query', () => {
  it.each([
    ['a vector', { query: [1, 0], limit: 2 }, [5, 4]],
    ['nearest', { query: { nearest: [-1, 0] }, limit: 2 }, [1, 2]],
    ['an id, without itself', { query: 5, limit: 2 }, [4, 3]],
    ['nothing', { limit: 3 }, [1, 2, 3]],
    ['a filter', { query: [1, 0], filter: { must: [{ key: 'odd', match: { value: false } }] } }, [4, 2]],
    ['an id and a filter', { query: 4, filter: { must: [{ key: 'odd', match: { value: false } }] } }, [2]],
    ['recommendations', { query: { recommend: { positive: [1, 2], negative: [5] } }, limit: 1 }, [3]],
    ['best scores', { query: { recommend: { positive: [5], strategy: 'best_score' } }, limit: 1 }, [4]],
    [
      'discovery',
      { query: { discover: { target: [1, 0], context: [{ positive: 5, negative: 1 }] } }, limit: 1 },
      [4],
    ],
    [
      'context',
      { query: { context: [{ positive: 5, negative: 1 }] }, limit: 5, filter: { must: [{ has_id: [4] }] } },
      [4],
    ],
    ['diversity', { query: { nearest: [1, 0], mmr: { diversity: 0, candidates_limit: 5 } }, limit: 1 }, [5]],
    ['a prefetch', { prefetch: { query: [-1, 0], limit: 2 }, query: [1, 0] }, [2, 1]],
    ['a threshold', { query: [1, 0], score_threshold: 4.5 }, [5]],
  ])('takes %s', async (_, body, expected) => {
    const { points } = await server.result<{ points: { id: unknown }[] }>(
      'POST',
      '/collections/c/points/query',
      body,
    );
    expect(ids(points)).toEqual(expected);
  });

  it('names vectors, looks up elsewhere, fuses and orders', async () => {
    expect(ids((await client.query('n', { query: [1, 0], using: 'a', limit: 1 })).points)).toEqual([1]);
    const elsewhere = { query: 2, using: 'a', lookup_from: { collection: 'c' }, limit: 1 };
    const answer = await server.call('POST', '/collections/n/points/query', elsewhere);
    expect(answer.json).toMatchObject({ result: { points: [{ id: 1, score: 2 }] } });
    for (const query of [{ fusion: 'rrf' }, { fusion: 'dbsf' }, { rrf: { k: 60 } }] as const) {
      const prefetch = [
        { query: [1, 0], using: 'a' },
        { query: { indices: [1], values: [1] }, using: 's' },
      ];
      expect(ids((await client.query('n', { prefetch, query })).points)).toEqual([1, 2]);
    }
    await client.createPayloadIndex('c', { field_name: 'n', field_schema: 'integer', wait: true });
    const down = {
      query: { order_by: { key: 'n', direction: 'desc' } },
      limit: 2,
      with_payload: true,
    } as const;
    expect((await client.query('c', down)).points).toMatchObject([
      { payload: { n: 5 } },
      { payload: { n: 4 } },
    ]);
    expect((await client.query('c', { query: { sample: 'random' }, limit: 5 })).points).toHaveLength(5);
  });

  it('gives ten without payload where nothing else is asked', async () => {
    const { points } = await client.query('c', { query: [1, 0] });
    expect(points[0]).toEqual({ id: 5, version: 0, score: 5 });
  });

  it('runs batches', async () => {
    const found = await client.queryBatch('c', {
      searches: [
        { query: 1, limit: 1 },
        { query: [-1, 0], limit: 1 },
      ],
    });
    expect(found.map(({ points }) => ids(points))).toEqual([[5], [1]]);
  });

  it.each([
    [{ query: 99 }, 404, 'Not found: No point with id 99 found'],
    [{ query: [1, 2, 3] }, 400, 'Vector dimension error: expected dim: 2, got 3'],
    [{ query: 'x' }, 400, 'value x is not a valid point ID'],
    [{ query: [1, 2], using: 'x' }, 400, 'Vector with name x is not configured'],
    [{ query: [1, 2], limit: 0 }, 422, 'internal.limit: value 0 invalid, must be 1 or larger'],
    [{ query: { huh: 1 } }, 400, 'Expected some form of vector, id, or a type of query'],
    [{ query: { text: 'hi', model: 'm' } }, 500, 'InferenceService is not initialized'],
    [{ query: { formula: 1 } }, 400, 'not supported by the embedded server'],
    [{ query: { recommend: {} } }, 400, 'At least one positive'],
  ])('refuses %j', async (body, status, message) => {
    const answer = await server.call('POST', '/collections/c/points/query', body);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });
});
