import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { GRAPH, Lab, type CommandRun } from '../support/lab.js';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start({ aof: true });
  await lab.fill({ memories: 120 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

/** Stops a recovery at the first event that says so. */
function stoppedAt(step: string, args: string[] = []): Promise<CommandRun> {
  return lab.recover(args, {
    onEvent: (event, context) => {
      if (event.type === 'step.started' && event.step === step) context.interrupt();
    },
  });
}

const resume = (run: string, ...args: string[]): Promise<CommandRun> =>
  lab.run(['runs', 'resume', run, '--json', ...args]);

describe('a run that goes on', () => {
  it('refuses where another recovery brought the stores back meanwhile', async () => {
    await lab.damage('both-lost');
    const first = await stoppedAt('stage-nodes');
    expect(first.summary).toMatchObject({ outcome: 'interrupted', resumable: true });
    const second = await lab.recover();
    const [told] = second.events.flatMap((event) => (event.type === 'finding' ? [event.finding] : []));
    expect(told).toMatchObject({
      severity: 'warning',
      code: 'run-waits',
      action: `To continue the run that waits: lifeboat runs resume ${first.summary.run}`,
    });
    expect([0, 5]).toContain(second.exitCode);
    await lab.query("CREATE (:Memory {id: '0a000000-0000-4000-8000-00000000000f', content: 'newer'})");
    const live = await lab.snapshot();
    const again = await resume(first.summary.run);
    expect(again.summary.failure).toMatchObject({ code: 'stores-changed-since' });
    expect(again.exitCode).toBe(2);
    expect(await lab.differences(live)).toEqual([]);
    await live.close();
  });

  it('goes on where the service only wrote a few memories meanwhile', async () => {
    await lab.damage('graph-lost');
    const first = await stoppedAt('stage-nodes');
    await lab.query("CREATE (:Memory {id: '0a000000-0000-4000-8000-00000000000f', content: 'newer'})");
    const again = await resume(first.summary.run);
    expect(again.summary.outcome).not.toBe('failed');
    expect(await lab.value("MATCH (m:Memory {content: 'newer'}) RETURN count(m)")).toBe(1);
  });

  it('is not touched by a second operator while its lease is held', async () => {
    await lab.damage('graph-lost');
    const first = await stoppedAt('stage-nodes');
    const folder = join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs', first.summary.run);
    const contents = (): string[] =>
      readdirSync(folder).map((name) => `${name} ${readFileSync(join(folder, name), 'utf8')}`);
    const record = {
      run: 'another-run',
      command: 'recover',
      owner: 'someone@elsewhere',
      host: 'elsewhere',
      pid: 1,
      processStarted: null,
      processSpace: null,
      since: new Date().toISOString(),
      heartbeat: new Date().toISOString(),
      ttlSeconds: 30,
      token: Date.now() + 1_000_000,
    };
    await lab.redis('SET', `{${GRAPH}}:lifeboat-lease`, JSON.stringify(record), 'PX', 30_000);
    const before = contents();
    const refused = await resume(first.summary.run);
    expect(refused.summary.failure).toMatchObject({ code: 'lease-held' });
    expect(refused.exitCode).toBe(11);
    expect(contents()).toEqual(before);
    await lab.redis('DEL', `{${GRAPH}}:lifeboat-lease`);
  });
});

describe('the time objective', () => {
  it('counts from the beginning of the run, not of the process that ends it', async () => {
    await lab.damage('graph-lost');
    const first = await stoppedAt('stage-nodes');
    const path = join(lab.env['LIFEBOAT_STATE'] ?? '', 'runs', first.summary.run, 'journal.ndjson');
    const [header = '', ...rest] = readFileSync(path, 'utf8').split('\n');
    const anHourAgo = new Date(Date.now() - 3_600_000).toISOString();
    const begun = JSON.stringify({ ...(JSON.parse(header) as object), time: anHourAgo });
    writeFileSync(path, [begun, ...rest].join('\n'));
    const { summary, exitCode } = await resume(first.summary.run);
    expect(summary.rto?.met).toBe(false);
    expect(summary.rto?.measuredSeconds).toBeGreaterThan(3_590);
    expect(exitCode).toBe(5);
  });
});

describe('Ctrl-C after the swap', () => {
  it('ends the run after the step in hand, and the run goes on from there', async () => {
    const before = await lab.snapshot();
    await lab.damage('both-lost');
    const stopped = await stoppedAt('restore-vectors');
    expect(stopped.exitCode).toBe(130);
    const steps = stopped.events.flatMap((event) => (event.type === 'step.started' ? [event.step] : []));
    expect(steps.at(-1)).toBe('restore-vectors');
    const again = await resume(stopped.summary.run);
    expect([0, 5]).toContain(again.exitCode);
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });
});

describe('a dry run of half a backup', () => {
  it.each([
    ['vectors', 'restore-graph'],
    ['graph', 'restore-vectors'],
  ] as const)('without its %s half shows what %s would do', async (half, plan) => {
    lab.removeBackup(half);
    await lab.damage('both-lost');
    const run = await lab.run(['recover', '--dry-run', '--json']);
    expect(run.summary).toMatchObject({ plan, outcome: 'dry-run', exitCode: 0 });
    expect(await lab.leftovers()).toEqual([]);
  });
});

describe('a repair through recover', () => {
  it('is confirmed like every other change', async () => {
    await lab.damage('drift-20');
    const run = await lab.run(['recover', '--json']);
    expect(run.summary.failure).toMatchObject({ code: 'not-confirmed' });
    expect(run.exitCode).toBe(2);
  });
});
