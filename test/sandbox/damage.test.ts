import { QdrantClient } from '@qdrant/js-client-rest';
import { Redis } from 'ioredis';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareVectors, readVectors } from '../../src/sandbox/compare-vectors.js';
import { damageScenario, DAMAGE_SCENARIOS, type DamageTarget } from '../../src/sandbox/damage.js';
import { fill, type FillOptions, type FillResult } from '../../src/sandbox/fill.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';

const NEWEST = '20261121_120000';
const OLDER = '20261120_120000';

let engines: TestEngines;
let backupDir: string;
let redis: Redis;
let target: DamageTarget;

beforeAll(async () => {
  engines = await startEngines({ moduleArgs: officialImage });
  redis = new Redis({ ...engines.graph });
  target = {
    graph: { ...engines.graph, name: 'drill' },
    vectors: { ...engines.vectors, collection: 'drill' },
  };
});

afterAll(async () => {
  redis.disconnect();
  await engines.stop();
});

beforeEach(async () => {
  backupDir = await mkdtemp(join(tmpdir(), 'lifeboat-damage-'));
  return () => rm(backupDir, { recursive: true, force: true });
});

function filled(more: Partial<FillOptions> = {}): Promise<FillResult> {
  return fill(
    { memories: 200, dim: 8, seed: 7, backupDir: null, timestamp: NEWEST, force: true, ...more },
    target,
  );
}

async function rows<T>(query: string): Promise<T[][]> {
  return ((await redis.call('GRAPH.RO_QUERY', 'drill', query)) as [unknown, T[][]])[1];
}

/** Memories, null where there is no graph. */
async function graphNodes(): Promise<number | null> {
  if ((await redis.exists('drill')) === 0) return null;
  return (await rows<number>('MATCH (n:Memory) RETURN count(n)'))[0]?.[0] ?? -1;
}

function qdrant(): QdrantClient {
  return new QdrantClient({ url: engines.vectors.url, checkCompatibility: false });
}

/** Points, null where there is no collection. */
async function points(): Promise<number | null> {
  if (!(await qdrant().collectionExists('drill')).exists) return null;
  return (await qdrant().count('drill', { exact: true })).count;
}

async function graphIds(): Promise<Set<string>> {
  return new Set((await rows<string>('MATCH (m:Memory) RETURN m.id')).map(([id]) => String(id)));
}

async function pointIds(): Promise<Set<string>> {
  const page = await qdrant().scroll('drill', { limit: 5_000, with_payload: false });
  return new Set(page.points.map(({ id }) => String(id)));
}

async function files(): Promise<string[]> {
  const entries = await readdir(backupDir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

describe('damage', () => {
  it('breaks what it says, and nothing else', async () => {
    const expected: Record<string, [graph: number | null, points: number | null]> = {
      'graph-lost': [null, 200],
      'graph-empty': [0, 200],
      'vectors-lost': [201, null],
      'vectors-empty': [201, 0],
      'both-lost': [null, null],
    };
    for (const [name, [graph, vectors]] of Object.entries(expected)) {
      const { points: before } = await filled();
      const done = await damageScenario(name).apply(target);
      expect(done.length).toBeGreaterThan(0);
      const left = vectors === 200 ? before : vectors;
      expect([name, await graphNodes(), await points()]).toEqual([name, graph, left]);
    }
  });

  it('makes drift of the wanted size, always the same', async () => {
    for (const [name, low, high] of [
      ['drift-3', 1, 6],
      ['drift-20', 14, 27],
      ['drift-60', 51, 69],
    ] as const) {
      const { points: before, memories, metaMemories } = await filled({ memories: 300 });
      await damageScenario(name).apply(target);
      const lost = memories + metaMemories - ((await graphNodes()) ?? 0) + before - ((await points()) ?? 0);
      expect((100 * lost) / before).toBeGreaterThan(low);
      expect((100 * lost) / before).toBeLessThan(high);
    }
  });

  it('can be done twice, and refuses a scenario that it does not know', async () => {
    for (const { name } of DAMAGE_SCENARIOS.filter((scenario) => scenario.name.endsWith('-lost'))) {
      await damageScenario(name).apply(target);
      await damageScenario(name).apply(target);
    }
    expect(() => damageScenario('flood')).toThrow(/no such scenario/);
  });

  it('makes drift that no count shows', async () => {
    await filled({ memories: 500 });
    const [nodesBefore, pointsBefore] = [await graphIds(), await pointIds()];
    await damageScenario('equal-count-drift').apply(target);
    const [nodes, left] = [await graphIds(), await pointIds()];
    const counted = (
      await rows<number>("MATCH (m:Memory) WHERE m.type <> 'MetaPattern' RETURN count(m)")
    )[0]?.[0];
    expect(counted).toBe(left.size);
    const onlyVectors = [...left].filter((id) => !nodes.has(id));
    const onlyGraph = [...nodes].filter((id) => !left.has(id) && pointsBefore.has(id));
    expect(onlyGraph).toHaveLength(30);
    expect(onlyVectors).toHaveLength(nodesBefore.size - nodes.size);
    expect(onlyVectors.length).toBeGreaterThanOrEqual(30);
  });

  it('puts wrong types on most memories of the graph, and on nothing else', async () => {
    await filled({ memories: 400 });
    const types = 'MATCH (m:Memory) RETURN m.id, m.type';
    const before = new Map((await rows<string>(types)).map(([id, type]) => [id, type]));
    const vectors = await readVectors(target.vectors);
    await damageScenario('wrong-types').apply(target);
    const changed = (await rows<string>(types)).filter(([id, type]) => before.get(id) !== type);
    expect(changed.length / 400).toBeGreaterThan(0.55);
    expect(changed.length / 400).toBeLessThan(0.72);
    expect(new Set(changed.map(([, type]) => type))).toEqual(
      new Set(['str', 'dict', 'NoneType', 'list', 'float', "{'source': 'slack'}", "['import', 'cli']"]),
    );
    const after = await readVectors(target.vectors);
    expect(await compareVectors(vectors, after)).toMatchObject({ equal: true });
    await Promise.all([vectors.close(), after.close()]);
  });
});

describe('damage to backups', () => {
  it('takes both stores and all backups, and no other file', async () => {
    await filled({ backupDir, olderTimestamps: [OLDER] });
    await writeFile(join(backupDir, 'notes.txt'), 'mine');
    expect(await files()).toHaveLength(5);
    await damageScenario('both-lost-no-backup').apply({ ...target, backupDir });
    expect(await files()).toEqual(['notes.txt']);
    expect([await graphNodes(), await points()]).toEqual([null, null]);
  });

  it('spoils the newest pair inside, and leaves the one before', async () => {
    const { files: newest, olderFiles } = await filled({ backupDir, olderTimestamps: [OLDER] });
    const read = async (path: string | undefined): Promise<string> =>
      gunzipSync(await readFile(path ?? '')).toString('latin1');
    const [before, older] = [await read(newest?.graph), await read(olderFiles[0]?.graph)];
    await damageScenario('corrupt-newest-backup').apply({ ...target, backupDir });
    expect([await graphNodes(), await points()]).toEqual([null, null]);
    expect(await read(olderFiles[0]?.graph)).toBe(older);
    // Its container is sound: it unpacks, has the size it had, and begins and ends as it did.
    const spoiled = await read(newest?.graph);
    expect(spoiled).toHaveLength(before.length);
    expect(spoiled.slice(0, 1_000)).toBe(before.slice(0, 1_000));
    expect(spoiled.slice(-1_000)).toBe(before.slice(-1_000));
    expect(() => JSON.parse(spoiled) as unknown).toThrow(SyntaxError);
    expect(await files()).toHaveLength(4);
  });

  it('loses nothing where there is nothing to fall back to', async () => {
    await filled({ backupDir });
    const alone = damageScenario('corrupt-newest-backup').apply({ ...target, backupDir });
    await expect(alone).rejects.toMatchObject({ code: 'too-few-backups' });
    for (const { name } of DAMAGE_SCENARIOS.filter(({ needs }) => needs.length > 0)) {
      await expect(damageScenario(name).apply(target)).rejects.toMatchObject({
        code: 'damage-needs-more',
        exitCode: 2,
      });
    }
    expect([await graphNodes(), await points()]).toEqual([201, 198]);
  });
});
