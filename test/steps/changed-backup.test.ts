import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { backupPaths } from '../../src/sandbox/fill-backup.js';
import { BackupSource } from '../../src/steps/node-source.js';
import { localArchive } from '../../src/stores/archive/local-archive.js';
import type { TestContext } from '../support/context.js';
import { GRAPH, Lab, TIMESTAMP, type CommandRun, type RunOptions } from '../support/lab.js';

let lab: Lab;
let before: GraphSnapshot;
let points: string;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
  points = await lab.points();
});

afterAll(async () => {
  await before.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

/** Another sound graph half, of which most memories are gone. */
function shrink(): void {
  lab.editBackup((backup) => {
    backup.nodes = backup.nodes.slice(0, 40);
    const ids = new Set(backup.nodes.map(({ id }) => id));
    backup.relationships = backup.relationships.filter(
      ({ source_id, target_id }) => ids.has(source_id) && ids.has(target_id),
    );
  });
}

/** Acts once, when a step is done. */
const after = (step: string, act: (context: TestContext) => void): RunOptions => {
  let isDone = false;
  return {
    onEvent: (event, context) => {
      if (isDone || event.type !== 'step.finished' || event.step !== step) return;
      isDone = true;
      act(context);
    },
  };
};

function expectRefused(run: CommandRun, exitCode = 1): void {
  expect(run.exitCode).toBe(exitCode);
  expect(run.summary).toMatchObject({ outcome: 'failed', failure: { code: 'backup-changed' } });
  expect(run.summary.failure?.hint).toMatch(/new run/);
}

describe('another file in the place of a backup', () => {
  it.each([
    ['restore-backup', 'verify-backup'],
    ['restore-backup', 'open-backup'],
    ['rebuild-graph', 'watch-writers'],
  ])('%s: after %s it is refused, and nothing is promoted', async (plan, step) => {
    await lab.damage('graph-empty');
    expectRefused(await lab.recover([plan], after(step, shrink)));
    expect(await lab.value('MATCH (n) RETURN count(n)')).toBe(0);
    expect(await lab.leftovers()).toEqual([]);
    expect(await lab.points()).toBe(points);
  });

  it('is refused of the vectors, too, before a point is written', async () => {
    await lab.damage('vectors-lost');
    // To the letter what it was, but written anew: only when it was changed tells it from another one.
    const spoil = (): void => {
      lab.writeBackup('vectors', lab.backupBytes('vectors'));
      utimesSync(backupPaths(lab.backups, TIMESTAMP).vectors, new Date(), new Date('2026-11-02'));
    };
    // The graph is live by then.
    expectRefused(await lab.recover(['restore-backup'], after('promote-graph', spoil)), 3);
    const { count } = await lab.qdrant<{ count: number }>('POST', `/collections/${GRAPH}/points/count`, {
      exact: true,
    });
    expect(count).toBe(0);
  });

  it('is refused by a run that goes on, which takes the earlier one once it is back', async () => {
    await lab.damage('graph-empty');
    const stopped = await lab.recover(
      ['restore-backup'],
      after('verify-backup', (context) => context.interrupt()),
    );
    expect(stopped.exitCode).toBe(130);
    const { graph } = backupPaths(lab.backups, TIMESTAMP);
    const [content, { atime, mtime }] = [readFileSync(graph), statSync(graph)];
    shrink();
    const resume = ['runs', 'resume', stopped.summary.run, '--json', '--confirm', GRAPH];
    expectRefused(await lab.run(resume));
    writeFileSync(graph, content);
    utimesSync(graph, atime, mtime);
    expect((await lab.run(resume)).summary.outcome).toBe('recovered');
    expect(await lab.differences(before)).toEqual([]);
  });

  it('is found by its records where nothing else tells', async () => {
    shrink();
    const { graph } = backupPaths(lab.backups, TIMESTAMP);
    const file = { path: graph.slice(lab.backups.length + 1), bytes: statSync(graph).size };
    const read = async (nodes: number, relationships: number): Promise<void> => {
      const source = new BackupSource(localArchive(lab.backups), file, GRAPH, { nodes, relationships });
      for await (const page of source.nodes(() => undefined)) expect(page.length).toBeGreaterThan(0);
      for await (const page of source.relationships(() => undefined)) expect(page.length).toBeGreaterThan(0);
    };
    const { stats } = JSON.parse(gunzipSync(readFileSync(graph)).toString()) as {
      stats: { node_count: number; relationship_count: number };
    };
    await read(stats.node_count, stats.relationship_count);
    await expect(read(41, stats.relationship_count)).rejects.toMatchObject({ code: 'backup-changed' });
    await expect(read(40, stats.relationship_count + 1)).rejects.toMatchObject({ code: 'backup-changed' });
  });
});
