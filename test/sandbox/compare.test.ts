import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  compareGraphs,
  describeDifference,
  readGraph,
  type GraphComparison,
  type GraphSnapshot,
  type ReadGraphOptions,
} from '../../src/sandbox/compare.js';
import { fill } from '../../src/sandbox/fill.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';

let engines: TestEngines;
let redis: Redis;
const open: GraphSnapshot[] = [];

beforeAll(async () => {
  engines = await startEngines({ moduleArgs: officialImage });
  redis = new Redis(engines.graph);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((snapshot) => snapshot.close()));
});

afterAll(async () => {
  redis.disconnect();
  await engines.stop();
});

const query = (name: string, text: string): Promise<unknown> => redis.call('GRAPH.QUERY', name, text);

async function read(name: string, options: ReadGraphOptions = {}): Promise<GraphSnapshot> {
  const snapshot = await readGraph({ ...engines.graph, name }, options);
  open.push(snapshot);
  return snapshot;
}

const SEED = `CREATE
  (a:Memory {id: 'a', content: 'first', importance: 1.0, tags: ['x', 'y'], n: 1}),
  (b:Memory:MetaMemory {id: 'b', content: 'second', cluster_size: 3, flags: [true, 1, 1.0]}),
  (e:Entity {id: 'entity:people:alice', name: 'Alice'}), (c:Control {x: 1}),
  (a)-[:RELATES_TO {strength: 0.5, note: 'one'}]->(b), (a)-[:RELATES_TO {strength: 0.5, note: 'one'}]->(b),
  (e)-[:REFERENCED_IN]->(a), (b)-[:SUMMARIZES]->(a)`;

/** The comparison of the seed with the same after a change. */
async function afterChange(
  change: string | string[],
  options: ReadGraphOptions = {},
): Promise<GraphComparison> {
  for (const name of ['before', 'after']) {
    if ((await redis.exists(name)) === 1) await redis.call('GRAPH.DELETE', name);
    await query(name, SEED);
  }
  for (const text of [change].flat()) if (text !== '') await query('after', text);
  return await compareGraphs(await read('before', options), await read('after', options));
}

const told = ({ examples }: GraphComparison): string[] => examples.map(describeDifference);

describe('the comparison of two graphs', () => {
  it('finds nothing where there is nothing, whatever the internal ids', async () => {
    expect(await afterChange('')).toEqual({
      equal: true,
      nodes: { before: 4, after: 4, missing: 0, extra: 0, changed: 0 },
      relationships: { before: 4, after: 4, missing: 0, extra: 0 },
      examples: [],
    });
    // The same, made in another order: other internal ids, other ids of labels and keys.
    await redis.call('GRAPH.DELETE', 'after');
    await query(
      'after',
      "CREATE (:Gone {zzz: 1}), (:Control {x: 1}), (:Entity {name: 'Alice', id: 'entity:people:alice'})",
    );
    await query(
      'after',
      "CREATE (:MetaMemory:Memory {flags: [true, 1, 1.0], cluster_size: 3, content: 'second', id: 'b'})",
    );
    await query(
      'after',
      "CREATE (:Memory {n: 1, tags: ['x', 'y'], importance: 1.0, content: 'first', id: 'a'})",
    );
    await query(
      'after',
      "MATCH (b {id: 'b'}), (a {id: 'a'}), (e:Entity), (g:Gone) CREATE (b)-[:SUMMARIZES]->(a), (e)-[:REFERENCED_IN]->(a) DELETE g",
    );
    for (const note of ['one', 'one']) {
      await query(
        'after',
        `MATCH (b {id: 'b'}), (a {id: 'a'}) CREATE (a)-[:RELATES_TO {note: '${note}', strength: 0.5}]->(b)`,
      );
    }
    expect(await compareGraphs(await read('before'), await read('after'))).toMatchObject({ equal: true });
  });

  it('catches a missing node, and its relationships with it', async () => {
    const comparison = await afterChange('MATCH (e:Entity) DETACH DELETE e');
    expect(comparison).toMatchObject({
      equal: false,
      nodes: { missing: 1, extra: 0, changed: 0 },
      relationships: { missing: 1, extra: 0 },
    });
    expect(told(comparison)).toEqual([
      'node-missing :Entity "entity:people:alice"',
      'relationship-missing :Entity "entity:people:alice" -[REFERENCED_IN]-> :Memory "a"',
    ]);
  });

  it('catches a node too many, also a second one with the same id', async () => {
    expect(told(await afterChange("CREATE (:Memory {id: 'z'})"))).toEqual(['node-extra :Memory "z"']);
    const twice = await afterChange("CREATE (:Entity {id: 'entity:people:alice', name: 'Alice'})");
    expect(twice).toMatchObject({ equal: false, nodes: { missing: 0, extra: 1, changed: 0 } });
    const other = await afterChange("CREATE (:Entity {id: 'entity:people:alice', name: 'Bob'})");
    expect(other).toMatchObject({ equal: false, nodes: { missing: 0, extra: 1, changed: 0 } });
  });

  it('catches 1 where 1.0 was, alone and in a list', async () => {
    // FalkorDB takes SET of an equal number for no change, so the property has to go first.
    const replace = (id: string, name: string, value: string): Promise<GraphComparison> =>
      afterChange([
        `MATCH (m {id: '${id}'}) SET m.${name} = null`,
        `MATCH (m {id: '${id}'}) SET m.${name} = ${value}`,
      ]);
    expect(told(await replace('a', 'importance', '1'))).toEqual([
      'node-changed :Memory "a": importance 1.0 → 1',
    ]);
    expect(told(await replace('a', 'n', '1.0'))).toEqual(['node-changed :Memory "a": n 1 → 1.0']);
    expect(told(await replace('b', 'flags', '[true, 1, 1]'))).toEqual([
      'node-changed :Memory:MetaMemory "b": flags [true, 1, 1.0] → [true, 1, 1]',
    ]);
    expect(told(await afterChange("MATCH (m {id: 'a'}) SET m.n = '1'"))).toEqual([
      'node-changed :Memory "a": n 1 → "1"',
    ]);
  });

  it('catches integers beyond 2^53 that differ by one', async () => {
    await query('big', "CREATE (:M {id: 'x', n: 9007199254740993})");
    await query('big2', "CREATE (:M {id: 'x', n: 9007199254740992})");
    expect(told(await compareGraphs(await read('big'), await read('big2')))).toEqual([
      'node-changed :M "x": n 9007199254740993 → 9007199254740992',
    ]);
  });

  it('catches a last character, a property that came or went, and a label', async () => {
    expect(told(await afterChange("MATCH (m {id: 'a'}) SET m.content = 'firsT'"))).toEqual([
      'node-changed :Memory "a": content "first" → "firsT"',
    ]);
    expect(told(await afterChange("MATCH (m {id: 'a'}) SET m.n = null, m.processed = false"))).toEqual([
      'node-changed :Memory "a": n 1 → absent, processed absent → false',
    ]);
    const label = await afterChange("MATCH (m {id: 'a'}) SET m:Extra");
    expect(label).toMatchObject({ nodes: { missing: 1, extra: 1 } });
    expect(told(await afterChange("MATCH (m {id: 'a'}) SET m.tags = ['y', 'x']"))).toHaveLength(1);
    const bare = await afterChange('MATCH (c:Control) SET c.x = 2');
    expect(bare).toMatchObject({ equal: false, nodes: { missing: 1, extra: 1 } });
  });

  it('catches a missing relationship, and a parallel one that was lost', async () => {
    expect(told(await afterChange('MATCH ()-[e:SUMMARIZES]->() DELETE e'))).toEqual([
      'relationship-missing :Memory:MetaMemory "b" -[SUMMARIZES]-> :Memory "a"',
    ]);
    const parallel = await afterChange('MATCH ()-[e:RELATES_TO]->() WITH e LIMIT 1 DELETE e');
    expect(parallel).toMatchObject({
      equal: false,
      relationships: { before: 4, after: 3, missing: 1, extra: 0 },
    });
    expect(told(parallel)).toEqual([
      'relationship-missing :Memory "a" -[RELATES_TO]-> :Memory:MetaMemory "b"',
    ]);
    const third = await afterChange(
      "MATCH (a {id: 'a'}), (b {id: 'b'}) CREATE (a)-[:RELATES_TO {strength: 0.5, note: 'one'}]->(b)",
    );
    expect(third).toMatchObject({ equal: false, relationships: { missing: 0, extra: 1 } });
  });

  it('catches a changed property of a relationship', async () => {
    const comparison = await afterChange(
      "MATCH ()-[e:RELATES_TO]->() WITH e LIMIT 1 SET e.note = 'two', e.strength = 1.0",
    );
    expect(comparison).toMatchObject({
      equal: false,
      nodes: { changed: 0 },
      relationships: { missing: 1, extra: 1 },
    });
    expect(told(comparison)).toEqual([
      'relationship-changed :Memory "a" -[RELATES_TO]-> :Memory:MetaMemory "b": note "one" → "two", strength 0.5 → 1.0',
    ]);
  });

  it('catches a swapped direction, and another type', async () => {
    const swapped = await afterChange('MATCH (a)-[e:SUMMARIZES]->(b) DELETE e CREATE (b)-[:SUMMARIZES]->(a)');
    expect(told(swapped)).toEqual([
      'relationship-missing :Memory:MetaMemory "b" -[SUMMARIZES]-> :Memory "a"',
      'relationship-extra :Memory "a" -[SUMMARIZES]-> :Memory:MetaMemory "b"',
    ]);
    expect(
      await afterChange('MATCH (a)-[e:SUMMARIZES]->(b) DELETE e CREATE (a)-[:SUMMARISES]->(b)'),
    ).toMatchObject({
      equal: false,
      relationships: { missing: 1, extra: 1 },
    });
  });

  it('leaves properties out only when told to', async () => {
    const change = "MATCH (m {id: 'a'}) SET m.last_accessed = 'now'";
    expect(await afterChange(change)).toMatchObject({ equal: false });
    expect(await afterChange(change, { ignore: ['last_accessed'] })).toMatchObject({ equal: true });
  });

  it('takes a graph that is gone, or empty, for one without anything', async () => {
    await query('before', 'MATCH (n) DETACH DELETE n');
    await redis.call('GRAPH.DELETE', 'before');
    await query('before', SEED);
    const [before, gone] = [await read('before'), await read('never')];
    expect(gone.exists).toBe(false);
    const comparison = await compareGraphs(before, gone, { examples: 2 });
    expect(comparison).toMatchObject({ equal: false, nodes: { missing: 4 }, relationships: { missing: 4 } });
    expect(comparison.examples).toHaveLength(4);
    expect(await redis.exists('never')).toBe(0);
    await query('hollow', 'MATCH (n) RETURN n');
    expect((await read('hollow')).exists).toBe(true);
    expect(await compareGraphs(await read('hollow'), gone)).toMatchObject({ equal: true });
  });

  it('reads past the result cap: wide pages, and nodes with more relationships than an answer holds', async () => {
    await query('wide', 'UNWIND range(1, 12000) AS i CREATE (:Memory {id: toString(i)})');
    await query('wide', "CREATE (:Entity {id: 'hub'})");
    await query('wide', 'MATCH (e:Entity), (m:Memory) CREATE (e)-[:REFERENCED_IN]->(m), (m)-[:PART_OF]->(e)');
    const wide = await read('wide');
    expect(wide).toMatchObject({ nodes: 12_001, relationships: 24_000 });
    await query('wide', "MATCH (m:Memory {id: '11999'})-[e:PART_OF]->() DELETE e");
    expect(told(await compareGraphs(wide, await read('wide')))).toEqual([
      'relationship-missing :Memory "11999" -[PART_OF]-> :Entity "hub"',
    ]);
  });

  it('holds a whole population, hard strings and all, against its copy', async () => {
    const stores = {
      graph: { ...engines.graph, name: 'pop' },
      vectors: { ...engines.vectors, collection: 'pop' },
    };
    await fill(
      { memories: 800, dim: 4, seed: 3, backupDir: null, timestamp: '20261121_120000', force: false },
      stores,
    );
    await redis.call('GRAPH.COPY', 'pop', 'pop-copy');
    const before = await read('pop');
    expect(await compareGraphs(before, await read('pop-copy'))).toMatchObject({ equal: true });
    await query(
      'pop-copy',
      "MATCH (m:Memory) WHERE m.content STARTS WITH 'A long note' SET m.content = m.content + '.'",
    );
    const comparison = await compareGraphs(before, await read('pop-copy'));
    expect(comparison).toMatchObject({
      nodes: { missing: 0, extra: 0, changed: 1 },
      relationships: { missing: 0, extra: 0 },
    });
    expect(comparison.examples[0]?.properties.map(({ name }) => name)).toEqual(['content']);
  });

  it('says where it could not read', async () => {
    await expect(readGraph({ host: '127.0.0.1', port: 1, name: 'x' })).rejects.toMatchObject({
      code: 'refused',
      exitCode: 10,
    });
  });
});
