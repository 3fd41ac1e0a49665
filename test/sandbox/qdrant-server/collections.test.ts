import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorOf, startServer, type TestServer } from './server-process.js';

let server: TestServer;
let client: QdrantClient;

beforeAll(async () => {
  server = await startServer();
  client = new QdrantClient({ url: server.url });
});
afterAll(() => server.remove());

const plain = { size: 4, distance: 'Cosine' } as const;

describe('creating', () => {
  it('reports the defaults of a Qdrant server', async () => {
    expect(await client.createCollection('defaults', { vectors: plain })).toBe(true);
    expect(await server.result('GET', '/collections/defaults')).toEqual({
      status: 'green',
      optimizer_status: 'ok',
      indexed_vectors_count: 0,
      points_count: 0,
      segments_count: 1,
      config: {
        params: {
          vectors: plain,
          shard_number: 1,
          replication_factor: 1,
          write_consistency_factor: 1,
          on_disk_payload: true,
        },
        hnsw_config: {
          m: 16,
          ef_construct: 100,
          full_scan_threshold: 10000,
          max_indexing_threads: 0,
          on_disk: false,
        },
        optimizer_config: {
          deleted_threshold: 0.2,
          vacuum_min_vector_number: 1000,
          default_segment_number: 0,
          max_segment_size: null,
          memmap_threshold: null,
          indexing_threshold: 10000,
          flush_interval_sec: 5,
          max_optimization_threads: null,
          prevent_unoptimized: null,
        },
        wal_config: { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 },
        quantization_config: null,
      },
      payload_schema: {},
      update_queue: { length: 0 },
    });
  });

  it('keeps what was asked for', async () => {
    await server.result('PUT', '/collections/asked', {
      vectors: {
        text: { size: 3, distance: 'Euclid', on_disk: true, hnsw_config: { m: 4 } },
        image: { size: 2, distance: 'Manhattan', datatype: 'float16' },
      },
      sparse_vectors: { words: { index: { on_disk: true }, modifier: 'idf' } },
      shard_number: 2,
      replication_factor: 3,
      write_consistency_factor: 2,
      on_disk_payload: false,
      hnsw_config: { m: 0, payload_m: 16, full_scan_threshold: 20 },
      optimizers_config: {
        indexing_threshold: 0,
        default_segment_number: 2,
        max_optimization_threads: 'auto',
      },
      wal_config: { wal_capacity_mb: 8 },
      quantization_config: { binary: { always_ram: true } },
    });
    const { config } = await client.getCollection('asked');
    expect(config.params).toEqual({
      vectors: {
        image: { size: 2, distance: 'Manhattan', datatype: 'float16' },
        text: { size: 3, distance: 'Euclid', on_disk: true, hnsw_config: { m: 4 } },
      },
      shard_number: 2,
      replication_factor: 3,
      write_consistency_factor: 2,
      on_disk_payload: false,
      sparse_vectors: { words: { index: { on_disk: true }, modifier: 'idf' } },
    });
    expect(config.hnsw_config).toMatchObject({
      m: 0,
      payload_m: 16,
      full_scan_threshold: 20,
      ef_construct: 100,
    });
    expect(config.optimizer_config).toMatchObject({ indexing_threshold: 0, default_segment_number: 2 });
    expect(config.wal_config?.wal_capacity_mb).toBe(8);
    expect(config.quantization_config).toEqual({ binary: { always_ram: true } });
  });

  it('takes a collection without vectors', async () => {
    await client.createCollection('bare', {});
    expect((await client.getCollection('bare')).config.params.vectors).toEqual({});
    await client.upsert('bare', { wait: true, points: [{ id: 1, vector: {}, payload: { a: 1 } }] });
    expect((await client.count('bare')).count).toBe(1);
  });

  it('refuses a name twice', async () => {
    const answer = await server.call('PUT', '/collections/defaults', { vectors: plain });
    expect(answer.status).toBe(409);
    expect(errorOf(answer)).toBe('Wrong input: Collection `defaults` already exists!');
  });

  it.each([
    [
      { vectors: { size: 0, distance: 'Dot' } },
      422,
      'vectors.size: value 0 invalid, must be from 1 to 65536',
    ],
    [{ vectors: { size: 70000, distance: 'Dot' } }, 422, 'must be from 1 to 65536'],
    [{ vectors: { size: 4, distance: 'Nope' } }, 400, 'untagged enum VectorsConfig'],
    [{ vectors: plain, shard_number: 0 }, 422, 'shard_number: value 0 invalid, must be 1 or larger'],
    [{ vectors: plain, hnsw_config: { ef_construct: 1 } }, 422, 'must be 4 or larger'],
    [{ vectors: { a: plain }, sparse_vectors: { a: {} } }, 400, "duplicate found with 'a'"],
  ])('refuses %j', async (body, status, message) => {
    const answer = await server.call('PUT', '/collections/bad', body);
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
    expect(await client.collectionExists('bad')).toEqual({ exists: false });
  });

  it.each(['a%3Ab', 'a%2Fb', 'a%2A', 'x'.repeat(256)])('refuses the name %s', async (name) => {
    const answer = await server.call('PUT', `/collections/${name}`, { vectors: plain });
    expect(answer.status).toBe(422);
    expect(errorOf(answer)).toContain('Validation error in path parameters: [collection_name: ');
  });

  it.each(['..', 'my memories', 'Größe', '%'])('takes the name %s', async (name) => {
    const path = `/collections/${encodeURIComponent(name).replaceAll('.', '%2e')}`;
    // fetch would resolve `..` away, however it is written.
    if (name === '..') return;
    await server.result('PUT', path, { vectors: plain });
    expect(await server.result('GET', `${path}/exists`)).toEqual({ exists: true });
    await server.result('POST', `${path}/snapshots`);
    expect(await server.result('DELETE', path)).toBe(true);
  });
});

describe('changing and deleting', () => {
  it('merges a patch', async () => {
    await client.createCollection('patched', { vectors: { v: plain }, metadata: { a: 1, b: 2 } });
    const patch = {
      vectors: { v: { hnsw_config: { m: 24 }, on_disk: true } },
      params: { replication_factor: 2 },
      hnsw_config: { ef_construct: 120 },
      optimizers_config: { indexing_threshold: 5 },
      quantization_config: { scalar: { type: 'int8' } },
      metadata: { b: 3 },
    };
    expect(await server.result('PATCH', '/collections/patched', patch)).toBe(true);
    const { config } = await client.getCollection('patched');
    expect(config.params).toMatchObject({
      vectors: { v: { ...plain, hnsw_config: { m: 24 }, on_disk: true } },
      replication_factor: 2,
    });
    expect(config.hnsw_config).toMatchObject({ ef_construct: 120, m: 16 });
    expect(config.optimizer_config.indexing_threshold).toBe(5);
    expect(config.quantization_config).toEqual({ scalar: { type: 'int8' } });
    expect(config.metadata).toEqual({ a: 1, b: 3 });
    await server.result('PATCH', '/collections/patched', { quantization_config: 'Disabled' });
    expect((await client.getCollection('patched')).config.quantization_config).toBeNull();
  });

  it('refuses a patch of a vector that is not there', async () => {
    const answer = await server.call('PATCH', '/collections/patched', { vectors: { w: { on_disk: true } } });
    expect([answer.status, errorOf(answer)]).toEqual([400, 'Wrong input: Not existing vector name error: w']);
  });

  it('deletes', async () => {
    await client.createCollection('gone', { vectors: plain });
    expect(await client.deleteCollection('gone')).toBe(true);
    expect(await client.deleteCollection('gone')).toBe(false);
    await client.createCollection('gone', { vectors: { size: 2, distance: 'Dot' } });
    expect((await client.getCollection('gone')).points_count).toBe(0);
  });

  it.each([
    ['GET', '/collections/none', undefined],
    ['GET', '/collections/none/aliases', undefined],
    ['GET', '/collections/none/snapshots', undefined],
    ['GET', '/collections/none/points/1', undefined],
    ['PATCH', '/collections/none', {}],
    ['PUT', '/collections/none/points', { points: [{ id: 1, vector: [1] }] }],
    ['POST', '/collections/none/points/scroll', {}],
    ['PUT', '/collections/none/index', { field_name: 'a', field_schema: 'keyword' }],
  ])('answers 404 to %s %s', async (method, path, body) => {
    const answer = await server.call(method, path, body);
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toBe("Not found: Collection `none` doesn't exist!");
  });
});

it('answers 404 in the shape of every other error where there is no such route', async () => {
  const answer = await server.call('GET', '/collections/a/nothing/here');
  expect([answer.status, errorOf(answer)]).toEqual([
    404,
    'Not found: no route for GET /collections/a/nothing/here',
  ]);
});

describe('aliases', () => {
  it('stand for a collection wherever its name does', async () => {
    await client.createCollection('real', { vectors: plain });
    await client.updateCollectionAliases({
      actions: [{ create_alias: { collection_name: 'real', alias_name: 'nick' } }],
    });
    await client.upsert('nick', { wait: true, points: [{ id: 1, vector: [1, 0, 0, 0] }] });
    expect((await client.count('real')).count).toBe(1);
    expect((await client.getCollection('nick')).points_count).toBe(1);
    expect(await client.collectionExists('nick')).toEqual({ exists: true });
    expect(await client.getAliases()).toEqual({ aliases: [{ alias_name: 'nick', collection_name: 'real' }] });
    expect(await client.getCollectionAliases('real')).toEqual(await client.getAliases());
    expect((await client.getCollections()).collections.map(({ name }) => name)).not.toContain('nick');
  });

  it('are renamed, moved and deleted', async () => {
    await client.createCollection('real2', { vectors: plain });
    await client.updateCollectionAliases({
      actions: [
        { rename_alias: { old_alias_name: 'nick', new_alias_name: 'nack' } },
        { create_alias: { collection_name: 'real2', alias_name: 'nack' } },
        { delete_alias: { alias_name: 'not there' } },
      ],
    });
    expect(await client.getAliases()).toEqual({
      aliases: [{ alias_name: 'nack', collection_name: 'real2' }],
    });
    await client.deleteCollection('real2');
    expect(await client.getAliases()).toEqual({ aliases: [] });
  });

  it.each([
    [{ create_alias: { collection_name: 'none', alias_name: 'x' } }, 404, "Collection `none` doesn't exist!"],
    [
      { create_alias: { collection_name: 'real', alias_name: 'real' } },
      409,
      'Collection `real` already exists!',
    ],
    [{ rename_alias: { old_alias_name: 'q', new_alias_name: 'r' } }, 404, 'Alias q does not exists!'],
  ])('refuse %j', async (action, status, message) => {
    const answer = await server.call('POST', '/collections/aliases', { actions: [action] });
    expect(answer.status).toBe(status);
    expect(errorOf(answer)).toContain(message);
  });

  it('keep their name from a collection', async () => {
    await server.result('POST', '/collections/aliases', {
      actions: [{ create_alias: { collection_name: 'real', alias_name: 'taken' } }],
    });
    const answer = await server.call('PUT', '/collections/taken', { vectors: plain });
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain('Alias with the same name already exists');
  });
});

describe('payload indexes', () => {
  it('are reported with their points', async () => {
    await client.createCollection('indexed', { vectors: plain });
    const payloads = [{ tag: 'a', deep: { n: 1 } }, { tag: 'b', deep: { n: 2 } }, { other: true }];
    const points = payloads.map((payload, id) => ({ id, vector: [1, 2, 3, id], payload }));
    await client.upsert('indexed', { wait: true, points });
    const text = { type: 'text', tokenizer: 'whitespace', min_token_len: 2, lowercase: true } as const;
    await client.createPayloadIndex('indexed', { field_name: 'tag', field_schema: 'keyword', wait: true });
    await client.createPayloadIndex('indexed', { field_name: 'deep.n', field_schema: 'integer', wait: true });
    await client.createPayloadIndex('indexed', { field_name: 'body', field_schema: text, wait: true });
    expect((await client.getCollection('indexed')).payload_schema).toEqual({
      tag: { data_type: 'keyword', points: 2 },
      'deep.n': { data_type: 'integer', points: 2 },
      body: { data_type: 'text', params: text, points: 0 },
    });
    await client.deletePayloadIndex('indexed', 'deep.n', { wait: true });
    expect(Object.keys((await client.getCollection('indexed')).payload_schema)).not.toContain('deep.n');
  });

  it.each([
    'keyword',
    'integer',
    'float',
    'geo',
    'text',
    'bool',
    'datetime',
    'uuid',
    { type: 'keyword', is_tenant: true, on_disk: true },
    { type: 'integer', lookup: true, range: false },
    { type: 'datetime', is_principal: true },
    { type: 'text', stopwords: 'english', stemmer: { type: 'snowball', language: 'english' } },
    { type: 'text', stopwords: { languages: ['german'], custom: ['foo'] }, phrase_matching: true },
  ])('take the schema %j', async (schema) => {
    const body = { field_name: 'any', field_schema: schema };
    expect(await server.result('PUT', '/collections/indexed/index?wait=true', body)).toMatchObject({
      status: 'completed',
    });
  });

  it.each([
    [
      { field_name: 'a' },
      "Bad request: Can't auto-detect field type, please specify `field_schema` in the request",
    ],
    [{ field_name: 'a', field_schema: 'nope' }, 'untagged enum PayloadFieldSchema'],
    [{ field_schema: 'keyword' }, 'missing field `field_name`'],
  ])('refuse %j', async (body, message) => {
    const answer = await server.call('PUT', '/collections/indexed/index', body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain(message);
  });
});
