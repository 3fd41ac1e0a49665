import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { Double, type GraphNode, type GraphRelationship } from '../../src/memory/values.js';
import { emptyWork, type StepContext } from '../../src/steps/step.js';
import { CopyRecord, recordingSink } from '../../src/steps/restore/copy-record.js';
import { validateCopy } from '../../src/steps/restore/validate-copy.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { BulkWriter } from '../../src/stores/graph/graph-writer.js';
import { Unwritable } from '../../src/stores/graph/storable.js';
import { startEngines, type TestEngines } from '../support/engines.js';

const STAGING = '{memories}:lifeboat:test';

const NODES: Pick<GraphNode, 'labels' | 'properties'>[] = [
  {
    labels: ['Memory'],
    properties: { id: 'a', one: 1, whole: new Double(1), score: 0.1 + 0.2, text: 'say "no" \\ é 🧠' },
  },
  {
    labels: ['Memory', 'MetaMemory'],
    properties: { text: '1', id: 'b', on: true, tags: ['x', 'y'], none: [] },
  },
  {
    labels: ['Note'],
    properties: { numbers: [1, new Double(1), 0.5], deep: [['x'], [true]], big: 9_007_199_254_740_993n },
  },
  {
    labels: ['Note'],
    properties: {
      tie: 100_000_000_000_000.5,
      huge: new Double(1e300),
      tiny: 5e-324,
      zero: new Double(-0),
      least: 0.00001,
    },
  },
  { labels: ['Note'], properties: {} },
];

const RELATIONSHIPS: GraphRelationship[] = [
  { source: 0, target: 1, type: 'ABOUT', properties: { strength: 1 } },
  { source: 0, target: 1, type: 'ABOUT', properties: { strength: 1 } },
  { source: 0, target: 1, type: 'ABOUT', properties: { strength: new Double(1) } },
  { source: 1, target: 0, type: 'LIKE', properties: {} },
  { source: 2, target: 2, type: 'LIKE', properties: { at: 1 / 3 } },
];

let engines: TestEngines;
let graph: GraphStore;
let copy: CopyRecord;

beforeAll(async () => {
  engines = await startEngines();
  graph = await GraphStore.open(engines.graph);
});

afterAll(async () => {
  graph.close();
  await engines.stop();
});

beforeEach(async () => {
  await graph.command('empty the server', 'FLUSHALL');
  copy = new CopyRecord();
  const sink = recordingSink(new BulkWriter(graph, STAGING), copy);
  for (const node of NODES) await sink.node(node, () => undefined);
  await sink.flush();
  for (const { source, target, type, properties } of RELATIONSHIPS)
    await sink.relationship(source, target, type, properties);
  await sink.flush();
});

function validate(): Promise<string> {
  const context = {
    graph,
    openGraph: () => GraphStore.open(engines.graph),
    graphName: 'memories',
    stagingKey: STAGING,
    work: { ...emptyWork(), copy },
    checkpoints: { read: () => Promise.resolve(null), write: () => Promise.resolve() },
    signal: new AbortController().signal,
    progress: () => undefined,
    dryRun: false,
  };
  return validateCopy.run(context as unknown as StepContext);
}

describe('a staged copy', () => {
  it('is told to be what was staged', async () => {
    await expect(validate()).resolves.toBe(
      '5 nodes and 5 relationships are as they were staged, to the last property',
    );
  });

  it('is what was staged also where a name of a number was refused', async () => {
    const sink = recordingSink(new BulkWriter(graph, `${STAGING}:refused`), copy);
    for (const name of ['we`ird', 'a\0b', '', 'half \ud800'])
      await expect(
        sink.node({ labels: ['Note'], properties: { [name]: 1 } }, () => undefined),
      ).rejects.toThrow(Unwritable);
    await expect(validate()).resolves.toContain('5 nodes');
  });

  it('is compared without taking nodes apart where texts tell everything', async () => {
    const plain = {
      labels: ['Memory'],
      properties: { id: 'c', type: 'Insight', importance: new Double(1), score: 0.875 },
    };
    await graph.command('empty the server', 'FLUSHALL');
    copy = new CopyRecord();
    const sink = recordingSink(new BulkWriter(graph, STAGING), copy);
    for (let at = 0; at < 700; at++)
      await sink.node({ ...plain, properties: { ...plain.properties, at } }, () => undefined);
    await sink.flush();
    const apart = vi.spyOn(graph, 'nodesBetween');
    await validate();
    expect(apart).not.toHaveBeenCalled();
    apart.mockRestore();
  });

  it.each([
    [
      'an integer that became a double',
      'MATCH (n {id: "a"}) SET n.one = NULL; MATCH (n {id: "a"}) SET n.one = 1.0',
    ],
    [
      'a double that became an integer',
      'MATCH (n {id: "a"}) SET n.whole = NULL; MATCH (n {id: "a"}) SET n.whole = 1',
    ],
    ['a text that became a number', 'MATCH (n {id: "b"}) SET n.text = 1'],
    [
      'a number within a list',
      'MATCH (n:Note) WHERE n.numbers IS NOT NULL SET n.numbers = [2]; MATCH (n:Note) WHERE n.numbers IS NOT NULL SET n.numbers = [1, 1, 0.5]',
    ],
    ['a double in its 14th digit', 'MATCH (n {id: "a"}) SET n.score = 0.30000000000001'],
    ['a property that is gone', 'MATCH (n {id: "b"}) SET n.on = NULL'],
    ['a property too many', 'MATCH (n {id: "b"}) SET n.more = "x"'],
    ['a text', 'MATCH (n {id: "a"}) SET n.text = n.text + "."'],
    ['an empty list that is gone', 'MATCH (n {id: "b"}) SET n.none = NULL'],
    ['a label too many', 'MATCH (n {id: "a"}) SET n:Extra'],
    ['a node that is gone', 'MATCH (n:Note) WHERE size(keys(n)) = 0 DELETE n'],
    ['a node too many', 'CREATE (:Note)'],
    ['two nodes in each other’s place', 'MATCH (a {id: "a"}), (b {id: "b"}) SET a.id = "b", b.id = "a"'],
    [
      'a relationship that turned round',
      'MATCH (b {id: "b"})-[r:LIKE]->(a) CREATE (a)-[:LIKE]->(b) DELETE r',
    ],
    [
      'one of two parallel ones doubled, the other gone',
      'MATCH (a {id: "a"})-[r:ABOUT]->(b) WHERE typeOf(r.strength) = "Float" WITH a, b, r CREATE (a)-[:ABOUT {strength: 1}]->(b) DELETE r',
    ],
    ['the number of a relationship', 'MATCH (:Note)-[r:LIKE]->() SET r.at = 0.3333'],
    [
      'the type of a relationship',
      'MATCH (n:Note)-[r:LIKE]->(n) WITH n, r, r.at AS at DELETE r CREATE (n)-[:LOVE {at: at}]->(n)',
    ],
    ['a relationship that is gone', 'MATCH (n:Note)-[r:LIKE]->(n) DELETE r'],
  ])('that differs is refused: %s', async (_, cypher) => {
    // Setting 1.0 where 1 stands changes nothing, so one query takes the old value away.
    for (const query of cypher.split('; ')) await graph.write(STAGING, query);
    await expect(validate()).rejects.toMatchObject({ code: 'candidate-invalid', exitCode: 1 });
  });
});
