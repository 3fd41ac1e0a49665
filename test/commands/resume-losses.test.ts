import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GRAPH, Lab, payloadOf, type CommandRun } from '../support/lab.js';

let lab: Lab;

beforeEach(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 40 });
});

afterEach(async () => {
  await lab.stop();
});

/** As a run leaves its journal that is killed right after an entry: its last word and all that came later are missing. */
function forgetAfterEntry(run: string, text: string): void {
  const path = join(String(lab.env['LIFEBOAT_STATE']), 'runs', run, 'journal.ndjson');
  const lines = readFileSync(path, 'utf8').split('\n');
  const last = lines.findIndex((line) => line.includes(text));
  expect(last).toBeGreaterThan(0);
  writeFileSync(path, `${lines.slice(0, last + 1).join('\n')}\n`);
}

const forgetAfter = (run: string, step: string): void =>
  forgetAfterEntry(run, `"step":"${step}","phase":"done"`);

const resume = (run: string): Promise<CommandRun> =>
  lab.run(['runs', 'resume', run, '--confirm', GRAPH, '--json']);

describe('a run that is killed and goes on', () => {
  it('still tells what was lost and salvaged before, although it meets none of it again', async () => {
    const times = { timestamp: '2026-10-10T10:00:00+00:00', updated_at: '2026-10-10T10:00:00+00:00' };
    const odd = { ...times, importance: 'very', list: [1, null] };
    await lab.upsert(
      [1, 2].map((at) => ({
        id: `0a000000-0000-4000-8000-00000000000${at}`,
        payload: payloadOf(`orphan ${at}`, odd),
      })),
    );
    const straight = await lab.run(['repair', '--always', '--backup', 'none', '--json']);
    const { losses, salvaged, run } = straight.summary;
    expect(straight.exitCode).toBe(3);
    expect(losses).toHaveLength(1);
    expect(salvaged).toBeGreaterThan(0);
    forgetAfter(run, 'repair-graph');
    const resumed = await resume(run);
    expect(resumed.exitCode).toBe(3);
    expect(resumed.summary).toMatchObject({ losses, salvaged });
    expect(resumed.records('salvage')).toHaveLength(salvaged);
  });

  it('still tells a loss of a step that did not come to its end', async () => {
    await lab.upsert([{ id: '0a000000-0000-4000-8000-000000000001', payload: payloadOf('orphan') }]);
    const straight = await lab.run(['repair', '--always', '--backup', 'none', '--json']);
    const { losses, run } = straight.summary;
    expect(losses).toEqual([expect.stringContaining('no backup to take relationships from')]);
    // The memory is back and owed nothing more: nobody meets the loss a second time.
    forgetAfterEntry(run, '"entry":"losses"');
    const resumed = await resume(run);
    expect(resumed.exitCode).toBe(3);
    expect(resumed.summary).toMatchObject({ outcome: 'recovered-with-losses', losses });
  });

  it('keeps what it put aside, and does not put the same aside twice', async () => {
    lab.editBackup(({ nodes }) => {
      const free = Math.max(...nodes.map((node) => node.id)) + 1;
      // Two that nothing tells apart are two all the same.
      for (const at of [0, 1])
        nodes.push({ id: free + at, labels: ['Note'], properties: { map: { not: 'storable' }, kept: 1 } });
    });
    await lab.damage('graph-empty');
    const straight = await lab.recover(['rebuild-graph']);
    const { quarantined, run } = straight.summary;
    expect(quarantined).toBe(2);
    for (const step of ['recount', 'stage-nodes']) {
      // Before the swap, the live graph is still the damaged one.
      if (step === 'stage-nodes') await lab.damage('graph-empty');
      forgetAfter(run, step);
      const resumed = await resume(run);
      expect([step, resumed.exitCode, resumed.summary.quarantined]).toEqual([step, 3, 2]);
      expect(resumed.records('quarantine')).toHaveLength(2);
    }
  });
});
