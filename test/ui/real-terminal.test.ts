import { afterEach, describe, expect, it } from 'vitest';
import { openTerminal, type RealTerminal, type RealTerminalOptions } from './real-terminal.js';

const ENTER = '\r';
const ESCAPE = '\u001B';
const CTRL_C = '\u0003';
const DOWN = '\u001B[B';

let opened: RealTerminal | null = null;
function open(options: Partial<RealTerminalOptions> = {}): RealTerminal {
  opened = openTerminal({ columns: 80, rows: 24, args: ['8'], ...options });
  return opened;
}
afterEach(() => {
  opened?.close();
  opened = null;
});

async function toExecution(terminal: RealTerminal): Promise<void> {
  await terminal.shows('CHOOSE A PLAN');
  terminal.type(ENTER);
  await terminal.shows('Type memories to confirm');
  terminal.type(`memories${ENTER}`);
  await terminal.shows('EXECUTE');
}

/** What the controls of the run were told, in order. */
function told(terminal: RealTerminal): string[] {
  return terminal.everything().flatMap((line) => /^told: (.*)$/.exec(line)?.[1] ?? []);
}

/** The parts of the report that must be in the scrollback after every good run. */
function expectReport(terminal: RealTerminal): void {
  const text = terminal.everything().join('\n');
  expect(text.match(/^REPORT recover run-7f3a$/gm)).toHaveLength(1);
  for (const part of [
    'Recovered, with losses.',
    'CHECKS',
    'Embedding coverage',
    'RECORDS',
    'FILES',
    'NEXT',
  ]) {
    expect(text).toContain(part);
  }
}

describe('a run in a real terminal of 80×24', () => {
  it('goes from the assessment to the report: another plan, back, a wrong name, the right one', async () => {
    const terminal = open();
    await terminal.shows('CHOOSE A PLAN');
    expect(terminal.screen()).toContain('✓ 1 Assess  › 2 Plan  3 Execute');
    expect(terminal.screen()).toMatch(/RTO 5:00 {3}elapsed 0:0\d {3}left (5:00|4:5\d)/);
    for (const plan of [
      '› rebuild-graph',
      'restore-backup',
      '× reembed-vectors',
      '× healthy',
      '× fresh-start',
    ]) {
      expect(terminal.screen()).toContain(plan);
    }
    expect(terminal.screen()).toContain('There is no graph to compare the vectors with.');
    terminal.type(DOWN + DOWN + ENTER);
    await terminal.shows('reembed-vectors does not apply: Not needed');
    terminal.type(`k${ENTER}`);
    await terminal.shows('CONFIRM restore-backup');
    expect(terminal.screen()).toContain('4h12 of writes');
    terminal.type(ESCAPE);
    await terminal.shows('› restore-backup');
    terminal.type(`k${ENTER}`);
    await terminal.shows('CONFIRM rebuild-graph');
    terminal.type(`memorx${ENTER}`);
    await terminal.shows('"memorx" is not "memories". Nothing was changed.');
    terminal.type('memorx\u007F');
    await terminal.shows('go back: memor█');
    terminal.type(`ies${ENTER}`);
    await terminal.shows(/EXECUTE rebuild-graph {3}step \d of 7/);
    await terminal.shows(/\d,\d00 of 10,000 memories, 4,800\/s, about/);
    await terminal.shows('VALIDATE');
    await terminal.shows('MENDING');
    expect(await terminal.ended()).toBe(3);
    expectReport(terminal);
    expect(told(terminal)).toEqual([
      'choose restore-backup',
      'back',
      'choose rebuild-graph',
      'confirm memorx',
      'confirm memories',
    ]);
    expect(terminal.screen()).not.toContain('Ctrl-C');
    expect(terminal.wrapped()).toEqual([]);
  });

  it('never wipes the scrollback, tells each step once, and has no colour with NO_COLOR', async () => {
    const terminal = open({ args: ['8'], env: { NO_COLOR: '1' } });
    await toExecution(terminal);
    await terminal.ended();
    expect(terminal.raw()).not.toContain('\u001B[3J');
    expect(terminal.raw()).not.toContain('\u001B[2J');
    // eslint-disable-next-line no-control-regex
    expect(terminal.raw()).not.toMatch(/\u001B\[[0-9;]*m/);
    const steps = terminal
      .everything()
      .filter((line) => line.startsWith('✓ Write memories to the staging graph:'));
    expect(steps).toHaveLength(1);
  });

  it('colours what it shows, and gives the cursor back', async () => {
    const terminal = open();
    await terminal.shows('CHOOSE A PLAN');
    terminal.type(ESCAPE);
    await terminal.ended();
    expect(terminal.raw()).toContain('\u001B[32m✓');
    expect(terminal.raw().lastIndexOf('\u001B[?25h')).toBeGreaterThan(
      terminal.raw().lastIndexOf('\u001B[?25l'),
    );
  });
});

describe('what failed', () => {
  it('is mended when the person says so, after a step that waited for them', async () => {
    const terminal = open({ args: ['8', 'nine', 'offers'] });
    await terminal.shows('› sync-drift');
    terminal.type(`${DOWN}${ENTER}`);
    await terminal.shows('CONFIRM restore-volume');
    terminal.type(`memories${ENTER}`);
    await terminal.shows('waiting for');
    expect(terminal.screen()).toContain('3. Start the graph server again');
    await terminal.shows('MEND? round 1 of 3: bring to each store');
    expect(terminal.screen()).toContain('f mend · Enter/Esc report');
    terminal.type('f');
    expect(await terminal.ended()).toBe(3);
    expectReport(terminal);
    expect(terminal.everything().join('\n')).toContain('lifeboat runs rollback run-7f3a');
    expect(told(terminal).at(-1)).toBe('fix');
  });

  it.each([
    ['Enter', ENTER, 'cancel'],
    ['Ctrl-C', CTRL_C, 'interrupt'],
  ])('stays as it is after %s', async (_, key, act) => {
    const terminal = open({ args: ['16', 'offers'] });
    await toExecution(terminal);
    await terminal.shows('MEND?');
    terminal.type(key);
    await terminal.ended();
    expect(terminal.everything().join('\n')).toContain('✗ Validation failed: 2 of 5 checks did not pass.');
    expect(told(terminal).at(-1)).toBe(act);
  });
});

describe('keys that end a run', () => {
  it('Esc at the plans leaves without a change', async () => {
    const terminal = open();
    await terminal.shows('CHOOSE A PLAN');
    terminal.type(ESCAPE);
    expect(await terminal.ended()).toBe(0);
    expect(terminal.screen()).toContain('– Cancelled. Nothing was changed.');
    expect(told(terminal)).toEqual(['cancel']);
  });

  it.each([
    ['assessment', 'ASSESS', () => Promise.resolve()],
    ['choice', 'CHOOSE A PLAN', () => Promise.resolve()],
    [
      'confirmation',
      'CONFIRM',
      async (terminal: RealTerminal) => {
        await terminal.shows('CHOOSE A PLAN');
        terminal.type(ENTER);
      },
    ],
  ] as const)('Ctrl-C during the %s stops', async (_, screen, go) => {
    const terminal = open({ args: ['2'] });
    await go(terminal);
    await terminal.shows(screen);
    terminal.type(CTRL_C);
    expect(await terminal.ended()).toBe(0);
    expect(told(terminal).at(-1)).toBe('interrupt');
  });

  it('the first Ctrl-C lets the step end, and says so', async () => {
    const terminal = open({ args: ['1'] });
    await toExecution(terminal);
    await terminal.shows('of 10,000 memories');
    terminal.type(CTRL_C);
    await terminal.shows('stopping after this step; again to abort now');
    expect(await terminal.ended()).toBe(130);
    const text = terminal.everything().join('\n');
    expect(text).toContain('✓ Read every point from the collection: 10,000 memories');
    expect(text).toContain('! Interrupted. Both stores are as they were.');
    expect(text).toContain('Continue: lifeboat runs resume run-7f3a');
  });

  it('the second one does not wait', async () => {
    const terminal = open({ args: ['1'] });
    await toExecution(terminal);
    await terminal.shows('of 10,000 memories');
    terminal.type(CTRL_C);
    await terminal.shows('stopping after this step');
    terminal.type(CTRL_C);
    expect(await terminal.ended()).toBe(130);
    expect(terminal.everything().join('\n')).not.toContain('✓ Read every point from the collection');
    expect(told(terminal).slice(-2)).toEqual(['interrupt', 'interrupt']);
  });
});

describe('terminals that are not 80×24', () => {
  it('40 columns: every line fits, but for paths and commands, which are copied whole', async () => {
    const terminal = open({ columns: 40, rows: 20 });
    await terminal.shows('CHOOSE A PLAN');
    for (const plan of ['› rebuild-graph', 'restore-backup', '× reembed-vectors', '× fresh-start']) {
      expect(terminal.screen()).toContain(plan);
    }
    expect(terminal.screen()).toContain('Enter choose · ↑↓ move · Esc leave');
    await toExecution(terminal);
    await terminal.shows('VALIDATE');
    expect(terminal.wrapped()).toEqual([]);
    expect(await terminal.ended()).toBe(3);
    expectReport(terminal);
    const broken = terminal
      .everything()
      .flatMap((line, index, all) => (terminal.wrapped().includes(all[index + 1] ?? '\n') ? [line] : []));
    for (const line of broken) expect(line).toMatch(/^(lifeboat |\/)/);
  });

  it('a few rows: the answer and the keys stay in sight', async () => {
    const terminal = open({ columns: 20, rows: 6 });
    await terminal.shows('› rebuild');
    terminal.type(ENTER);
    await terminal.shows('confirm:');
    terminal.type('memor');
    await terminal.shows('memor█');
    expect(terminal.screen()).toContain('Enter confirm');
    terminal.type(`ies${ENTER}`);
    expect(await terminal.ended()).toBe(3);
    expect(terminal.raw()).not.toContain('\u001B[3J');
  });

  it.each([
    [60, 24],
    [44, 20],
    [120, 40],
    // A frame that is on its way while the size changes leaves a row behind; no program can prevent that.
  ])('resized to %d×%d midway: one screen, then the report', { retry: 3 }, async (columns, rows) => {
    const terminal = open({ args: ['4'] });
    await toExecution(terminal);
    await terminal.shows('step 2 of 7');
    await terminal.resize(columns, rows);
    await terminal.shows('step 3 of 7');
    const screen = terminal.screen();
    expect(screen.match(/^RTO/gm)).toHaveLength(1);
    expect(screen.match(/RECOVER run-7f3a/g)).toHaveLength(1);
    expect(screen.match(/Ctrl-C/g)).toHaveLength(1);
    // The finished step is told once; a resize does not print it again.
    const before = terminal.everything().join('\n');
    expect(before.match(/^✓ Check that the graph server/gm)).toHaveLength(1);
    expect(await terminal.ended()).toBe(3);
    expectReport(terminal);
    expect(terminal.raw()).not.toContain('\u001B[3J');
  });

  it('without UTF-8, everything is ASCII and still tells states apart', async () => {
    const terminal = open({ args: ['8', 'ascii'] });
    await toExecution(terminal);
    expect(await terminal.ended()).toBe(3);
    // eslint-disable-next-line no-control-regex
    expect(terminal.raw()).toMatch(/^[\u0000-\u007F]*$/);
    expect(terminal.everything().join('\n')).toMatch(/^ \+ 1 Connectivity/m);
    expect(terminal.everything().join('\n')).toMatch(/^x check 2/m);
  });
});
