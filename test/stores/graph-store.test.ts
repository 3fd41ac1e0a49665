import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { storableProperties } from '../../src/stores/graph/storable.js';
import { memoryRows } from '../../src/stores/graph/memory-rows.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';

let engines: TestEngines;
let store: GraphStore;
let redis: Redis;

beforeAll(async () => {
  engines = await startEngines({ moduleArgs: officialImage });
  store = await GraphStore.open(engines.graph);
  redis = new Redis(engines.graph);
});

afterAll(async () => {
  store.close();
  redis.disconnect();
  await engines.stop();
});

const write = (graph: string, cypher: string): Promise<unknown> => redis.call('GRAPH.QUERY', graph, cypher);

async function all<T>(pages: AsyncGenerator<T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}

describe('reading', () => {
  it('keeps integers of 64 bits to the last digit, and doubles apart from integers', async () => {
    await write(
      'numbers',
      'CREATE (:N {big: 9007199254740993, biggest: 9223372036854775807, least: -9223372036854775808, one: 1, whole: 1.0, list: [1, 9007199254740993, 2.5]})',
    );
    const [node] = await all(store.nodes('numbers'));
    expect(node?.properties).toMatchObject({
      big: 9007199254740993n,
      biggest: 9223372036854775807n,
      least: -9223372036854775808n,
      one: 1,
    });
    expect(node?.properties['whole']).toEqual({ value: 1 });
    expect(node?.properties['list']).toEqual([1, 9007199254740993n, 2.5]);
  });

  it('keeps properties of every name, those of objects of JavaScript too', async () => {
    await write(
      'names',
      'CREATE (:N {`__proto__`: 1, constructor: 2, map: 3})-[:`__proto__` {`__proto__`: 4}]->(:N)',
    );
    const [node] = await all(store.nodes('names'));
    expect(Object.entries(node?.properties ?? {}).sort()).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
      ['map', 3],
    ]);
    const [relationship] = await all(store.relationships('names'));
    expect(Object.entries(relationship?.properties ?? {})).toEqual([['__proto__', 4]]);
    expect(Object.entries((await store.survey('names')).byRelationship)).toEqual([['__proto__', 1]]);
    expect(Object.keys(storableProperties({ ...node?.properties, deep: { a: 1 } }).kept)).toContain(
      '__proto__',
    );
  });

  it('hands over values of types that it does not know as maps, which no graph takes', async () => {
    await write(
      'types',
      "CREATE (:T {at: point({latitude: 1.0, longitude: 2.0}), floats: vecf32([1.0]), day: date('2026-01-01'), span: duration('P1D'), text: 'x'})",
    );
    const [node] = await all(store.nodes('types'));
    const { text, ...others } = node?.properties ?? {};
    expect(text).toBe('x');
    expect(Object.keys(others)).toEqual(['at', 'floats', 'day', 'span']);
    for (const value of Object.values(others)) expect(value).toHaveProperty('unknownType');
  });

  it('reads all relationships of a node that has more than the server returns at once', async () => {
    await write('hub', 'CREATE (h:Hub) WITH h UNWIND range(1, 12500) AS i CREATE (h)-[:HAS {i: i}]->(:Leaf)');
    const relationships = await all(store.relationships('hub'));
    expect(new Set(relationships.map(({ properties }) => properties['i'])).size).toBe(12_500);
    expect((await all(store.nodes('hub'))).length).toBe(12_501);
  });

  it('reads texts as they are, whatever would have to be escaped in JSON', async () => {
    const odd = [
      'plain',
      'C:\\temp',
      'a\\nb',
      'say "x"',
      'x","y',
      'x"], ["y',
      'line\nbreak',
      '\u0001',
      '🧠',
      '',
    ];
    const literal = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
    for (const [i, text] of odd.entries()) {
      await write(
        'texts',
        `CREATE (:Memory {id: '${i}', tags: [${literal(text)}, 'second'], type: ${literal(text)}, timestamp: ${literal(text)}, content: ${literal(text)}, metadata: '{}'})`,
      );
    }
    await write('texts', `CREATE (:Memory {id: 'odd', tags: 'not a list', content: 5, importance: 'high'})`);
    const rows = await all(memoryRows(store, 'texts'));
    const byId = new Map(rows.map(({ id, properties }) => [id, properties]));
    for (const [i, text] of odd.entries()) {
      expect(byId.get(String(i))).toMatchObject({
        tags: [text, 'second'],
        type: text,
        timestamp: text,
        content: text,
      });
    }
    expect(byId.get('odd')).toMatchObject({ tags: 'not a list', content: 5, importance: 'high' });
  });
});

describe('a server that hangs', () => {
  it('is not waited for longer than told, and the time is named', async () => {
    const proxy = await startProxy(engines.graph);
    const through = await GraphStore.open({ host: proxy.host, port: proxy.port }, { answerTimeoutMs: 200 });
    proxy.freeze();
    await expect(through.graphs()).rejects.toMatchObject({
      code: 'timeout',
      exitCode: 10,
      message: expect.stringContaining('no answer within 0.2 s') as string,
    });
    through.close();
    await proxy.stop();
  });
});
