import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { readVectors, compareVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';
import { startProxy } from '../support/proxy.js';

let lab: Lab;
/** Both stores after the damage: what a rollback must bring back. */
let damaged: { graph: GraphSnapshot; vectors: VectorSnapshot };

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  await lab.fill({ memories: 120 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

afterEach(async () => {
  await damaged.graph.close();
  await damaged.vectors.close();
});

async function damage(scenario: string, cypher?: string): Promise<void> {
  await lab.damage(scenario);
  if (cypher !== undefined) await lab.query(cypher);
  damaged = { graph: await lab.snapshot(), vectors: await readVectors(lab.stores.vectors) };
}

async function expectAsDamaged(): Promise<void> {
  expect(await lab.differences(damaged.graph)).toEqual([]);
  const now = await readVectors(lab.stores.vectors);
  const { equal, examples, settings } = await compareVectors(damaged.vectors, now);
  await now.close();
  expect([equal, examples, settings]).toEqual([true, [], []]);
}

const rollback = (run: string, ...args: string[]): Promise<CommandRun> =>
  lab.run(['runs', 'rollback', run, ...args]);
const forget = (run: string, ...args: string[]): Promise<CommandRun> =>
  lab.run(['runs', 'forget', run, ...args]);

describe('runs rollback', () => {
  it.each([
    ['graph-empty', ['recover']],
    ['drift-20', ['repair']],
    ['vectors-empty', ['recover']],
    ['vectors-lost', ['recover']],
    ['both-lost', ['recover']],
    ['drift-60', ['recover']],
  ])('after %s puts both stores back as they were', async (scenario, args) => {
    await damage(scenario);
    const { summary, exitCode } = await lab.run([...args, '--json', '--confirm', GRAPH]);
    expect([0, 5]).toContain(exitCode);
    const refused = await rollback(summary.run);
    expect(refused.failure).toMatchObject({ code: 'not-confirmed', exitCode: 2 });
    const done = await rollback(summary.run, '--confirm', GRAPH);
    expect([done.exitCode, done.failure]).toEqual([0, null]);
    await expectAsDamaged();
    expect((await rollback(summary.run, '--confirm', GRAPH)).failure).toMatchObject({ code: 'nothing-kept' });
  });

  it('keeps the graph that the run made, until it is forgotten', async () => {
    await damage('graph-empty');
    const { summary } = await lab.recover();
    await rollback(summary.run, '--confirm', GRAPH);
    expect(await lab.leftovers()).toEqual([`{${GRAPH}}:undone:${summary.run}`]);
    const show = (): Promise<CommandRun> => lab.run(['runs', 'show', summary.run]);
    expect((await show()).stdout).toContain(`lifeboat runs forget ${summary.run} --confirm ${GRAPH}`);
    const forgotten = await forget(summary.run, '--confirm', GRAPH);
    expect(forgotten.exitCode).toBe(0);
    expect(await lab.leftovers()).toEqual([]);
    expect((await show()).stdout).not.toContain('Next');
  });

  it('whose kept graph somebody deleted fails, and changes nothing', async () => {
    await damage('graph-empty');
    const { summary } = await lab.recover();
    await lab.redis('DEL', `{${GRAPH}}:before:${summary.run}`);
    const after = await lab.snapshot();
    const run = await rollback(summary.run, '--confirm', GRAPH);
    expect(run.failure).toMatchObject({ code: 'kept-graph-gone', exitCode: 4 });
    expect(await lab.differences(after)).toEqual([]);
    await after.close();
  });
});

describe('runs forget', () => {
  it('frees the kept graph and the snapshot, and leaves what is live', async () => {
    await damage('drift-20');
    const { summary } = await lab.run(['repair', '--json']);
    const live = await lab.snapshot();
    // The server keeps those of earlier tests too.
    const snapshots = (): Promise<unknown[]> => lab.qdrant('GET', `/collections/${GRAPH}/snapshots`);
    const kept = (await snapshots()).length;
    expect((await forget(summary.run)).failure).toMatchObject({ code: 'not-confirmed' });
    const run = await forget(summary.run, '--confirm', GRAPH);
    expect(run.stdout).toMatch(/freed the graph[^]*snapshot/);
    expect(await lab.leftovers()).toEqual([]);
    expect(await snapshots()).toHaveLength(kept - 1);
    expect(await lab.differences(live)).toEqual([]);
    await live.close();
    expect((await rollback(summary.run, '--confirm', GRAPH)).failure).toMatchObject({ code: 'nothing-kept' });
  });
});

describe('runs resume', () => {
  it('goes on after a failure, under the same name, to the same end', async () => {
    const before = await lab.snapshot();
    await damage('both-lost');
    // A collection of another size stands in the way, and it is not empty.
    await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors: { size: 4, distance: 'Cosine' } });
    await lab.upsert([{ id: 1, payload: {} }], 4);
    const failed = await lab.recover(['restore-backup']);
    expect(failed.summary).toMatchObject({ outcome: 'failed', resumable: true });
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    const run = await lab.run(['runs', 'resume', failed.summary.run, '--json']);
    expect(run.summary).toMatchObject({ run: failed.summary.run, plan: 'restore-backup' });
    expect([0, 5]).toContain(run.exitCode);
    expect(run.events.map(({ type }) => type)).toContain('resumed');
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });

  it('goes on after an interruption in the middle', async () => {
    const before = await lab.snapshot();
    await damage('graph-lost');
    const stopped = await lab.recover([], {
      onEvent: (event, context) => {
        if (event.type === 'step.finished' && event.step === 'stage-nodes') context.interrupt();
      },
    });
    expect(stopped.exitCode).toBe(130);
    expect(stopped.summary).toMatchObject({ outcome: 'interrupted', resumable: true });
    expect(await lab.leftovers()).toEqual([]);
    const run = await lab.run(['runs', 'resume', stopped.summary.run, '--json']);
    expect(run.summary).toMatchObject({ outcome: 'recovered', exitCode: 0 });
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });

  it.each([
    ['that ended', async () => (await lab.recover()).summary.run, 'run-not-resumable'],
    ['that was dry', async () => (await lab.recover(['--dry-run'])).summary.run, 'run-not-resumable'],
    ['that nobody knows', () => Promise.resolve('20260101-000000-ffffff'), 'run-unknown'],
  ])('refuses a run %s', async (_, make, code) => {
    await damage('graph-lost');
    const run = await lab.run(['runs', 'resume', await make(), '--json']);
    expect(run.failure).toMatchObject({ code, exitCode: 2 });
  });

  it('refuses a run of other stores', async () => {
    await damage('graph-lost');
    const { summary } = await lab.recover([], {
      onEvent: (event, context) => event.type === 'step.started' && context.interrupt(),
    });
    const run = await lab.run(['runs', 'resume', summary.run], { env: { FALKORDB_GRAPH: 'other' } });
    expect(run.failure).toMatchObject({ code: 'run-of-other-stores', exitCode: 2 });
    expect(run.failure?.message).toMatch(/memories.*other/);
  });
});

/** Makes the journal end with the intent of a change, as if the run had been killed before it could note that it was made. */
function forgetDone(run: CommandRun, kind: string): void {
  const path = String(run.summary.files.journal);
  const lines = readFileSync(path, 'utf8').split('\n');
  const end = lines.findIndex(
    (line) => line.includes('"phase":"intent"') && line.includes(`"kind":"${kind}"`),
  );
  writeFileSync(path, `${lines.slice(0, end + 1).join('\n')}\n`);
  rmSync(join(dirname(path), 'machine.json'), { force: true });
}

/** A run that is aborted right after its swap. */
async function stoppedAfterSwap(...args: string[]): Promise<string> {
  const run = await lab.recover(['rebuild-graph', ...args], {
    onEvent: (event, context) => {
      if (event.type !== 'step.started' || event.step !== 'recount') return;
      context.interrupt();
      context.interrupt();
    },
  });
  expect(run.exitCode).toBe(130);
  return run.summary.run;
}

const NEW_POINT = 'aaaaaaaa-0000-4000-8000-00000000000a';
const upsertNew = (): Promise<void> => lab.upsert([{ id: NEW_POINT, payload: payloadOf('came later') }]);
const pointCount = async (): Promise<number> =>
  (await lab.qdrant<{ count: number }>('POST', `/collections/${GRAPH}/points/count`, { exact: true })).count;
const resume = (run: string): Promise<CommandRun> => lab.run(['runs', 'resume', run, '--json']);
const PRECIOUS = "CREATE (:Precious {only: 'in the graph from before'})";

describe('a run that goes on after its swap', () => {
  it('begins anew where the swap was undone by the run itself', async () => {
    await damage('graph-empty', PRECIOUS);
    const proxy = await startProxy(lab.engines.graph);
    const env = { FALKORDB_PORT: String(proxy.port) };
    proxy.when(/rename[^]*exec/i, () => {
      proxy.when(/GRAPH\.RO_QUERY/i, () => lab.query('MATCH (n) DETACH DELETE n'));
      return undefined;
    });
    const first = await lab.recover(['rebuild-graph'], { env });
    expect(first.summary.failure).toMatchObject({ code: 'promoted-differs' });
    await expectAsDamaged();
    const again = await lab.run(['runs', 'resume', first.summary.run, '--json'], { env });
    expect(again.events).toContainEqual(expect.objectContaining({ step: 'promote-graph', outcome: 'done' }));
    expect(await lab.value('MATCH (m:Memory) RETURN count(m)')).toBeGreaterThan(100);
    await proxy.stop();
  });

  it('on another day leaves live what the service has worked on since', async () => {
    await damage('graph-empty', PRECIOUS);
    const run = await stoppedAfterSwap();
    const ids = (await lab.query('MATCH (m:Memory) RETURN m.id LIMIT 30')).map(([id]) => String(id));
    await lab.query(`MATCH (m:Memory) WHERE m.id IN ${JSON.stringify(ids)} DETACH DELETE m`);
    await lab.removePoints(ids);
    const live = await lab.snapshot();
    const again = await resume(run);
    expect(again.stdout).toContain('so it stays live');
    expect(await lab.differences(live)).toEqual([]);
    await live.close();
  });

  it('is refused where a newer run put its graph there', async () => {
    await damage('graph-empty');
    const older = await stoppedAfterSwap('--backup', 'none');
    const newer = (await lab.recover(['restore-backup'])).summary.run;
    const live = await lab.snapshot();
    const again = await resume(older);
    expect(again.summary.failure).toMatchObject({ code: 'newer-run' });
    expect([again.exitCode, again.summary.failure?.message]).toEqual([2, expect.stringContaining(newer)]);
    expect(await lab.differences(live)).toEqual([]);
    await live.close();
  });

  it('keeps the graph from before, where it was killed before it could note the swap', async () => {
    await damage('graph-empty', PRECIOUS);
    const first = await lab.recover(['rebuild-graph', '--fix']);
    forgetDone(first, 'graph-swap');
    await upsertNew();
    const again = await resume(first.summary.run);
    expect(again.summary.outcome).toMatch(/recovered/);
    const before = `{${GRAPH}}:before:${first.summary.run}`;
    expect(await lab.query('MATCH (n) RETURN labels(n)', before)).toEqual([['[Precious]']]);
    await lab.removePoints([NEW_POINT]);
    await rollback(first.summary.run, '--confirm', GRAPH);
    expect(await lab.differences(damaged.graph)).toEqual([]);
  });
});

it('a swap overwrites nothing that is kept', async () => {
  await damage('graph-empty', PRECIOUS);
  let key = '';
  let kept: Promise<unknown> = Promise.resolve();
  const run = await lab.recover(['rebuild-graph'], {
    onEvent: (event) => {
      if ('run' in event && typeof event.run === 'string') key = `{${GRAPH}}:before:${event.run}`;
      if (event.type === 'step.started' && event.step === 'stage-nodes') kept = lab.redis('SET', key, 'kept');
    },
  });
  await kept;
  expect(run.summary.failure).toMatchObject({ code: 'kept-graph-there' });
  expect(await lab.redis('GET', key)).toBe('kept');
  await expectAsDamaged();
});

describe('a rollback loses nothing that came later', () => {
  it('leaves a graph alone that the run perhaps never made', async () => {
    await damage('graph-lost');
    const run = await lab.recover(['rebuild-graph']);
    forgetDone(run, 'graph-swap');
    await lab.redis('DEL', GRAPH, `{${GRAPH}}:lifeboat-current`);
    await lab.query(PRECIOUS);
    const undone = await rollback(run.summary.run, '--confirm', GRAPH);
    expect([undone.exitCode, undone.stdout]).toEqual([0, expect.stringContaining('is left as it is')]);
    expect(await lab.value('MATCH (n:Precious) RETURN count(n)')).toBe(1);
  });

  it('leaves a collection alone that the run perhaps never made', async () => {
    await damage('vectors-lost');
    const run = await lab.recover(['reembed-vectors']);
    forgetDone(run, 'collection-create');
    const points = await pointCount();
    const undone = await rollback(run.summary.run, '--confirm', GRAPH);
    expect([undone.exitCode, undone.stdout]).toEqual([0, expect.stringContaining('is left as it is')]);
    expect(await pointCount()).toBe(points);
  });

  it('deletes a collection with newer points only when told so', async () => {
    await damage('vectors-lost');
    const { run } = (await lab.recover(['reembed-vectors'])).summary;
    await upsertNew();
    const refused = await rollback(run, '--confirm', GRAPH);
    expect(refused.failure).toMatchObject({ code: 'newer-points', exitCode: 2 });
    expect(refused.failure?.message).toContain('1 points that came after the run');
    expect((await rollback(run, '--confirm', GRAPH, '--discard-newer')).exitCode).toBe(0);
    await expectAsDamaged();
  });

  it('keeps the points of now in a snapshot, and forgetting says how much goes with the graph', async () => {
    await damage('graph-empty');
    const { run } = (await lab.recover(['restore-backup'])).summary;
    await upsertNew();
    const snapshots = (): Promise<unknown[]> => lab.qdrant('GET', `/collections/${GRAPH}/snapshots`);
    const before = (await snapshots()).length;
    const undone = await rollback(run, '--confirm', GRAPH);
    expect(undone.stdout).toMatch(/What the stores received since[^]*until now is kept as the snapshot/);
    expect(await snapshots()).toHaveLength(before + 1);
    const asked = await forget(run);
    expect(asked.failure?.hint).toMatch(/holds \d+ nodes, \d+ of them memories: it goes too/);
    await forget(run, '--confirm', GRAPH);
    expect(await snapshots()).toHaveLength(before - 1);
  });

  it('goes from the newest run to the oldest', async () => {
    await damage('graph-empty', PRECIOUS);
    const older = (await lab.recover(['rebuild-graph'])).summary.run;
    const newer = (await lab.recover(['rebuild-graph'])).summary.run;
    const refused = await rollback(older, '--confirm', GRAPH);
    expect(refused.failure).toMatchObject({ code: 'newer-run', exitCode: 2 });
    expect(refused.failure?.hint).toContain(`rollback ${newer}`);
    for (const run of [newer, older]) expect((await rollback(run, '--confirm', GRAPH)).exitCode).toBe(0);
    await expectAsDamaged();
  });

  it('that stops halfway says so, shows so, and goes on', async () => {
    await damage('graph-empty', PRECIOUS);
    const { run } = (await lab.recover(['restore-backup'])).summary;
    const collectionOf = async (size: number): Promise<void> => {
      await lab.qdrant('DELETE', `/collections/${GRAPH}`);
      await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors: { size, distance: 'Cosine' } });
    };
    await collectionOf(16);
    const stopped = await rollback(run, '--confirm', GRAPH);
    expect(stopped.failure?.hint).toMatch(
      /not complete\. done: the graph[^]*Not undone: collection "memories"/,
    );
    expect((await lab.run(['runs', 'show', run])).stdout).toMatch(/rollback begun[^]*to undo the rest/);
    expect((await resume(run)).failure).toMatchObject({ code: 'run-not-resumable' });
    await collectionOf(8);
    expect((await rollback(run, '--confirm', GRAPH)).exitCode).toBe(0);
    expect([await lab.differences(damaged.graph), await pointCount()]).toEqual([
      [],
      damaged.vectors.points.size,
    ]);
  });
});

describe('runs list and show', () => {
  it('tell what each run was, what it changed and what can be done', async () => {
    await damage('graph-empty');
    const { summary } = await lab.recover();
    const list = await lab.run(['runs', 'list']);
    expect(list.stdout).toMatch(new RegExp(`${summary.run} .* rebuild-graph +recovered; can be rolled back`));
    const show = await lab.run(['runs', 'show', summary.run]);
    expect(show.stdout).toMatch(/done +promote-graph[^]*made +the graph "memories" was replaced/);
    const json = JSON.parse((await lab.run(['runs', 'show', summary.run, '--json'])).stdout) as object;
    expect(json).toMatchObject({
      run: summary.run,
      status: 'recovered',
      canRollBack: true,
      resumable: false,
    });
  });

  it('offer no resume of a repair that refused: nothing was begun', async () => {
    await damage('drift-60');
    const { summary } = await lab.run(['repair', '--json']);
    expect(summary).toMatchObject({ resumable: false, failure: { code: 'drift-too-large' } });
    for (const args of [['list'], ['show', summary.run]])
      expect((await lab.run(['runs', ...args])).stdout).not.toMatch(
        new RegExp(`${summary.run}.*(resumed|resume)`),
      );
    const record = JSON.parse((await lab.run(['runs', 'show', summary.run, '--json'])).stdout) as object;
    expect(record).toMatchObject({ status: 'failed', resumable: false });
    const refused = await resume(summary.run);
    expect(refused.failure?.message).toContain('it refused and changed nothing');
  });
});
