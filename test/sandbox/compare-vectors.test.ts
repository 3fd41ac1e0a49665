import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeDifference } from '../../src/sandbox/compare.js';
import { canonicalText, nearlySame, readWrittenJson } from '../../src/sandbox/compare-json.js';
import {
  compareVectors,
  readVectors,
  type VectorComparison,
  type VectorSnapshot,
} from '../../src/sandbox/compare-vectors.js';
import { fill } from '../../src/sandbox/fill.js';
import { QdrantWire } from '../../src/sandbox/qdrant-client.js';
import { startEngines, type TestEngines } from '../support/engines.js';

const A = '00000000-0000-4000-8000-00000000000a';
const B = '00000000-0000-4000-8000-00000000000b';
const C = '00000000-0000-4000-8000-00000000000c';

let engines: TestEngines;
const snapshots: VectorSnapshot[] = [];

beforeAll(async () => {
  engines = await startEngines({ apiKey: 'key' });
});
afterAll(async () => {
  await Promise.all(snapshots.map((snapshot) => snapshot.close()));
  await engines.stop();
});

const target = (collection: string): { url: string; apiKey?: string; collection: string } => ({
  ...engines.vectors,
  collection,
});

async function request(
  collection: string,
  method: 'POST' | 'PUT',
  path: string,
  body: string,
): Promise<void> {
  const wire = new QdrantWire(target(collection));
  await wire.request(method, path, body).finally(() => wire.close());
}

async function read(collection: string): Promise<VectorSnapshot> {
  const snapshot = await readVectors(target(collection));
  snapshots.push(snapshot);
  return snapshot;
}

const SETTINGS = '{"vectors":{"size":3,"distance":"Cosine"}}';
const PAYLOAD =
  '{"content":"é \\"x\\"","importance":1.0,"ratio":0.14285714285714285,"n":1,"meta":{"a":[1,2.0,null]}}';
let made = 0;

/** A collection of two points, or what is named instead. */
async function make(points: Record<string, string> = {}, settings = SETTINGS): Promise<string> {
  const name = `c${++made}`;
  await request(name, 'PUT', '', settings);
  const all: Record<string, string> = {
    [A]: `"vector":[0.6,0.8,0.0],"payload":${PAYLOAD}`,
    [B]: '"vector":[0.0,1.0,0.0],"payload":{"content":"b"}',
    ...points,
  };
  const texts = Object.entries(all).flatMap(([id, text]) => (text === '' ? [] : [`{"id":"${id}",${text}}`]));
  await request(name, 'PUT', '/points?wait=true', `{"points":[${texts.join(',')}]}`);
  return name;
}

let pristine: Promise<VectorSnapshot> | undefined;

/** The pristine two points against others. */
async function against(points: Record<string, string>, settings = SETTINGS): Promise<VectorComparison> {
  pristine ??= make().then(read);
  return compareVectors(await pristine, await read(await make(points, settings)));
}

const told = (comparison: VectorComparison): string[] => comparison.examples.map(describeDifference);
const payloadOf = (change: [string, string]): string =>
  `"vector":[0.6,0.8,0.0],"payload":${PAYLOAD.replace(...change)}`;

describe('compareVectors', () => {
  it('finds nothing where there is nothing', async () => {
    expect(await against({})).toEqual({
      equal: true,
      points: {
        before: 2,
        after: 2,
        missing: 0,
        extra: 0,
        payloadChanged: 0,
        payloadCompleted: 0,
        vectorChanged: 0,
      },
      settings: [],
      examples: [],
    });
  });

  it('catches a missing point, also where another one stands for it', async () => {
    const comparison = await against({ [B]: '', [C]: '"vector":[0.0,1.0,0.0],"payload":{"content":"b"}' });
    expect(comparison).toMatchObject({ equal: false, points: { before: 2, after: 2, missing: 1, extra: 1 } });
    expect(told(comparison)).toEqual([`point-missing "${B}"`, `point-extra "${C}"`]);
  });

  it('catches every change of a payload, however small', async () => {
    const changes: [[string, string], string][] = [
      [['"n":1', '"n":2'], 'n 1 → 2'],
      [['"n":1', '"n":1.0'], 'n 1 → 1.0'],
      [['1.0', '1'], 'importance 1.0 → 1'],
      [['x', 'y'], 'content "é \\"x\\"" → "é \\"y\\""'],
      [['null', '0'], 'meta {"a":[1,2.0,null]} → {"a":[1,2.0,0]}'],
      [['"n":1,', ''], 'n 1 → absent'],
      [['"n":1', '"n":null'], 'n 1 → null'],
      [['0.14285714285714285', '0.142857142857'], 'ratio 0.14285714285714285 → 0.142857142857'],
    ];
    for (const [change, expected] of changes) {
      const comparison = await against({ [A]: payloadOf(change) });
      expect(told(comparison)).toEqual([`payload-changed "${A}": ${expected}`]);
      expect(comparison).toMatchObject({ equal: false, points: { payloadChanged: 1, vectorChanged: 0 } });
    }
  });

  it('takes no notice of the order of keys, and of the last digit of a double', async () => {
    const ratio: [string, string] = ['0.14285714285714285', '0.14285714285714288'];
    expect(await against({ [A]: payloadOf(ratio) })).toMatchObject({ equal: true });
    const order: [string, string] = [
      '"importance":1.0,"ratio":0.14285714285714285',
      '"ratio":0.14285714285714285,"importance":1.0',
    ];
    expect(await against({ [A]: payloadOf(order) })).toMatchObject({ equal: true });
  });

  it('catches a vector that points elsewhere, and not one that was only rounded', async () => {
    const vector = (text: string): Record<string, string> => ({
      [B]: `"vector":[${text}],"payload":{"content":"b"}`,
    });
    expect(await against(vector('0.00001,1.0,0.0'))).toMatchObject({ equal: true });
    const comparison = await against(vector('0.0,1.0,0.02'));
    expect(comparison).toMatchObject({ equal: false, points: { payloadChanged: 0, vectorChanged: 1 } });
    expect(told(comparison)[0]).toMatch(new RegExp(`^vector-changed "${B}": cosine 1 → 0\\.9998\\d\\d$`));
    expect(told(await against({ [B]: '"vector":{},"payload":{"content":"b"}' }))[0]).toMatch(
      /vector one dense vector → /,
    );
  });

  it('catches settings of the collection that differ', async () => {
    const sized = '{"vectors":{"size":4,"distance":"Dot"},"hnsw_config":{"m":8}}';
    const four = {
      [A]: '"vector":[1,0,0,0],"payload":{}',
      [B]: '"vector":[0,1,0,0],"payload":{"content":"b"}',
    };
    const comparison = await against(four, sized);
    expect(comparison.settings).toEqual(
      expect.arrayContaining([
        { name: 'params.vectors.size', before: '3', after: '4' },
        { name: 'params.vectors.distance', before: '"Cosine"', after: '"Dot"' },
        { name: 'hnsw_config.m', before: '16', after: '8' },
      ]),
    );
    expect(comparison.points.vectorChanged).toBe(2);
    const quantized = `${SETTINGS.slice(0, -1)},"quantization_config":{"scalar":{"type":"int8"}}}`;
    expect((await against({}, quantized)).settings.map(({ name }) => name)).toContain(
      'quantization_config.scalar.type',
    );
    const indexed = await make();
    await request(indexed, 'PUT', '/index?wait=true', '{"field_name":"tags","field_schema":"keyword"}');
    expect(await compareVectors(await read(await make()), await read(indexed))).toMatchObject({
      equal: false,
      points: { missing: 0, payloadChanged: 0 },
      settings: [{ name: 'payload index tags.data_type', before: null, after: '"keyword"' }],
    });
  });

  it('takes a collection that is not there for one without anything', async () => {
    const [there, gone] = [await read(await make()), await read('never')];
    expect(gone.exists).toBe(false);
    const comparison = await compareVectors(there, gone, { examples: 1 });
    expect(comparison).toMatchObject({ equal: false, points: { missing: 2, after: 0 } });
    expect(comparison.examples).toHaveLength(1);
    expect(await compareVectors(gone, gone)).toMatchObject({ equal: true });
  });

  it('holds a whole population against itself, hard cases and all, over many pages', async () => {
    const stores = { graph: { ...engines.graph, name: 'pop' }, vectors: target('pop') };
    const timestamp = '20261121_120000';
    await fill({ memories: 1_300, dim: 16, seed: 3, backupDir: null, timestamp, force: false }, stores);
    const before = await read('pop');
    expect(before.points.size).toBe(1_298);
    expect(await compareVectors(before, await read('pop'))).toMatchObject({ equal: true });
    const [id = ''] = [...before.points.keys()].slice(-1);
    await request(
      'pop',
      'POST',
      '/points/payload?wait=true',
      `{"points":[${id}],"payload":{"archived":true}}`,
    );
    expect(told(await compareVectors(before, await read('pop')))).toEqual([
      `payload-changed ${id}: archived absent → true`,
    ]);
  });

  it('says where it could not read', async () => {
    const nowhere = readVectors({ url: 'http://127.0.0.1:59', collection: 'x' });
    await expect(nowhere).rejects.toMatchObject({ code: 'refused', exitCode: 10 });
    const refused = readVectors({ ...target('x'), apiKey: 'wrong' });
    await expect(refused).rejects.toMatchObject({ code: 'wrong-credentials' });
  });
});

describe('JSON as it was written', () => {
  it('keeps numbers as they are, and knows texts by what they say', () => {
    const text =
      '{"b":[1,1.0,1e22,-0.0,12345678901234567890],"a\\u00e9":"\\u00e9\\n","__proto__":{},"e":[]} ';
    expect(canonicalText(readWrittenJson(text))).toBe(
      '{"__proto__":{},"aé":"é\\n","b":[1,1.0,1e22,-0.0,12345678901234567890],"e":[]}',
    );
    expect(() => readWrittenJson('{"a": oops}')).toThrow(/No JSON at character/);
    const same = (a: string, b: string): boolean => nearlySame(readWrittenJson(a), readWrittenJson(b));
    expect([same('1', '1.0'), same('{"a":null}', '{}'), same('[1]', '[1,1]'), same('"1"', '1')]).toEqual(
      Array(4).fill(false),
    );
    expect([same('0.1', '0.10000000000000002'), same('1e22', '1e+22')]).toEqual([true, true]);
  });
});
