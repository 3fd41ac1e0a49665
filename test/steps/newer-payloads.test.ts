import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { GRAPH, Lab, payloadOf } from '../support/lab.js';

const OLD = { timestamp: '2026-10-10T10:00:00+00:00', updated_at: '2026-10-10T10:00:00+00:00' };

let lab: Lab;
/** Two ordinary memories with points. */
let ids: string[];

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
  const points = await lab.points();
  const rows = await lab.query("MATCH (m:Memory) WHERE m.type = 'Decision' RETURN m.id ORDER BY m.id");
  ids = rows
    .map(([id]) => String(id))
    .filter((id) => points.includes(id))
    .slice(0, 2);
});

afterAll(async () => {
  await lab.stop();
});

beforeEach(async () => {
  await lab.reset();
});

/** As after the graph's volume was set back: the payload says something else, of another time than the node's. */
async function setPayload(id: string, updatedAt: string): Promise<void> {
  await lab.qdrant('POST', `/collections/${GRAPH}/points/payload?wait=true`, {
    payload: { content: `Another text of ${id}`, updated_at: updatedAt },
    points: [id],
  });
}

const textsInGraph = (): Promise<unknown> =>
  lab.value("MATCH (m:Memory) WHERE m.content STARTS WITH 'Another text' RETURN count(m)");
const textsInPoints = async (): Promise<number> => (await lab.points()).split('Another text').length - 1;

it('brings a newer payload into the graph, and lets the graph decide over an older one', async () => {
  const [newer = '', older = ''] = ids;
  await setPayload(newer, '2030-01-01T00:00:00+00:00');
  await setPayload(older, '2001-01-01T00:00:00+00:00');
  const run = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH]);
  expect(run.exitCode).toBe(0);
  const node = await lab.node(newer);
  expect(node).toMatchObject({
    content: `Another text of ${newer}`,
    updated_at: '2030-01-01T00:00:00+00:00',
  });
  expect(node['processed']).toBe(false);
  expect(await textsInGraph()).toBe(1);
  expect(await textsInPoints()).toBe(1);
  expect(run.records('salvage')).toContainEqual(expect.objectContaining({ id: newer, field: 'content' }));
});

it('leaves a newer payload alone where the graph is only read', async () => {
  const [newer = ''] = ids;
  await setPayload(newer, '2030-01-01T00:00:00+00:00');
  const run = await lab.recover(['reembed-vectors']);
  expect(await textsInPoints()).toBe(1);
  expect(await textsInGraph()).toBe(0);
  expect(run.exitCode).not.toBe(0);
  expect(run.records('quarantine')).toEqual([
    expect.objectContaining({
      id: newer,
      reason: expect.stringContaining('updated later than the graph') as string,
    }),
  ]);
});

/** A node as it is after it lost its time of change, and a payload of another text. */
async function addTimeless(id: string, updatedAt: string | null, payloadUpdatedAt: string): Promise<void> {
  const time = updatedAt === null ? '' : `, updated_at: '${updatedAt}'`;
  await lab.query(
    `CREATE (:Memory {id: '${id}', content: 'as the graph has it', type: 'Decision', timestamp: '${OLD.timestamp}', tags: ['lab'], importance: 0.7, confidence: 0.9, metadata: '{}'${time}})`,
  );
  const times = { ...OLD, updated_at: payloadUpdatedAt };
  await lab.upsert([{ id, payload: payloadOf('as the payload has it', times) }]);
}

const LATER = '2026-11-05T10:00:00+00:00';

it.each([null, 'yesterday', ''])(
  'a node whose time of change is %j: the later payload decides',
  async (time) => {
    const id = 'acacacac-0000-4000-8000-000000000001';
    await addTimeless(id, time, LATER);
    const run = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH]);
    expect(run.exitCode).toBe(0);
    expect(await lab.node(id)).toMatchObject({ content: 'as the payload has it', updated_at: LATER });
    expect(await lab.points()).toContain('as the payload has it');
  },
);

it('leaves both stores as they are, and says so, where no time tells which is the newer', async () => {
  const id = 'acacacac-0000-4000-8000-000000000002';
  await addTimeless(id, null, OLD.updated_at);
  const run = await lab.run(['repair', '--always', '--json', '--confirm', GRAPH]);
  expect(run.exitCode).toBe(3);
  const node = await lab.node(id);
  expect([node['content'], node['updated_at']]).toEqual(['as the graph has it', undefined]);
  expect(await lab.points()).toContain('as the payload has it');
  expect(run.records('quarantine')).toEqual([
    expect.objectContaining({ id, reason: expect.stringContaining('no usable updated_at') as string }),
  ]);
});

it('joins an integer id of a memory with an integer point', async () => {
  await lab.query(
    `CREATE (:Memory {id: 42, content: 'of a whole number', type: 'Decision', timestamp: '${OLD.timestamp}', updated_at: '${OLD.updated_at}', tags: ['lab'], importance: 0.7, confidence: 0.9, metadata: '{}'})`,
  );
  await lab.upsert([
    { id: 42, payload: payloadOf('of a whole number', OLD) },
    { id: 43, payload: payloadOf('of no memory', OLD) },
  ]);
  const args = ['repair', '--always', '--orphans', 'delete', '--json', '--confirm', GRAPH];
  await lab.run(args);
  const left = await lab.qdrant<{ id: number }[]>('POST', `/collections/${GRAPH}/points`, { ids: [42, 43] });
  expect(left.map(({ id }) => id)).toEqual([42]);
});

it('finds a memory with an integer id among the others', async () => {
  for (const n of Array(12).keys())
    await lab.query(
      `CREATE (:Memory {id: ${n}, content: 'of a whole number ${n}', type: 'Decision', timestamp: '${OLD.timestamp}', updated_at: '${OLD.updated_at}', tags: ['lab'], importance: 0.7, confidence: 0.9, metadata: '{}'})`,
    );
  await lab.upsert(
    [...Array(12).keys()].map((id) => ({ id, payload: payloadOf(`of a whole number ${id}`, OLD) })),
  );
  const run = await lab.run(['validate', '--json']);
  expect(run.summary.validation.at(-1)).toMatchObject({ status: 'pass' });
});
