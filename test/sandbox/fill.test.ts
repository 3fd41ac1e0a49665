import { FalkorDB } from 'falkordb';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { QdrantClient } from '@qdrant/js-client-rest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { Double, isMap, type Value, type ValueMap } from '../../src/memory/values.js';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { compareGraphs, readGraph } from '../../src/sandbox/compare.js';
import { compareVectors, readVectors } from '../../src/sandbox/compare-vectors.js';
import { fill, type FillOptions, type FillResult } from '../../src/sandbox/fill.js';
import { populate } from '../../src/sandbox/population/population.js';
import { pythonJson } from '../../src/sandbox/population/python-json.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';

const timestamp = '20261121_120000';
const MEMORIES = 1200;

let engines: TestEngines;
let folder: string;
let stores: StoreAddresses;
let result: FillResult;

const options = (more: Partial<FillOptions> = {}): FillOptions => ({
  memories: MEMORIES,
  dim: 24,
  seed: 7,
  backupDir: folder,
  timestamp,
  force: false,
  ...more,
});

beforeAll(async () => {
  engines = await startEngines({
    password: 'geheim "x"',
    apiKey: 'key',
    aof: true,
    moduleArgs: officialImage,
  });
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-fill-'));
  stores = storesNamed('memories');
  result = await fill(options(), stores);
});

afterAll(async () => {
  await engines.stop();
  await rm(folder, { recursive: true, force: true });
});

function storesNamed(name: string): StoreAddresses {
  return { graph: { ...engines.graph, name }, vectors: { ...engines.vectors, collection: name } };
}

async function ask<T>(query: string, graph = stores.graph.name): Promise<T[]> {
  const client = await FalkorDB.connect({
    socket: { host: engines.graph.host, port: engines.graph.port },
    password: engines.graph.password ?? '',
  });
  try {
    return (await client.selectGraph(graph).roQuery<T>(query)).data ?? [];
  } finally {
    await client.close();
  }
}

function qdrant(): QdrantClient {
  return new QdrantClient({
    url: engines.vectors.url,
    headers: { 'api-key': 'key' },
    checkCompatibility: false,
  });
}

/** Properties as the comparison shows them. */
function texts(map: ValueMap): { id: string; properties: [string, string][] } {
  const properties = Object.entries(map)
    .map(([name, value]): [string, string] => [name, textOf(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { id: textOf(map.id ?? null), properties };
}

function textOf(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (value instanceof Double) return `${value.value}.0`;
  return typeof value === 'string' || isMap(value) ? JSON.stringify(value) : String(value);
}

async function unpack(path: string): Promise<string> {
  return gunzipSync(await readFile(path)).toString('latin1');
}

describe('fill', () => {
  it('says what it wrote, and both stores hold it', async () => {
    expect(result).toMatchObject({ memories: MEMORIES, points: MEMORIES - 2, aofRewritten: true });
    expect(await ask('MATCH (m:Memory) RETURN count(m) AS n')).toEqual([
      { n: MEMORIES + result.metaMemories },
    ]);
    expect(await ask('MATCH ()-[e]->() RETURN count(e) AS n')).toEqual([{ n: result.relationships }]);
    expect((await qdrant().count('memories', { exact: true })).count).toBe(result.points);
  });

  it('wrote every node and relationship to the letter', async () => {
    const population = populate({ ...options(), now: new Date('2026-11-21T12:00:00Z') });
    const nodes = [...population.nodes()].map(({ labels, properties }) => ({
      labels: [...labels].sort(),
      ...texts(properties),
    }));
    const keys = nodes.map(({ labels, id }) => `:${labels.join(':')} ${id}`);
    const relationships = [...population.relationships()].map(({ source, type, target, properties }) =>
      JSON.stringify([keys[source], type, keys[target], texts(properties).properties]),
    );
    const snapshot = await readGraph(stores.graph);
    const [liveNodes, liveRelationships] = [new Map<string, unknown>(), [] as string[]];
    for await (const record of snapshot.spool.records()) {
      if (record.kind === 'node') liveNodes.set(record.key, record.properties);
      else
        liveRelationships.push(
          JSON.stringify([record.source, record.type, record.target, record.properties]),
        );
    }
    await snapshot.close();
    expect(liveNodes.size).toBe(nodes.length);
    for (const [index, { properties }] of nodes.entries())
      expect(liveNodes.get(keys[index] ?? '')).toEqual(properties);
    expect(liveRelationships.sort()).toEqual(relationships.sort());
  });

  it('leaves no index and no property that AutoMem does not have', async () => {
    expect(await ask('CALL db.indexes()')).toEqual([]);
    const keys = await ask<{ propertyKey: string }>(
      'CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey',
    );
    const known = new Set(
      [...populate({ ...options(), now: new Date() }).nodes()].flatMap(({ properties }) =>
        Object.keys(properties),
      ),
    );
    for (const edge of populate({ ...options(), now: new Date() }).relationships()) {
      for (const key of Object.keys(edge.properties)) known.add(key);
    }
    for (const { propertyKey } of keys) expect(known).toContain(propertyKey);
  });

  it('makes the collection as AutoMem does', async () => {
    const info = await qdrant().getCollection('memories');
    expect(info.config.params.vectors).toMatchObject({ size: 24, distance: 'Cosine' });
    expect(info.payload_schema).toMatchObject({
      tags: { data_type: 'keyword' },
      tag_prefixes: { data_type: 'keyword' },
    });
  });

  it('writes the backup pair with the form and the content of the stores', async () => {
    const graph = await unpack(result.files?.graph ?? '');
    const file = JSON.parse(graph) as BackupGraph;
    expect(Object.keys(file)).toEqual(['timestamp', 'graph_name', 'nodes', 'relationships', 'stats']);
    expect(file).toMatchObject({ timestamp, graph_name: 'memories' });
    expect(file.stats).toEqual({ node_count: result.nodes, relationship_count: result.relationships });
    expect(graph).toMatch(
      /^\{\n {2}"timestamp": "20261121_120000",\n {2}"graph_name": "memories",\n {2}"nodes": \[\n {4}\{\n {6}"id": 0,\n/,
    );
    expect(graph).toMatch(/"importance": 1\.0,\n/);
    expect(graph).toMatch(/^[\x20-\x7e\n]*\n\}$/);
    const ids = await ask<{ i: number; id: string }>('MATCH (n) RETURN id(n) AS i, n.id AS id');
    expect(new Map(file.nodes.map((node) => [node.id, node.properties.id]))).toEqual(
      new Map(ids.map(({ i, id }) => [i, id])),
    );
  });

  it('writes the very points that Qdrant has', async () => {
    const file = JSON.parse(await unpack(result.files?.vectors ?? '')) as BackupVectors;
    expect(Object.keys(file)).toEqual(['timestamp', 'collection_name', 'points', 'stats']);
    expect(file.stats).toEqual({ points_count: result.points, vector_size: 24 });
    const live = new Map<string, unknown>();
    const { points } = await qdrant().scroll('memories', {
      limit: 5000,
      with_vector: true,
      with_payload: true,
    });
    for (const { id, vector } of points) live.set(String(id), vector);
    expect(live.size).toBe(file.points.length);
    // Qdrant keeps vectors of unit length as they are, to the last digit.
    for (const { id, vector } of file.points) expect(live.get(id)).toEqual(vector);
  });

  it('has a form that Python itself would have written', async () => {
    // The sample pair of AutoMem has the same form; here the text is made again from what JSON.parse cannot lose.
    const population = populate({ ...options(), now: new Date('2026-11-21T12:00:00Z') });
    const graph = await unpack(result.files?.graph ?? '');
    const nodes = [...population.nodes()].map(({ internalId, labels, properties }) => ({
      id: internalId,
      labels,
      properties,
    }));
    const relationships = [...population.relationships()].map(({ source, type, target, properties }) => ({
      source_id: source,
      type,
      target_id: target,
      properties,
    }));
    const stats = { node_count: nodes.length, relationship_count: relationships.length };
    expect(graph === pythonJson({ timestamp, graph_name: 'memories', nodes, relationships, stats }, 2)).toBe(
      true,
    );
    const points = [...population.points()].map(({ id, vector, payload }) => ({
      id,
      vector: [...vector],
      payload,
    }));
    const count = { points_count: points.length, vector_size: 24 };
    const vectors = await unpack(result.files?.vectors ?? '');
    expect(vectors === pythonJson({ timestamp, collection_name: 'memories', points, stats: count }, 2)).toBe(
      true,
    );
  });

  it('does not overwrite data, and replaces it when told to', async () => {
    await expect(fill(options({ memories: 10 }), stores)).rejects.toMatchObject({
      code: 'not-empty',
      exitCode: 1,
    });
    const other = storesNamed('other');
    await fill(options({ memories: 20, backupDir: null }), other);
    const onlyVectors = { ...other, graph: { ...other.graph, name: 'fresh' } };
    await expect(fill(options({ memories: 10, backupDir: null }), onlyVectors)).rejects.toMatchObject({
      code: 'not-empty',
    });
    const again = await fill(options({ memories: 30, dim: 4, force: true, backupDir: null }), other);
    expect(again.points).toBe(30);
    expect((await qdrant().getCollection('other')).config.params.vectors).toMatchObject({ size: 4 });
  });

  it('names a store that does not answer', async () => {
    const wrongGraph = { ...stores, graph: { ...stores.graph, port: 1 } };
    await expect(fill(options(), wrongGraph)).rejects.toMatchObject({ code: 'refused', exitCode: 10 });
    const wrongVectors = {
      ...storesNamed('unused'),
      vectors: { url: 'http://127.0.0.1:59', collection: 'x' },
    };
    await expect(fill(options(), wrongVectors)).rejects.toMatchObject({ code: 'refused', exitCode: 10 });
    const wrongKey = { ...storesNamed('unused'), vectors: { ...stores.vectors, apiKey: 'no' } };
    await expect(fill(options(), wrongKey)).rejects.toMatchObject({ code: 'wrong-credentials' });
    await expect(fill(options({ timestamp: 'now' }), stores)).rejects.toMatchObject({ exitCode: 2 });
  });

  it('leaves no half-written backup file behind when it fails', async () => {
    const dir = join(folder, 'broken');
    const target = { ...storesNamed('broken'), vectors: { ...stores.vectors, collection: 'bro/ken' } };
    await fill(options({ memories: 5, backupDir: dir }), target).catch(() => undefined);
    const files = await readdir(dir, { recursive: true }).catch(() => []);
    expect(files.filter((file) => file.endsWith('.partial'))).toEqual([]);
  });

  it.each(['nodes', 'points'] as const)('ends at once when its caller stops it at the %s', async (part) => {
    const backupDir = join(folder, `stopped-${part}`);
    const stopped = fill(options({ backupDir }), storesNamed(`stopped-${part}`), (progress) => {
      if (progress.part === part && progress.done > 0) throw new Error('enough');
    });
    await expect(stopped).rejects.toThrow('enough');
    const left = await readdir(backupDir, { recursive: true });
    expect(left.filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('survives a crash of the graph server: the data is in the append-only file', async () => {
    const before = await readGraph(stores.graph);
    await engines.servers.graph.kill();
    await engines.restartGraph();
    const after = await readGraph(stores.graph);
    expect(await compareGraphs(before, after)).toMatchObject({ equal: true });
    expect(before.nodes).toBe(result.nodes);
    await Promise.all([before.close(), after.close()]);
  });
});

describe('filling beyond the backup', () => {
  const later = (): StoreAddresses => storesNamed('later');
  const dir = (): string => join(folder, 'later');
  const laterOptions = (more: Partial<FillOptions> = {}): FillOptions =>
    options({ memories: 150, backupDir: dir(), force: true, ...more });

  it('changes some memories and stores new ones, in both stores and in no backup', async () => {
    const plain = await fill(laterOptions(), later());
    const [graphBefore, vectorsBefore] = [await readGraph(later().graph), await readVectors(later().vectors)];
    const pair = [await readFile(plain.files?.graph ?? ''), await readFile(plain.files?.vectors ?? '')];
    const filled = await fill(laterOptions({ changedAfterBackup: 9, storedAfterBackup: 4 }), later());
    expect([await readFile(plain.files?.graph ?? ''), await readFile(plain.files?.vectors ?? '')]).toEqual(
      pair,
    );
    expect(filled).toMatchObject({
      memories: plain.memories + 4,
      nodes: plain.nodes + 4,
      points: plain.points + 4,
      relationships: plain.relationships,
    });
    const [graph, vectors] = [await readGraph(later().graph), await readVectors(later().vectors)];
    const nodes = await compareGraphs(graphBefore, graph);
    expect(nodes).toMatchObject({ nodes: { missing: 0, extra: 4, changed: 9 } });
    expect(nodes.relationships).toMatchObject({ missing: 0, extra: 0 });
    for (const { kind, properties } of nodes.examples.filter((example) => example.kind === 'node-changed')) {
      const names = properties.map(({ name }) => name).filter((name) => name !== 'processed');
      expect([kind, names]).toEqual(['node-changed', ['content', 'updated_at']]);
    }
    const points = await compareVectors(vectorsBefore, vectors);
    expect(points.points).toMatchObject({ missing: 0, extra: 4, payloadChanged: 9, vectorChanged: 9 });
    await Promise.all([graphBefore, vectorsBefore, graph, vectors].map((snapshot) => snapshot.close()));
  });

  it('keeps node, payload and vector of each memory in step', async () => {
    await fill(laterOptions({ changedAfterBackup: 30, storedAfterBackup: 20 }), later());
    const { points } = await qdrant().scroll('later', { limit: 500, with_vector: true, with_payload: true });
    const rows = await ask<Record<string, unknown>>(
      'MATCH (m:Memory) RETURN m.id AS id, m.content AS content, m.updated_at AS updated_at, m.tags AS tags, ' +
        'm.tag_prefixes AS prefixes, m.processed AS processed, m.last_accessed AS accessed',
      'later',
    );
    const byId = new Map(rows.map((row) => [row['id'], row]));
    let since = 0;
    for (const { id, payload, vector } of points) {
      const node = byId.get(id);
      expect(payload).toMatchObject({
        content: node?.['content'],
        updated_at: node?.['updated_at'],
        tags: node?.['tags'],
      });
      expect(vector).toEqual(deterministicVector(String(payload?.['content']), 24));
      if (String(payload?.['updated_at']) <= '2026-11-21T12:00:00+00:00') continue;
      since++;
      expect(payload).toMatchObject({ tag_prefixes: node?.['prefixes'], last_accessed: node?.['accessed'] });
      expect(node?.['processed']).toBe(false);
    }
    expect(since).toBe(50);
  });

  it('is the same every time, and refuses to change more memories than there are', async () => {
    const wanted = laterOptions({ changedAfterBackup: 7, storedAfterBackup: 3, backupDir: null });
    await fill(wanted, later());
    const first = await readVectors(later().vectors);
    await fill(wanted, later());
    const second = await readVectors(later().vectors);
    expect(await compareVectors(first, second)).toMatchObject({ equal: true });
    await Promise.all([first.close(), second.close()]);
    const refused = fill(laterOptions({ changedAfterBackup: 500 }), storesNamed('untouched'));
    await expect(refused).rejects.toMatchObject({ code: 'population-options', exitCode: 2 });
    expect((await qdrant().collectionExists('untouched')).exists).toBe(false);
  });

  it('writes older pairs besides, which differ from the newest in nothing but the time', async () => {
    const stamps = ['20261119_120000', '20261120_120000'];
    const { files, olderFiles } = await fill(laterOptions({ olderTimestamps: stamps }), later());
    for (const [index, older] of olderFiles.entries()) {
      for (const half of ['graph', 'vectors'] as const) {
        expect(older[half]).toContain(stamps[index]);
        expect((await stat(older[half])).mtimeMs).toBeLessThan((await stat(files?.[half] ?? '')).mtimeMs);
        const [old, now] = [await unpack(older[half]), await unpack(files?.[half] ?? '')];
        expect(old.replace(stamps[index] ?? '', timestamp) === now).toBe(true);
      }
    }
    expect(olderFiles).toHaveLength(2);
    for (const wrong of [timestamp, '20270101_000000', 'yesterday']) {
      const refused = fill(laterOptions({ olderTimestamps: [wrong] }), later());
      await expect(refused).rejects.toMatchObject({ code: 'bad-timestamp', exitCode: 2 });
    }
  });
});

interface BackupGraph {
  nodes: { id: number; labels: string[]; properties: Record<string, unknown> }[];
  relationships: unknown[];
  stats: unknown;
}

interface BackupVectors {
  points: { id: string; vector: number[]; payload: unknown }[];
  stats: unknown;
}
