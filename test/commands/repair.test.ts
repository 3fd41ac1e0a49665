import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';

const NEW = '0a000000-0000-4000-8000-000000000001';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

const repair = (args: string[] = [], env: Record<string, string> = {}): Promise<CommandRun> =>
  lab.run(['repair', '--json', ...args], { env });

const detailOf = (run: CommandRun, step: string): string =>
  run.events.flatMap((event) =>
    event.type === 'step.finished' && event.step === step ? [event.detail] : [],
  )[0] ?? '';

/** Both stores, and all that a run could leave in them: copies, a lease, snapshots. */
async function everything(): Promise<unknown> {
  const snapshots = await lab.qdrant('GET', `/collections/${GRAPH}/snapshots`);
  return [await lab.contents(), await lab.points(), await lab.leftovers(), snapshots];
}

/** Ids of some memories that have a point. */
async function some(percent: number): Promise<string[]> {
  const points = JSON.parse(await lab.points()) as { id: string }[];
  return points.map(({ id }) => id).slice(0, Math.round((points.length * percent) / 100));
}

const remove = (memories: readonly string[]): Promise<unknown> =>
  lab.query(`MATCH (m:Memory) WHERE m.id IN ['${memories.join("', '")}'] DETACH DELETE m`);

describe('exit 0', () => {
  it('where the stores agree: they were compared by content, and nothing was made', async () => {
    const before = await everything();
    const run = await repair();
    expect(run.summary).toMatchObject({
      outcome: 'nothing-to-do',
      exitCode: 0,
      drift: { before: 0 },
      kept: [],
    });
    expect(detailOf(run, 'check-drift')).toBe('nothing has to be repaired');
    expect(await everything()).toEqual(before);
  });

  it('where they differ by 5 % or less, with the word that repairs them all the same', async () => {
    await remove(await some(3));
    const before = await everything();
    const run = await repair();
    expect(run.summary).toMatchObject({ outcome: 'nothing-to-do', exitCode: 0 });
    expect(detailOf(run, 'check-drift')).toMatch(
      /nothing to worry about up to 5 %.*lifeboat repair --always/,
    );
    expect(await everything()).toEqual(before);
    const plain = await lab.run(['repair']);
    expect(plain.stdout).toMatch(/nothing to worry about/);
  });

  it('where they were repaired, with the drift before and after', async () => {
    await remove(await some(10));
    const run = await repair();
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0, drift: { after: 0 } });
    expect(run.summary.drift?.before).toBeGreaterThan(5);
  });
});

describe('exit 2', () => {
  it('where a deletion was not confirmed, or confirmed for another graph', async () => {
    await lab.upsert([{ id: NEW, payload: payloadOf('an orphan') }]);
    for (const confirm of [[], ['--confirm', 'other']]) {
      const run = await repair(['--always', '--orphans', 'delete', ...confirm]);
      expect(run.summary).toMatchObject({ exitCode: 2, failure: { code: 'not-confirmed' } });
    }
    expect(await lab.points()).toContain(NEW);
    expect(await lab.leftovers()).toEqual([]);
  });
});

describe('exit 3', () => {
  it.each([
    ['the graph is behind', 'rebuild-graph', (memories: string[]) => remove(memories)],
    ['the vectors are behind', 'reembed-vectors', (memories: string[]) => lab.removePoints(memories)],
  ])('above --max-drift, where %s: names the plan and touches nothing', async (why, plan, damage) => {
    await damage(await some(40));
    const before = await everything();
    const run = await repair(['--max-drift', '30']);
    expect(run.summary).toMatchObject({
      outcome: 'failed',
      exitCode: 3,
      kept: [],
      failure: { code: 'drift-too-large' },
    });
    expect(run.summary.failure?.message).toMatch(new RegExp(`39\\.\\d % .*more than the 30 %.*${why}`));
    expect(run.summary.failure?.hint).toContain(`lifeboat recover ${plan}`);
    expect(await everything()).toEqual(before);
  });
});

describe('exits 10 and 11', () => {
  it('where a store is away', async () => {
    expect((await repair([], { QDRANT_URL: 'http://127.0.0.1:1' })).exitCode).toBe(10);
    expect((await repair([], { FALKORDB_PORT: '1' })).exitCode).toBe(10);
  });

  it('where another run holds the lease', async () => {
    await remove(await some(10));
    const codes: Promise<number>[] = [];
    const run = await lab.run(['repair', '--json'], {
      onEvent: (event) => {
        if (event.type === 'step.started' && event.step === 'safeguard-stores')
          codes.push(repair().then(({ exitCode }) => exitCode));
      },
    });
    expect(await Promise.all(codes)).toEqual([11]);
    expect(run.exitCode).toBe(0);
  });
});

describe('--dry-run', () => {
  it('says what would be done, and leaves no trace', async () => {
    await remove(await some(10));
    await lab.upsert([{ id: NEW, payload: { tags: [] } }]);
    const before = await everything();
    const run = await repair(['--dry-run']);
    expect(run.summary).toMatchObject({ outcome: 'dry-run', exitCode: 0 });
    expect(detailOf(run, 'check-drift')).toMatch(
      /% differ: 12 memories come back from their points, 1 points without a memory stay; a copy of the graph is kept before/,
    );
    const deleting = await repair(['--dry-run', '--orphans', 'delete']);
    expect(detailOf(deleting, 'check-drift')).toMatch(/: 13 points without a memory are deleted; a snapshot/);
    expect(await everything()).toEqual(before);
  });
});

describe('stores that no repair is for', () => {
  it('are named with the plans that apply', async () => {
    await lab.damage('graph-lost');
    const run = await repair();
    expect(run.summary.failure?.hint).toContain('rebuild-graph');
    expect(run.summary.exitCode).toBe(4);
  });
});
