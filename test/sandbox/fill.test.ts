import { FalkorDB } from 'falkordb';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { QdrantClient } from '@qdrant/js-client-rest';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Double, isMap, type Value, type ValueMap } from '../../src/memory/values.js';
import type { StoreAddresses } from '../../src/sandbox/addresses.js';
import { compareGraphs, readGraph } from '../../src/sandbox/compare.js';
import { damageScenario, DAMAGE_SCENARIOS } from '../../src/sandbox/damage.js';
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

async function ask<T>(query: string): Promise<T[]> {
  const client = await FalkorDB.connect({
    socket: { host: engines.graph.host, port: engines.graph.port },
    password: engines.graph.password ?? '',
  });
  try {
    return (await client.selectGraph(stores.graph.name).roQuery<T>(query)).data ?? [];
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

describe('damage', () => {
  const graphNodes = async (): Promise<number | null> => {
    const redis = new Redis({ ...engines.graph });
    try {
      if ((await redis.exists('drill')) === 0) return null;
      const reply = (await redis.call('GRAPH.RO_QUERY', 'drill', 'MATCH (n:Memory) RETURN count(n)')) as [
        unknown,
        number[][],
      ];
      return reply[1][0]?.[0] ?? -1;
    } finally {
      redis.disconnect();
    }
  };
  const points = async (): Promise<number | null> => {
    if (!(await qdrant().collectionExists('drill')).exists) return null;
    return (await qdrant().count('drill', { exact: true })).count;
  };

  it('breaks what it says, and nothing else', async () => {
    const expected: Record<string, [graph: number | null, points: number | null]> = {
      'graph-lost': [null, 200],
      'graph-empty': [0, 200],
      'vectors-lost': [201, null],
      'vectors-empty': [201, 0],
      'both-lost': [null, null],
    };
    for (const [name, [graph, vectors]] of Object.entries(expected)) {
      const drill = storesNamed('drill');
      const { points: before } = await fill(options({ memories: 200, backupDir: null, force: true }), drill);
      const done = await damageScenario(name).apply(drill);
      expect(done.length).toBeGreaterThan(0);
      expect([name, await graphNodes(), await points()]).toEqual([
        name,
        graph,
        vectors === 200 ? before : vectors,
      ]);
    }
  });

  it('makes drift of the wanted size, always the same', async () => {
    for (const [name, low, high] of [
      ['drift-3', 1, 6],
      ['drift-20', 15, 26],
      ['drift-60', 52, 68],
    ] as const) {
      const drill = storesNamed('drill');
      const {
        points: before,
        memories,
        metaMemories,
      } = await fill(options({ memories: 500, backupDir: null, force: true }), drill);
      await damageScenario(name).apply(drill);
      const lost = memories + metaMemories - ((await graphNodes()) ?? 0) + before - ((await points()) ?? 0);
      expect((100 * lost) / before).toBeGreaterThan(low);
      expect((100 * lost) / before).toBeLessThan(high);
    }
  });

  it('can be done twice, and refuses a scenario that it does not know', async () => {
    for (const { name } of DAMAGE_SCENARIOS.filter((scenario) => scenario.name.endsWith('-lost'))) {
      await damageScenario(name).apply(storesNamed('drill'));
      await damageScenario(name).apply(storesNamed('drill'));
    }
    expect(() => damageScenario('flood')).toThrow(/no such scenario/);
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
