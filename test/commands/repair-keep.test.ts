import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { listRuns } from '../../src/recovery/run-state.js';
import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';
import { startProxy } from '../support/proxy.js';

let lab: Lab;
let orphans = 0;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 40 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

/** A repair that changes something, and so keeps both stores as they were: it brings one memory back and changes another. */
async function repair(args: string[] = [], env: Record<string, string> = {}): Promise<CommandRun> {
  orphans++;
  const id = `0a000000-0000-4000-8000-${String(orphans).padStart(12, '0')}`;
  await lab.upsert([{ id, payload: payloadOf(`orphan ${orphans}`) }]);
  await lab.query(`MATCH (m:Memory) WITH m LIMIT 1 SET m.importance = ${orphans}.5`);
  return lab.run(['repair', '--always', '--json', ...args], { env });
}

const snapshots = async (): Promise<string[]> =>
  (await lab.qdrant<{ name: string }[]>('GET', `/collections/${GRAPH}/snapshots`)).map(({ name }) => name);

const copies = async (): Promise<string[]> =>
  (await lab.leftovers()).filter((key) => key.includes(':before:')).map((key) => key.split(':').at(-1) ?? '');

const statusOf = (run: string): string | undefined =>
  listRuns(String(lab.env['LIFEBOAT_STATE'])).find(({ header }) => header.run === run)?.status;

const noticesOf = ({ events }: CommandRun): string[] =>
  events.flatMap((event) =>
    event.type === 'notice' && event.message.includes('older') ? [event.message] : [],
  );

describe('repair --keep', () => {
  it('lets go of what older repairs keep, but for the newest ones, and says so before the summary', async () => {
    const before = (await snapshots()).length;
    const runs: string[] = [];
    for (let count = 0; count < 3; count++) {
      const run = await repair(['--keep', '2']);
      expect([run.summary.outcome, noticesOf(run)]).toEqual(['recovered', []]);
      runs.push(run.summary.run);
    }
    const last = await repair(['--keep', '1']);
    expect(noticesOf(last)).toEqual([expect.stringContaining(`(${runs[1]}, ${runs[0]})`)]);
    expect(last.events.at(-1)?.type).toBe('summary');
    expect(await copies()).toEqual([runs[2], last.summary.run].sort());
    expect(await snapshots()).toHaveLength(before + 2);
    expect(runs.map(statusOf)).toEqual(['forgotten', 'forgotten', 'recovered']);
    // What stays can be undone.
    for (const run of [last.summary.run, runs[2] ?? ''])
      expect((await lab.run(['runs', 'rollback', run, '--confirm', GRAPH])).exitCode).toBe(0);
  });

  it('0 keeps only what was there before this one', async () => {
    await repair();
    const { summary } = await repair(['--keep', '0']);
    expect(await copies()).toEqual([summary.run]);
  });

  it('leaves runs of another kind alone, those that can go on, and those that were rolled back', async () => {
    const undone = (await repair()).summary.run;
    await lab.run(['runs', 'rollback', undone, '--confirm', GRAPH]);
    const restored = (await lab.recover(['restore-backup'])).summary.run;
    const stopped = await stoppedRepair();
    const { summary } = await repair(['--keep', '0']);
    expect(await copies()).toEqual([restored, stopped, summary.run].sort());
    expect(await lab.leftovers()).toContain(`{${GRAPH}}:undone:${undone}`);
  });

  it('leaves what is kept where not everything was repaired', async () => {
    const first = (await repair()).summary.run;
    const { summary } = await repair(['--keep', '0', '--backup', 'none']);
    expect(summary.outcome).toBe('recovered-with-losses');
    expect(await copies()).toEqual([first, summary.run].sort());
  });

  it('is as it was told to be also where the repair was resumed', async () => {
    await repair();
    const stopped = await stoppedRepair('--keep', '0');
    const resumed = await lab.run(['runs', 'resume', stopped, '--json']);
    expect(resumed.summary.outcome).toBe('recovered');
    expect(await copies()).toEqual([stopped]);
  });

  it('does not fail where what is kept cannot be let go of', async () => {
    const { hostname: host, port } = new URL(lab.engines.vectors.url);
    const proxy = await startProxy({ host, port: Number(port) });
    const env = { QDRANT_URL: `http://${proxy.host}:${proxy.port}` };
    const first = (await repair([], env)).summary.run;
    proxy.when(/DELETE .*snapshots/, () => {
      proxy.cut();
      return undefined;
    });
    const run = await repair(['--keep', '0'], env);
    expect([run.exitCode, run.summary.outcome]).toEqual([0, 'recovered']);
    expect(noticesOf(run)).toEqual([expect.stringContaining(`lifeboat runs forget ${first} --confirm`)]);
    expect(statusOf(first)).toBe('recovered');
    await proxy.stop();
    // The same stores under another name are not known to be the same.
    const { summary } = await repair(['--keep', '0']);
    expect(await copies()).toEqual([run.summary.run, summary.run].sort());
  });

  it.each(['-1', '1.5', 'many', ''])('refuses %j', async (keep) => {
    await expect(lab.run(['repair', '--keep', keep])).rejects.toThrow(/whole number/);
  });
});

/** A repair that was stopped after it had kept both stores. */
async function stoppedRepair(...args: string[]): Promise<string> {
  orphans++;
  const id = `0a000000-0000-4000-8000-${String(orphans).padStart(12, '0')}`;
  await lab.upsert([{ id, payload: payloadOf(`orphan ${orphans}`) }]);
  const { summary } = await lab.run(['repair', '--always', '--json', ...args], {
    onEvent: (event, context) => {
      if (event.type === 'step.finished' && event.step === 'safeguard-stores') context.interrupt();
    },
  });
  expect(summary.outcome).toBe('interrupted');
  return summary.run;
}
