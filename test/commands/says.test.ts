import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { BUILT_IN_PLANS } from '../../src/commands/built-in-plans.js';
import { planFolders } from '../../src/commands/recover.js';
import { loadPlans } from '../../src/plans/load.js';
import { STEPS } from '../../src/steps/registry.js';
import { GRAPH, Lab } from '../support/lab.js';
import { openTerminal, type RealTerminal } from '../ui/real-terminal.js';
import { CLI } from '../support/cli.js';

let lab: Lab;
let terminal: RealTerminal | null = null;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
});

afterAll(() => lab.stop());

beforeEach(() => lab.reset());

afterEach(() => {
  terminal?.close();
  terminal = null;
});

function inTerminal(args: string[]): RealTerminal {
  const env = { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', TERM: 'xterm-256color', ...lab.env };
  const program = [CLI];
  terminal = openTerminal({ columns: 80, rows: 24, program, args, env });
  return terminal;
}

describe('recover', () => {
  it('lists in its help the plans that there are', async () => {
    const plans = await loadPlans(planFolders(undefined, { cwd: '/' }), new Set(STEPS.keys()));
    const titles = Object.fromEntries(plans.map(({ name, title }) => [name, title]));
    expect(BUILT_IN_PLANS).toEqual(titles);
  });

  it('says once and shortly why no plan fits, and what can be looked at', async () => {
    await lab.damage('both-lost');
    const { stdout, exitCode } = await lab.run(['recover', '--backup', 'none']);
    expect(exitCode).toBe(4);
    expect(stdout.match(/there is no usable backup/g)).toHaveLength(1);
    expect(stdout).toContain(
      'none fits by itself, since the graph is lost, the vectors are lost, there is no backup to use',
    );
    expect(stdout).toMatch(
      /^ {2}\d {2}To see what fresh-start would do: lifeboat recover fresh-start --dry-run$/m,
    );
  });

  it('asks nobody in a terminal who confirmed beforehand: the best plan is taken', async () => {
    await lab.damage('graph-lost');
    const opened = inTerminal(['recover', '--confirm', GRAPH]);
    await opened.shows('NEXT', 30_000);
    expect(await opened.ended()).toBe(0);
    expect(opened.everything().join('\n')).not.toMatch(/CHOOSE A PLAN|CONFIRM/);
    expect(await lab.keys()).toContain(GRAPH);
  });

  it('stops in a terminal where another graph was confirmed, before anybody chooses', async () => {
    await lab.damage('graph-lost');
    const opened = inTerminal(['recover', '--confirm', 'other']);
    await opened.shows(/--confirm other does not\s+name the graph/, 30_000);
    expect(await opened.ended()).toBe(2);
    expect(await lab.keys()).not.toContain(GRAPH);
  });
});

describe('repair', () => {
  it('tells of its one plan, and of the one that applies where it does not', async () => {
    const { stdout } = await lab.run(['repair']);
    expect(stdout.match(/ plan [a-z-]+:/g)).toEqual([' plan sync-drift:']);
    expect(stdout).not.toMatch(/not needed|on request/);
    await lab.damage('graph-lost');
    const { stdout: lost } = await lab.run(['repair']);
    expect(lost).not.toContain('plan healthy');
    expect(lost).toContain('Plans that apply: rebuild-graph.');
  });
});

describe('assess', () => {
  it('says that a run waits, until it has come to its end', async () => {
    await lab.damage('graph-lost');
    const stopped = await lab.recover([], {
      onEvent: (event, context) => {
        if (event.type === 'step.started' && event.step === 'stage-nodes') context.interrupt();
      },
    });
    const { run } = stopped.summary;
    const action = `To continue the run that waits: lifeboat runs resume ${run}`;
    const waiting = await lab.run(['assess']);
    expect(waiting.stdout).toContain(`The run ${run} (rebuild-graph, `);
    expect(waiting.stdout).toContain(`NEXT\n  1  ${action}\n`);
    expect((await lab.run(['assess'], { env: { FALKORDB_GRAPH: 'another' } })).stdout).not.toContain(run);
    expect((await lab.run(['runs', 'resume', run])).exitCode).toBe(0);
    expect((await lab.run(['assess'])).stdout).not.toContain(run);
  });

  it('says nothing of a run that a later one made up for', async () => {
    await lab.damage('graph-lost');
    const stopped = await lab.recover([], {
      onEvent: (event, context) => {
        if (event.type === 'step.started' && event.step === 'stage-nodes') context.interrupt();
      },
    });
    expect((await lab.recover()).exitCode).toBe(0);
    expect((await lab.run(['assess'])).stdout).not.toContain(stopped.summary.run);
  });

  it('--deep asks for no second comparison', async () => {
    const { stdout } = await lab.run(['assess', '--deep']);
    expect(stdout).toContain('To check relationships and search as well: lifeboat validate');
    expect(stdout).not.toMatch(/Compare the stores id by id|To compare the stores/);
  });
});
