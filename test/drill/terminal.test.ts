import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Summary } from '../../src/recovery/events.js';
import { openTerminal, type RealTerminal } from '../ui/real-terminal.js';
import { CLI } from '../support/cli.js';

const LIFEBOAT = [CLI];
const DRILL = ['drill', '--memories', '300', '--dim', '16'];
/** Long enough to be stopped in the middle of it. */
const LONG_DRILL = ['drill', '--memories', '2500', '--dim', '16'];
const ENTER = '\r';
const ESCAPE = '\u001B';
const CTRL_C = '\u0003';
const DOWN = '\u001B[B';
/** Two engines start and are filled, on a machine that may be busy. */
const PREPARED_MS = 60_000;
const TEST_MS = 180_000;

let folder = '';
let terminal: RealTerminal | null = null;

beforeEach(() => {
  // Short: a path in the report must not be longer than a line of the terminal.
  folder = mkdtempSync(join(tmpdir(), 'd-'));
});
afterEach(() => {
  terminal?.close();
  terminal = null;
  rmSync(folder, { recursive: true, force: true });
});

/** Everything that a drill leaves goes into a folder of the test, and can so be found. */
function environment(): Record<string, string> {
  return { TMPDIR: folder, LIFEBOAT_STATE: join(folder, 'state'), LANG: 'C.UTF-8', LC_ALL: '' };
}

function open(args: string[], columns = 80, rows = 24): RealTerminal {
  terminal = openTerminal({ columns, rows, program: LIFEBOAT, args, env: environment() });
  return terminal;
}

interface Piped {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs it without a terminal. @param stopAt on the first stdout or stderr with this text, SIGINT is sent */
function pipe(args: string[], stopAt?: string): Promise<Piped> {
  const child = spawn(process.execPath, [...LIFEBOAT, ...args], {
    env: { ...process.env, ...environment() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Piped = { code: null, stdout: '', stderr: '' };
  let isStopped = false;
  const hear = (stream: 'stdout' | 'stderr') => (text: string) => {
    said[stream] += text;
    if (isStopped || stopAt === undefined || !said[stream].includes(stopAt)) return;
    isStopped = true;
    child.kill('SIGINT');
  };
  child.stdout.setEncoding('utf8').on('data', hear('stdout'));
  child.stderr.setEncoding('utf8').on('data', hear('stderr'));
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...said, code })));
}

/** The engines inherit TMPDIR; any process that has this test's is one that the drill started. */
function processesLeft(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(folder);
    } catch {
      return false;
    }
  });
}

async function expectNothingLeft(): Promise<void> {
  await expect.poll(processesLeft, { timeout: 5_000 }).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.startsWith('lifeboat-drill-'))).toEqual([]);
}

function expectGoodReport(text: string): void {
  for (const part of [
    'Recovered. All 5 checks passed.',
    'COMPARED WITH BEFORE THE DAMAGE',
    'This was a drill',
  ]) {
    expect(text).toContain(part);
  }
  expect(text).toMatch(
    /0 differences \(\d+ nodes, \d+ ?\n? *relationships, ?\n? *\d+ ?\n? *points ?\n? *before\)/,
  );
  expect(text).not.toMatch(/^\s+at .*:\d+:\d+/m);
}

describe('a drill in a real terminal', { timeout: TEST_MS }, () => {
  it('80×24: says what it does, asks, refuses a wrong name, goes back, recovers, compares', async () => {
    const drill = open(DRILL);
    await drill.shows('DRILL graph-lost', PREPARED_MS);
    await drill.shows('CHOOSE A PLAN', PREPARED_MS);
    expect(drill.screen()).toMatch(/✓ 1 Assess {2}› 2 Plan {2}3 Execute/);
    expect(drill.screen()).toContain('› rebuild-graph');
    drill.type(DOWN + ENTER);
    await drill.shows('healthy does not apply');
    drill.type(`k${ENTER}`);
    await drill.shows('CONFIRM rebuild-graph');
    drill.type(ESCAPE);
    await drill.shows('CHOOSE A PLAN');
    drill.type(ENTER);
    await drill.shows('CONFIRM rebuild-graph');
    drill.type(`memory${ENTER}`);
    await drill.shows('"memory" is not "memories". Nothing was changed.');
    drill.type(`memories${ENTER}`);
    expect(await drill.ended()).toBe(0);
    const text = drill.everything().join('\n');
    expectGoodReport(text);
    expect(text).toContain('Nothing of yours is touched.');
    expect(text).toContain('damage: deleted the graph memories');
    for (const step of ['Prove the source', 'Stage nodes', 'Promote the new graph', 'Count again']) {
      expect(text.split('\n').filter((line) => line.startsWith(`✓ ${step}`))).toHaveLength(1);
    }
    expect(drill.wrapped()).toEqual([]);
    expect(drill.raw()).not.toContain('\u001B[3J');
    await expectNothingLeft();
    // What is told of the run outlives the drill.
    const report = /report {2,}(\S+)/.exec(text)?.[1] ?? '';
    expect(existsSync(join(folder, 'state', 'runs')), report).toBe(true);
  });

  it('40×20, made wider in the middle', async () => {
    const drill = open(DRILL, 40, 20);
    await drill.shows('CHOOSE A PLAN', PREPARED_MS);
    expect(drill.screen()).toContain('✓1 › 2 Plan 3 4 5');
    expect(drill.wrapped()).toEqual([]);
    drill.type(ENTER);
    await drill.shows('Type memories to confirm:');
    await drill.resize(80, 24);
    await drill.shows('Type memories to confirm, Esc to go back:');
    expect(drill.screen().match(/^RTO/gm)).toHaveLength(1);
    drill.type(`memories${ENTER}`);
    expect(await drill.ended()).toBe(0);
    expectGoodReport(drill.everything().join('\n'));
    await expectNothingLeft();
  });

  it('Esc at the plans leaves', async () => {
    const drill = open(DRILL);
    await drill.shows('CHOOSE A PLAN', PREPARED_MS);
    drill.type(ESCAPE);
    expect(await drill.ended()).toBe(130);
    expect(drill.everything().join('\n')).toContain('– Cancelled. Nothing was changed.');
    await expectNothingLeft();
  });
});

describe('Ctrl-C', { timeout: TEST_MS }, () => {
  const confirm = async (drill: RealTerminal): Promise<void> => {
    await drill.shows('CHOOSE A PLAN', PREPARED_MS);
    drill.type(ENTER);
    await drill.shows('Type memories to confirm');
  };
  const execute = async (drill: RealTerminal): Promise<void> => {
    await confirm(drill);
    drill.type(`memories${ENTER}`);
    await drill.shows('EXECUTE rebuild-graph   step');
  };

  it.each([
    [
      'while the stores are filled',
      LONG_DRILL,
      async (drill: RealTerminal) => drill.shows('filling both stores', PREPARED_MS),
      'Stopped.',
    ],
    [
      'at the plans',
      DRILL,
      async (drill: RealTerminal) => drill.shows('CHOOSE A PLAN', PREPARED_MS),
      '! Interrupted.',
    ],
    ['at the confirmation', DRILL, confirm, '! Interrupted.'],
    ['in a step, which ends first', LONG_DRILL, execute, '! Interrupted.'],
  ] as const)('%s: exit 130, nothing is left', async (_, args, reach, said) => {
    const drill = open(args);
    await reach(drill);
    drill.type(CTRL_C);
    const code = await drill.ended();
    const text = drill.everything().join('\n');
    expect(code, text).toBe(130);
    expect(text).toContain(said);
    expect(text).not.toMatch(/bug in Lifeboat|^\s+at .*:\d+:\d+/m);
    expect(drill.raw().lastIndexOf('\u001B[?25h')).toBeGreaterThanOrEqual(
      drill.raw().lastIndexOf('\u001B[?25l'),
    );
    await expectNothingLeft();
  });

  it('twice in a step: it does not wait', async () => {
    const drill = open(LONG_DRILL);
    await execute(drill);
    drill.type(CTRL_C + CTRL_C);
    expect(await drill.ended()).toBe(130);
    expect(drill.everything().join('\n')).toMatch(/✗ .*: stopped by the operator/);
    await expectNothingLeft();
  });
});

describe('a drill in a pipe', { timeout: TEST_MS }, () => {
  it('runs through without a question and without cursor movement', async () => {
    const { code, stdout, stderr } = await pipe(DRILL);
    expect(stderr).toContain('DRILL graph-lost');
    expect(stderr).toContain('damage: deleted the graph memories');
    expectGoodReport(stdout);
    expect(stdout + stderr).not.toContain('\u001B');
    expect(code).toBe(0);
    await expectNothingLeft();
  });

  it('an emptied graph comes back too; with --json each line is JSON, the last one the summary', async () => {
    const { code, stdout } = await pipe([...DRILL, '--scenario', 'graph-empty', '--json']);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events[0]).toMatchObject({ type: 'run.started', command: 'drill' });
    expect(events.filter(({ type }) => type === 'comparison')).toHaveLength(1);
    const summary = events.at(-1) as Summary;
    expect(summary).toMatchObject({
      type: 'summary',
      outcome: 'recovered',
      exitCode: 0,
      assessment: { graph: { state: 'empty' } },
      comparison: { equal: true, differences: 0 },
    });
    expect(code).toBe(0);
    await expectNothingLeft();
  });

  it('stops at SIGINT after the step in hand, and says so on its last lines', async () => {
    const { code, stdout } = await pipe(LONG_DRILL, 'step 1/9');
    expect(stdout).toContain('stopping after this step; again to abort now');
    expect(stdout).toContain('WARNING Interrupted. Both stores are as they were.');
    expect(code).toBe(130);
    await expectNothingLeft();
  });

  it('a number that cannot be is refused before an engine starts', async () => {
    const { code, stdout, stderr } = await pipe(['drill', '--dim', '5000']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('It must be a whole number from 2 to 4096.');
  });
});
