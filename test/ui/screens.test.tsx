import { render } from 'ink-testing-library';
import { renderToString } from 'ink';
import { describe, expect, it } from 'vitest';
import type { Mend, RunControls, TimedEvent } from '../../src/recovery/events.js';
import { textWidth } from '../../src/report/text.js';
import { App } from '../../src/ui/app.js';
import { Rows } from '../../src/ui/components/rows.js';
import { layoutOf } from '../../src/ui/layout.js';
import { logRows } from '../../src/ui/log-rows.js';
import { cursorIndex, emptyModel, screenOf, type UiModel } from '../../src/ui/model.js';
import { createRunStore } from '../../src/ui/run-store.js';
import { finalRows } from '../../src/ui/screens/report.js';
import { liveRows } from '../../src/ui/screens/screen.js';
import {
  at,
  checks,
  confirmed,
  goodRun,
  NINE_PLANS,
  opening,
  OPTIONS,
  START,
  summary,
} from '../report/fixtures.js';

function modelAfter(events: TimedEvent[]): UiModel {
  const store = createRunStore();
  for (const event of events) store.receive(event);
  store.close();
  return store.get();
}

const EXECUTE = [...opening(), ...confirmed(), at(8, { type: 'phase.started', phase: 'execute' })] as const;
const STEP = at(9, {
  type: 'step.started',
  step: 'stage-nodes',
  title: 'Write memories',
  index: 3,
  total: 7,
});
const PROGRESS = at(10, {
  type: 'step.progress',
  step: 'stage-nodes',
  unit: 'memories',
  done: 6200,
  total: 10_000,
  rate: 3100,
  etaSeconds: 2,
});
const VALIDATE = at(12, { type: 'phase.started', phase: 'validate' });

const MENDS = { mends: ['sync-drift', 'relationships-from-backup'] as Mend[], round: 1 };
const CHECKED = [...EXECUTE, VALIDATE, ...checks([2, 3]).map((check) => at(13, { type: 'check', check }))];
const WAITING = [
  ...opening(NINE_PLANS, 'sync-drift'),
  at(4, { type: 'plan.chosen', plan: 'restore-volume', by: 'operator' }),
  at(8, { type: 'phase.started', phase: 'execute' }),
  at(9, {
    type: 'step.started',
    step: 'wait-volume',
    title: 'Wait until the graph is back',
    index: 1,
    total: 2,
  }),
  at(9, { type: 'notice', message: 'The graph is not back yet.' }),
  at(10, {
    type: 'step.progress',
    step: 'wait-volume',
    unit: 'seconds',
    done: 125,
    total: 1800,
    rate: 1,
    etaSeconds: 1675,
  }),
];
const leafed = (model: UiModel, page: number): UiModel => ({ ...model, ui: { ...model.ui, page } });

const MOMENTS: Record<string, UiModel> = {
  nothing: emptyModel(),
  assess: modelAfter(opening().slice(0, 4)),
  weighing: modelAfter(opening().slice(0, -1)),
  plan: modelAfter(opening()),
  'many plans': modelAfter([
    ...opening().slice(0, -1),
    at(1, {
      type: 'plans',
      options: Array.from({ length: 40 }, (_, index) => ({
        ...(OPTIONS[index % OPTIONS.length] ?? OPTIONS[0]),
        name: `plan-${index}`,
      })) as typeof OPTIONS,
      recommended: 'plan-20',
    }),
  ]),
  confirm: modelAfter([...opening(), ...confirmed().slice(0, 3)]),
  execute: modelAfter([
    ...EXECUTE,
    STEP,
    PROGRESS,
    at(10, { type: 'quarantine', kind: 'memory', id: 'm', reason: 'x'.repeat(300) }),
  ]),
  validate: modelAfter([
    ...EXECUTE,
    VALIDATE,
    ...checks([2, 3]).map((check) => at(13, { type: 'check', check })),
  ]),
  mending: modelAfter([
    ...EXECUTE,
    VALIDATE,
    ...checks([2]).map((check) => at(13, { type: 'check', check })),
    STEP,
    PROGRESS,
  ]),
  stopping: { ...modelAfter([...EXECUTE, STEP, PROGRESS]), ui: { ...emptyModel().ui, interrupts: 1 } },
  reporting: modelAfter([...EXECUTE, at(14, { type: 'phase.started', phase: 'report' })]),
  'nine plans': modelAfter(opening(NINE_PLANS, 'sync-drift')),
  'nine plans, leafed': leafed(modelAfter(opening(NINE_PLANS, 'sync-drift')), 1),
  'confirm, leafed': leafed(modelAfter([...opening(), ...confirmed().slice(0, 3)]), 1),
  offer: modelAfter([...CHECKED, at(14, { type: 'fix.offered', ...MENDS })]),
  'offer taken': modelAfter([...CHECKED, at(14, { type: 'fix.started', ...MENDS }), STEP, PROGRESS]),
  'checked again': modelAfter([
    ...CHECKED,
    at(14, { type: 'fix.started', ...MENDS }),
    ...checks()
      .slice(0, 1)
      .map((check) => at(15, { type: 'check', check })),
  ]),
  waiting: modelAfter(WAITING),
  'waiting, leafed': leafed(modelAfter(WAITING), 1),
};
const SIZES = [
  [80, 24],
  [40, 20],
  [40, 10],
  [20, 6],
  [10, 4],
  [200, 60],
  [63, 16],
] as const;

describe.each(SIZES)('at %d×%d', (columns, rows) => {
  it.each(Object.keys(MOMENTS))(
    '"%s" is lower than the terminal, fits its width, and ends with the keys',
    (moment) => {
      const model = MOMENTS[moment] ?? emptyModel();
      const drawn = liveRows(model, layoutOf({ columns, rows }), START + 12_000);
      expect(drawn.length).toBeLessThan(rows - 1);
      const lines = renderToString(<Rows rows={drawn} />, { columns }).split('\n');
      expect(lines.length).toBeLessThan(rows - 1);
      for (const line of lines) expect(textWidth(line), line).toBeLessThanOrEqual(columns);
      expect(lines.at(-1)).toMatch(/^ (Enter|Ctrl-C|f mend)/);
    },
  );
});

it.each([20, 40, 80, 200])('the report fits %d columns, but for what must be copied', (columns) => {
  const final = finalRows(modelAfter(goodRun()).view, layoutOf({ columns, rows: 24 }));
  for (const row of final) {
    if (row.some(({ whole }) => whole === true)) continue;
    expect(row.reduce((sum, item) => sum + textWidth(item.text), 0)).toBeLessThanOrEqual(columns);
  }
});

it.each([24, 40, 60, 80])('at %d columns a command and a path stay whole', (columns) => {
  const undo = 'lifeboat runs rollback run-7f3a --confirm memories';
  const path = '/var/lib/lifeboat/runs/run-7f3a/events.ndjson';
  const end = summary({ outcome: 'recovered', kept: ['a graph'], files: { events: path } });
  const { view } = modelAfter([...opening(), at(9, end)]);
  const lines = renderToString(<Rows rows={finalRows(view, layoutOf({ columns, rows: 24 }))} />, {
    columns,
  }).split('\n');
  for (const text of [undo, path]) expect(lines.join('\n')).toContain(text);
  // What is longer than the terminal begins at its edge: nothing but itself is copied with it.
  if (columns < undo.length) expect(lines).toContain(undo);
});

it.each([40, 80])('at %d columns a command in a log entry stays whole', (columns) => {
  const then = 'It stands. To undo it: lifeboat runs rollback run-7f3a --confirm memories';
  const rows = logRows({ tone: 'bad', text: 'Failed.', then }, columns);
  const lines = rows.map((row) => row.map(({ text }) => text).join(''));
  expect(
    lines.some((line) => line.trim().endsWith('lifeboat runs rollback run-7f3a --confirm memories')),
  ).toBe(true);
});

it('the cursor begins on a plan that can be taken, where none is recommended', () => {
  const options = NINE_PLANS.map((option) => ({ ...option, applies: false }));
  const model = modelAfter([...opening(), at(3, { type: 'plans', options, recommended: null })]);
  expect(options[cursorIndex(model)]?.onRequest).toBe(true);
});

const drawn = (moment: string, columns = 80, rows = 24): string =>
  renderToString(
    <Rows rows={liveRows(MOMENTS[moment] ?? emptyModel(), layoutOf({ columns, rows }), START + 12_000)} />,
    { columns },
  );

describe('what the screens say', () => {
  it('each moment is on its screen', () => {
    const screens = Object.entries(MOMENTS).map(([name, model]) => [name, screenOf(model.view)]);
    expect(Object.fromEntries(screens)).toMatchObject({
      nothing: 'assess',
      weighing: 'assess',
      plan: 'plan',
      confirm: 'confirm',
      execute: 'execute',
      validate: 'validate',
      reporting: 'report',
      offer: 'offer',
      'offer taken': 'mending',
      'checked again': 'validate',
    });
  });

  it('the plans: a table as in the sketch', () => {
    expect(drawn('plan')).toContain(
      [
        'CHOOSE A PLAN         est.    you lose        changes',
        ' › rebuild-graph      9s      0 memories      graph memories (replaced, kept fo…',
        '   restore-backup     31s     4h12 of writes  graph memories, collection memori…',
        '   × reembed-vectors  Not needed: the vectors are intact.',
      ].join('\n'),
    );
  });

  it('many plans: those around the cursor, and how many are hidden', () => {
    expect(drawn('many plans')).toMatch(/… 1\d more\n.*\n[^]*› × plan-20[^]*… 1\d more/);
  });

  it('nine plans: what runs on request stands apart, the recommended one is under the cursor', () => {
    const table = drawn('nine plans');
    expect(table).toContain('   × healthy          not needed: 3.2% of the memories differ');
    expect(table).toContain('   rebuild-graph      on request: not needed: the graph is intact');
    expect(table).toContain(' › sync-drift         1m14    nothing');
    expect(table).toContain('   × fresh-start');
    const narrow = drawn('nine plans', 40, 20);
    expect(narrow).toContain('… 3 more\n');
    expect(narrow).toMatch(/› sync-drift +1m14 {2}recommended\n/);
  });

  it('a long note: as much as fits, and the rest with Tab', () => {
    expect(drawn('nine plans')).toMatch(/… \d+ more: Tab/);
    expect(drawn('nine plans')).not.toContain('The service may stay up.');
    const page = drawn('nine plans, leafed');
    expect(page).toContain('Copy what differs, in both directions (recommended)');
    expect(page).toContain('The service may stay up.');
    expect(page).toContain('why       the graph is intact');
    expect(page).not.toMatch(/fresh-start|more: Tab/);
    const pages = [0, 1, 2, 3, 4].map((at) =>
      renderToString(
        <Rows
          rows={liveRows(
            leafed(MOMENTS['nine plans'] ?? emptyModel(), at),
            layoutOf({ columns: 40, rows: 20 }),
            START,
          )}
        />,
      ),
    );
    expect(pages[3]).toContain('from the top: Tab');
    expect(pages[4]).toBe(pages[0]);
    expect(pages.slice(1, 4).join('\n')).toMatch(/you lose[^]*note[^]*steps[^]*why/);
  });

  it('a step that waits: for how long, what was said last, and what the person is to do', () => {
    const screen = drawn('waiting');
    expect(screen).toContain('   waiting for 2m05, at most 30m\n   ! The graph is not back yet.');
    expect(screen).toContain('2. In the console of the provider');
    expect(screen).not.toContain('░');
    expect(drawn('waiting', 40, 20)).toMatch(/… \d+ more: Tab/);
    expect(drawn('waiting, leafed', 40, 20)).toContain('2. In the console');
  });

  it('the confirmation: what it costs, and that the name was wrong', () => {
    expect(drawn('confirm')).toContain('you lose  0 memories');
    expect(drawn('confirm')).toContain('✗ "memry" is not "memories". Nothing was changed.');
    expect(drawn('confirm')).toContain('Type memories to confirm, Esc to go back: █');
  });

  it('the execution: the step, its bar, rate and time left, and what comes', () => {
    expect(drawn('execute')).toContain('EXECUTE rebuild-graph   step 3 of 7');
    expect(drawn('execute')).toMatch(/█+░+ {2}62%\n {3}6,200 of 10,000 memories, 3,100\/s, about 2s left/);
    expect(drawn('execute')).toContain('   Promote the staging graph');
    expect(drawn('execute')).toMatch(/! 1 record in quarantine, the latest: memory m: x+…/);
    expect(drawn('stopping')).toContain('! stopping; Ctrl-C again to abort now\n Ctrl-C abort now');
  });

  it('the validation: each check with a symbol, and what a failed one found', () => {
    expect(drawn('validate')).toContain(' ✓ 1 Connectivity                      both answer, within 2 ms');
    expect(drawn('validate')).toContain(
      ' ✗ 2 Memory counts and id sets match\n     expected 10,000 ids on both sides; found 9,998',
    );
    expect(drawn('mending')).toMatch(/MENDING *\n ⠋ Write memories/);
  });

  it('the offer: what would be mended, then the mending, then the checks again', () => {
    expect(drawn('offer')).toContain(
      [
        'MEND? round 1 of 3: bring to each store what only the other one has; bring',
        '      missing relationships back from the newest backup',
      ].join('\n'),
    );
    expect(drawn('offer')).toMatch(/\n f mend · Enter\/Esc report · Ctrl-C stop$/);
    expect(drawn('offer', 40, 20)).toMatch(/✗ 3 Relationship[^]*MEND\?[^]*from the newest backup/);
    expect(drawn('offer taken')).toMatch(
      /MENDING round 1 of 3: bring[^]* ⠋ Write memories[^]*stop after this step$/,
    );
    expect(drawn('checked again')).toContain('VALIDATE   again, after mending');
    expect(drawn('checked again')).toMatch(/✓ 1 Conn.*\n ⠋ 2 memories match\n {3}3 relationship integrity\n/);
  });

  it('the clock says when the objective is over', () => {
    const late = liveRows(
      MOMENTS['execute'] ?? emptyModel(),
      layoutOf({ columns: 80, rows: 24 }),
      START + 330_000,
    );
    expect(renderToString(<Rows rows={late} />, { columns: 80 })).toContain(
      'RTO 5:00   elapsed 5:30   ! over by 0:30',
    );
  });
});

describe('the app', () => {
  it('draws what the run says and hands it the keys, without a terminal', async () => {
    const told: string[] = [];
    const controls: RunControls = {
      choose: (plan) => void told.push(`choose ${plan}`),
      confirm: (name) => void told.push(`confirm ${name}`),
      fix: () => void told.push('fix'),
      back: () => void told.push('back'),
      cancel: () => void told.push('cancel'),
      interrupt: () => void told.push('interrupt'),
    };
    const store = createRunStore();
    const app = render(
      <App store={store} controls={controls} size={{ columns: 100, rows: 30 }} now={() => START} />,
    );
    expect(app.lastFrame()).toContain('ASSESS');
    const shows = async (text: string): Promise<void> => expect.poll(() => app.lastFrame()).toContain(text);
    for (const event of opening()) store.receive(event);
    await shows('CHOOSE A PLAN');
    app.stdin.write('\u001B[B');
    await shows('› restore-backup');
    app.stdin.write('\r');
    for (const event of confirmed().slice(0, 2)) store.receive(event);
    await shows('CONFIRM rebuild-graph');
    app.stdin.write('memories\r');
    app.stdin.write('\u0003');
    await shows('Ctrl-C again to abort now');
    for (const event of goodRun().slice(-1)) store.receive(event);
    await shows('REPORT recover run-7f3a');
    expect(told).toEqual(['choose restore-backup', 'confirm memories', 'interrupt']);
    app.unmount();
    store.close();
  });

  it('hears of a storm of events in batches', async () => {
    const store = createRunStore();
    let heard = 0;
    store.subscribe(() => heard++);
    for (let count = 0; count < 10_000; count++) {
      store.receive(at(9, { type: 'salvage', id: `${count}`, field: 'f', rule: 'r' }));
    }
    await expect.poll(() => heard).toBe(1);
    expect(store.get().view.salvage.count).toBe(10_000);
    store.close();
  });
});
