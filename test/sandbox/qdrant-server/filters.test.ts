import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;
let client: QdrantClient;

const uuid = '9b404af3-b132-496b-8de0-4d9dd7b0b286';
const points = [
  { id: 1, payload: { s: 'red', n: 1, f: 0.5, on: true, at: '2024-01-01T00:00:00Z', tags: ['a', 'b'] } },
  { id: 2, payload: { s: 'blue', n: 2, f: 1.5, on: false, at: '2024-06-01T12:00:00+02:00', tags: ['b'] } },
  { id: 3, payload: { s: 'green apple pie', n: 3, f: 2.5, tags: [], gone: null } },
  {
    id: 4,
    payload: {
      n: [4, 40],
      inner: [
        { kind: 'x', size: 1 },
        { kind: 'y', size: 9 },
      ],
      place: { lon: 13.4, lat: 52.5 },
    },
  },
  { id: uuid, payload: { s: 'red', n: 9007199254740993n, inner: [{ kind: 'x', size: 9 }] } },
];

beforeAll(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
  await client.createCollection('c', {
    vectors: { v: { size: 2, distance: 'Dot' }, w: { size: 2, distance: 'Dot' } },
  });
  const rows = points.map((point, n) => ({
    ...point,
    vector: n === 0 ? { v: [1, 1], w: [1, 1] } : { v: [1, 1] },
  }));
  const text = JSON.stringify({ points: rows }, (_, value: unknown) =>
    typeof value === 'bigint' ? `big ${value}` : value,
  ).replaceAll(/"big (\d+)"/g, '$1');
  await server.result('PUT', '/collections/c/points?wait=true', text);
});
afterAll(() => server.remove());

async function matching(filter: unknown): Promise<unknown[]> {
  const body = typeof filter === 'string' ? `{"filter": ${filter}}` : { filter };
  const { points: found } = await server.result<{ points: { id: unknown }[] }>(
    'POST',
    '/collections/c/points/scroll',
    body,
  );
  return found.map(({ id }) => id);
}

const must = (condition: object): object => ({ must: [condition] });
const field = (key: string, test: object): object => must({ key, ...test });

describe.each([
  ['without indexes', []],
  [
    'with indexes',
    [
      ['s', 'keyword'],
      ['n', 'integer'],
      ['f', 'float'],
      ['on', 'bool'],
      ['at', 'datetime'],
      ['place', 'geo'],
      ['inner[].kind', 'keyword'],
    ],
  ],
] as const)('%s', (_, indexes) => {
  beforeAll(async () => {
    for (const [field_name, field_schema] of indexes)
      await client.createPayloadIndex('c', { field_name, field_schema, wait: true });
  });

  it.each([
    ['a string', field('s', { match: { value: 'red' } }), [1, uuid]],
    ['an integer', field('n', { match: { value: 2 } }), [2]],
    ['an element', field('n', { match: { value: 40 } }), [4]],
    ['a 64-bit integer', '{"must": [{"key": "n", "match": {"value": 9007199254740993}}]}', [uuid]],
    ['true', field('on', { match: { value: true } }), [1]],
    ['false', field('on', { match: { value: false } }), [2]],
    ['any string', field('s', { match: { any: ['red', 'blue'] } }), [1, 2, uuid]],
    ['any integer', field('n', { match: { any: [1, 4] } }), [1, 4]],
    ['no string of', field('s', { match: { except: ['red'] } }), [2, 3]],
    ['text', field('s', { match: { text: 'apple' } }), [3]],
    ['an array element', field('tags', { match: { value: 'b' } }), [1, 2]],
    ['a range', field('f', { range: { gt: 0.5, lte: 2.5 } }), [2, 3]],
    ['an integer range', field('n', { range: { gte: 2, lt: 4 } }), [2, 3]],
    ['a range with null bounds', field('f', { range: { gt: 1, lt: null } }), [2, 3]],
    ['a date range', field('at', { range: { gte: '2024-06-01T10:00:00Z' } }), [2]],
    ['a day', field('at', { range: { lt: '2024-01-02' } }), [1]],
    ['a count of values', field('tags', { values_count: { gte: 1, lt: 2 } }), [2]],
    ['is_empty', must({ is_empty: { key: 'tags' } }), [3, 4, uuid]],
    ['is_null', must({ is_null: { key: 'gone' } }), [3]],
    ['is_empty of a field', field('tags', { is_empty: false }), [1, 2]],
    ['has_id', must({ has_id: [1, uuid.toUpperCase(), 77] }), [1, uuid]],
    ['has_vector', must({ has_vector: 'w' }), [1]],
    [
      'nested',
      must({
        nested: {
          key: 'inner',
          filter: {
            must: [
              { key: 'kind', match: { value: 'x' } },
              { key: 'size', range: { gt: 5 } },
            ],
          },
        },
      }),
      [uuid],
    ],
    ['a path into a list', field('inner[].kind', { match: { value: 'y' } }), [4]],
    [
      'a box',
      field('place', {
        geo_bounding_box: { top_left: { lon: 13, lat: 53 }, bottom_right: { lon: 14, lat: 52 } },
      }),
      [4],
    ],
    ['a radius', field('place', { geo_radius: { center: { lon: 13.4, lat: 52.6 }, radius: 20000 } }), [4]],
    [
      'must and must_not',
      { must: [{ key: 's', match: { value: 'red' } }], must_not: [{ has_id: [1] }] },
      [uuid],
    ],
    ['should', { should: [{ has_id: [2] }, { key: 'n', match: { value: 3 } }] }, [2, 3]],
    [
      'min_should',
      {
        min_should: {
          conditions: [
            { has_id: [1, 2] },
            { key: 's', match: { value: 'red' } },
            { key: 'on', match: { value: true } },
          ],
          min_count: 2,
        },
      },
      [1],
    ],
    ['filters in filters', must({ should: [{ has_id: [3] }, must({ has_id: [4] })] }), [3, 4]],
    ['one condition without a list', { must: { has_id: [3] } }, [3]],
    ['an empty filter', {}, [1, 2, 3, 4, uuid]],
    ['null', null, [1, 2, 3, 4, uuid]],
  ])('matches %s', async (_name, filter, expected) => {
    expect(await matching(filter)).toEqual(expected);
  });
});

it.each([
  [{ mustt: [] }, 'unknown field `mustt`, expected one of `should`, `min_should`, `must`, `must_not`'],
  [must({ key: 'n', match: { value: 1.5 } }), 'Expected some form of condition'],
  [must({ key: 'n', match: { any: [1, 'a'] } }), 'Expected some form of condition'],
  [must({ key: 'n', match: {} }), 'Expected some form of condition'],
  [must({ key: 'n', range: { gt: [] } }), 'Expected some form of condition'],
  [must({ key: 'at', range: { gt: 'yesterday' } }), 'Expected some form of condition'],
  [must({ has_id: ['x'] }), 'value x is not a valid point ID'],
  [must({ huh: 1 }), 'Expected some form of condition'],
  [must({ key: 'a[', match: { value: 1 } }), 'Expected some form of condition'],
  [[], 'struct Filter'],
])('refuses %j', async (filter, message) => {
  const answer = await server.call('POST', '/collections/c/points/count', { filter });
  expect(answer.status).toBe(400);
  expect(errorOf(answer)).toContain(message);
});

it('refuses a field condition that says nothing', async () => {
  const answer = await server.call('POST', '/collections/c/points/count', { filter: must({ key: 'n' }) });
  expect(answer.status).toBe(422);
  expect(errorOf(answer)).toContain('At least one field condition must be specified');
});
