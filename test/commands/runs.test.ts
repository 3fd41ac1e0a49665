import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { readVectors, compareVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, type CommandRun } from '../support/lab.js';

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

async function damage(scenario: string): Promise<void> {
  await lab.damage(scenario);
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
    const forgotten = await forget(summary.run, '--confirm', GRAPH);
    expect(forgotten.exitCode).toBe(0);
    expect(await lab.leftovers()).toEqual([]);
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
    // A collection of another size stands in the way.
    await lab.qdrant('PUT', `/collections/${GRAPH}`, { vectors: { size: 4, distance: 'Cosine' } });
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
});
