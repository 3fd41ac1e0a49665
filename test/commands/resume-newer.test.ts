import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 60 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

/** Stops a restore of both stores at the end of the step that it is in when this one begins. */
async function stoppedIn(step: string, args: string[] = []): Promise<string> {
  const run = await lab.recover(['restore-backup', ...args], {
    onEvent: (event, context) => {
      if (event.type === 'step.started' && event.step === step) context.interrupt();
    },
  });
  expect(run.summary).toMatchObject({ outcome: 'interrupted', resumable: true });
  return run.summary.run;
}

const resume = (run: string): Promise<CommandRun> => lab.run(['runs', 'resume', run, '--json']);
const rollback = (run: string): Promise<CommandRun> => lab.run(['runs', 'rollback', run, '--confirm', GRAPH]);

interface Point {
  id: string;
  vector: number[];
  payload: Record<string, unknown>;
}
const points = async (): Promise<Point[]> => JSON.parse(await lab.points()) as Point[];
const pointOf = async (id: string): Promise<Point | undefined> =>
  (await points()).find((point) => point.id === id);

/** A vector that no text has. */
const VECTOR = [1, 0, 0, 0, 0, 0, 0, 0];
const NEW = 'abababab-0000-4000-8000-000000000001';

/** Ids of memories that have a point in the backup, and of which the lab's own cases want nothing. */
async function ordinary(): Promise<string[]> {
  const stored = new Set((await points()).map(({ id }) => id));
  const rows = await lab.query("MATCH (m:Memory) WHERE m.type = 'Decision' RETURN m.id ORDER BY m.id");
  return rows.map(([id]) => String(id)).filter((id) => stored.has(id));
}

/** What the service does with a memory that is edited: both stores, a new vector, a time of now. */
async function edit(id: string, payload: Record<string, unknown>): Promise<void> {
  const now = new Date().toISOString().replace('Z', '+00:00');
  await lab.query(
    `MATCH (m:Memory {id: '${id}'}) SET m.content = 'edited by the service', m.updated_at = '${now}'`,
  );
  const edited = { ...payload, content: 'edited by the service', updated_at: now };
  await lab.upsert([{ id, vector: VECTOR, payload: edited }]);
}

async function remove(id: string): Promise<void> {
  await lab.query(`MATCH (m:Memory {id: '${id}'}) DETACH DELETE m`);
  await lab.removePoints([id]);
}

const DAMAGES = ['both-lost', 'graph-lost'] as const;
/** Stopped before any point was restored, and after all were. */
const STEPS = ['create-indexes', 'restore-vectors'];
const CASES = DAMAGES.flatMap((damage) => STEPS.map((step) => ({ damage, step })));

describe('a restore that goes on after the service worked on its graph', () => {
  it.each(CASES)('$damage, stopped in $step: keeps what it wrote and deleted', async ({ damage, step }) => {
    const [edited = '', deleted = ''] = await ordinary();
    const payload = (await pointOf(edited))?.payload ?? {};
    await lab.damage(damage);
    const run = await stoppedIn(step);
    await edit(edited, payload);
    await remove(deleted);
    const again = await resume(run);
    expect([again.failure, again.summary.failure]).toEqual([null, undefined]);
    const now = await pointOf(edited);
    expect([now?.payload['content'], now?.vector]).toEqual(['edited by the service', VECTOR]);
    expect(await pointOf(deleted)).toBeUndefined();
    expect(await lab.value(`MATCH (m:Memory {id: '${deleted}'}) RETURN count(m)`)).toBe(0);
    expect(again.summary).toMatchObject({ quarantined: 0, losses: [] });
    expect(again.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
  });

  it('puts aside, with its vector, a point that was changed in Qdrant alone', async () => {
    const [edited = ''] = await ordinary();
    const payload = { ...(await pointOf(edited))?.payload, content: 'edited in Qdrant alone' };
    await lab.damage('both-lost');
    const run = await stoppedIn('create-indexes');
    await lab.upsert([{ id: edited, vector: VECTOR, payload }]);
    const again = await resume(run);
    expect(again.exitCode).toBe(3);
    expect(again.records('quarantine')).toEqual([
      expect.objectContaining({ id: edited, record: { id: edited, payload, vector: VECTOR } }),
    ]);
  });

  it('restores all points where the new graph lost nearly all its memories meanwhile', async () => {
    const count = (await points()).length;
    await lab.damage('both-lost');
    const run = await stoppedIn('create-indexes');
    await lab.query('MATCH (m:Memory) DETACH DELETE m');
    await resume(run);
    expect((await points()).length).toBe(count);
  });
});

describe('a newer run on the same collection', () => {
  /** A restore that stopped after its swap, and another one that then brought the vectors. */
  async function under(): Promise<{ older: string; newer: string }> {
    await lab.damage('both-lost');
    const older = await stoppedIn('create-indexes');
    const { summary } = await lab.recover(['reembed-vectors']);
    expect(summary.failure).toBeUndefined();
    return { older, newer: summary.run };
  }

  it('keeps the older one from going on, however often it is asked to, until it is undone', async () => {
    const { older, newer } = await under();
    const live = await lab.points();
    for (let attempt = 0; attempt < 2; attempt++) {
      const { exitCode, summary } = await resume(older);
      expect([exitCode, summary.failure?.code, summary.resumable]).toEqual([2, 'newer-run', false]);
      expect(summary.failure?.message).toContain(newer);
      // One way out at a time: neither the command that was refused nor the undoing of what lies below.
      expect(summary.failure?.hint).toContain(`runs rollback ${newer}`);
      expect(summary.failure?.hint).not.toContain(`runs resume ${older}`);
      expect(summary.failure?.hint).not.toContain(`runs rollback ${older}`);
    }
    expect(await lab.points()).toBe(live);
    const listed = (await lab.run(['runs', 'list'])).stdout
      .split('\n')
      .find((line) => line.startsWith(older));
    expect(listed).toContain(`cannot be resumed above the newer run ${newer}`);

    expect((await rollback(newer)).exitCode).toBe(0);
    const again = await resume(older);
    expect(again.summary.failure).toBeUndefined();
    expect(again.summary.outcome).toMatch(/recovered/);
  });
});

describe('the rollback of a run that was stopped and went on', () => {
  it.each(STEPS)('does not delete unasked what the service stored meanwhile: %s', async (step) => {
    await lab.damage('both-lost');
    const run = await stoppedIn(step);
    const old = new Date(Date.now() - 3_600_000).toISOString().replace('Z', '+00:00');
    const payload = payloadOf('stored meanwhile', { timestamp: old, updated_at: old });
    await lab.query(
      `CREATE (:Memory {id: '${NEW}', content: 'stored meanwhile', type: 'Insight', timestamp: '${old}', updated_at: '${old}'})`,
    );
    await lab.upsert([{ id: NEW, payload }]);
    expect((await resume(run)).summary.failure).toBeUndefined();
    const { failure } = await rollback(run);
    expect(failure).toMatchObject({ code: 'newer-points', exitCode: 2 });
    expect(failure?.message).toContain('1 points that came after the run');
    expect(await pointOf(NEW)).toBeDefined();
  });

  it('needs no question where nobody wrote anything', async () => {
    await lab.damage('both-lost');
    const run = await stoppedIn('create-indexes');
    await resume(run);
    const undone = await rollback(run);
    expect([undone.failure, undone.exitCode]).toEqual([null, 0]);
  });
});
