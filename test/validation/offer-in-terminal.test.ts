import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { GRAPH, Lab, payloadOf } from '../support/lab.js';
import { openTerminal, type RealTerminal } from '../ui/real-terminal.js';
import { CLI } from '../support/cli.js';

const LIFEBOAT = [CLI];
const NEW = '0e000000-0000-4000-8000-000000000001';
const ESCAPE = '\u001B';
/** The program starts from its sources, on a machine that may be busy. */
const STARTED_MS = 60_000;

let lab: Lab;
let before: GraphSnapshot;
let terminal: RealTerminal;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
  before = await lab.snapshot();
});

afterAll(async () => {
  await before.close();
  await lab.stop();
});

/** Drifted in two ways: a memory that only Qdrant holds, and no relationship left. */
beforeEach(async () => {
  await lab.reset();
  await lab.upsert([{ id: NEW, payload: payloadOf('only in Qdrant') }]);
  await lab.query('MATCH ()-[r]->() DELETE r');
  const env = { ...lab.env, LANG: 'C.UTF-8', LC_ALL: '' };
  terminal = openTerminal({ columns: 100, rows: 30, program: LIFEBOAT, args: ['validate'], env });
  await terminal.shows('MEND?', STARTED_MS);
});

afterEach(() => terminal.close());

function runs(): string[] {
  const folder = join(lab.folder, 'state', 'runs');
  return existsSync(folder) ? readdirSync(folder) : [];
}

describe('a validation in a terminal that fails', { timeout: 120_000 }, () => {
  it('offers to mend; declined, everything stays as it was', async () => {
    const points = await lab.points();
    const graph = await lab.snapshot();
    try {
      expect(terminal.screen()).toContain('f mend');
      terminal.type(ESCAPE);
      expect(await terminal.ended()).toBe(3);
      expect(await lab.differences(graph)).toEqual([]);
      expect(await lab.points()).toBe(points);
      expect(await lab.leftovers()).toEqual([]);
      expect(runs()).toEqual([]);
      expect(terminal.everything().join('\n')).toContain('lifeboat validate --fix');
    } finally {
      await graph.close();
    }
  });

  it('mends what it found where that is accepted, and checks again', async () => {
    terminal.type('f');
    expect(await terminal.ended()).toBe(0);
    const text = terminal.everything().join('\n');
    expect(text).toMatch(/All 5 checks passed/);
    expect(text).not.toMatch(/bug in Lifeboat|^\s+at .*:\d+:\d+/m);
    expect(await lab.node(NEW)).toMatchObject({ content: 'only in Qdrant' });
    const differences = await lab.differences(before);
    expect(differences.slice(1)).toEqual([`node-extra :Memory "${NEW}"`]);
    // It can be undone, as what a command with --fix does.
    const [run = ''] = runs();
    expect((await lab.run(['runs', 'show', run])).stdout).toMatch(/validate/);
    await lab.run(['runs', 'rollback', run, '--confirm', GRAPH]);
    expect(await lab.value('MATCH ()-[r]->() RETURN count(r)')).toBe(0);
  });
});
