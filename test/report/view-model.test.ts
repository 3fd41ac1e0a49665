import { describe, expect, it } from 'vitest';
import type { TimedEvent } from '../../src/recovery/events.js';
import {
  answerOffer,
  checkRound,
  emptyView,
  planInHand,
  reduceView,
  returnToReview,
} from '../../src/report/view-model.js';
import { isWaiting } from '../../src/report/view-steps.js';
import { at, checks, confirmed, goodRun, opening, OPTIONS, START, summary } from './fixtures.js';

const viewOf = (events: TimedEvent[]) => events.reduce(reduceView, emptyView());

describe('the view of a run', () => {
  it('starts the clock with the run and knows every plan', () => {
    const view = viewOf(opening());
    expect(view.startedAt).toBe(START);
    expect(view.run?.rtoSeconds).toBe(300);
    expect(view.phase).toBe('plan');
    expect(view.phases.map((phase) => phase.state)).toEqual([
      'done',
      'running',
      'waiting',
      'waiting',
      'waiting',
    ]);
    expect(view.findings).toHaveLength(2);
    expect(view.options).toEqual(OPTIONS);
    expect(planInHand(view)?.name).toBe('rebuild-graph');
  });

  it('knows that a phase is over when another starts', () => {
    const view = viewOf([...opening(), at(8, { type: 'phase.started', phase: 'execute' })]);
    expect(view.phases.map((phase) => phase.state)).toEqual([
      'done',
      'done',
      'running',
      'waiting',
      'waiting',
    ]);
  });

  it('follows the confirmation: asked, rejected, accepted', () => {
    const [chosen, required, rejected, accepted] = confirmed();
    const events = [chosen, required, rejected, accepted].filter((event) => event !== undefined);
    const states = events.map((_, index) => viewOf([...opening(), ...events.slice(0, index + 1)]).confirm);
    expect(states).toEqual([
      null,
      { plan: 'rebuild-graph', name: 'memories', rejected: null, accepted: false },
      { plan: 'rebuild-graph', name: 'memories', rejected: 'memry', accepted: false },
      { plan: 'rebuild-graph', name: 'memories', rejected: null, accepted: true },
    ]);
  });

  it('is back in review when the plans are said again, or when the screen goes back by itself', () => {
    const asked = viewOf([...opening(), ...confirmed().slice(0, 2)]);
    const again = reduceView(asked, at(5, { type: 'plans', options: OPTIONS, recommended: null }));
    for (const view of [again, returnToReview(asked)]) {
      expect(view.chosen).toBeNull();
      expect(view.confirm).toBeNull();
    }
  });

  it('keeps a step in its place when it runs again, and takes one that never started', () => {
    const started = at(8, { type: 'step.started', step: 'a', title: 'A', index: 1, total: 2 });
    const failed = at(9, {
      type: 'step.finished',
      step: 'a',
      title: 'A',
      outcome: 'failed',
      seconds: 1,
      detail: 'no',
    });
    const skipped = at(9, {
      type: 'step.finished',
      step: 'b',
      title: 'B',
      outcome: 'skipped',
      seconds: 0,
      detail: 'done before',
    });
    const view = viewOf([started, failed, skipped, started]);
    expect(view.steps.map(({ id, state, attempt, index }) => [id, state, attempt, index])).toEqual([
      ['a', 'running', 2, 1],
      ['b', 'skipped', 1, null],
    ]);
  });

  it('has the latest result of each check, in order, and counts the rounds', () => {
    const first = checks([2]).map((check) => at(9, { type: 'check', check }));
    const mended = checks()
      .filter((check) => check.step === 2)
      .map((check) => at(10, { type: 'check', check }));
    expect(checkRound(viewOf(first))).toBe(1);
    const view = viewOf([...first, ...mended]);
    expect(checkRound(view)).toBe(2);
    expect(view.checks.map(({ step, status }) => `${step} ${status}`)).toEqual([
      '1 pass',
      '2 pass',
      '3 pass',
      '4 pass',
      '5 pass',
    ]);
  });

  it('offers to mend, mends, and is done with it at the next check', () => {
    const offered = at(9, { type: 'fix.offered', mends: ['retry'], round: 2 });
    const started = at(10, { type: 'fix.started', mends: ['retry'], round: 2 });
    const check = checks().map((one) => at(11, { type: 'check', check: one }));
    expect(viewOf([offered]).mend).toEqual({ mends: ['retry'], round: 2, state: 'offered' });
    expect(answerOffer(viewOf([offered]), true)).toEqual(
      viewOf([offered, { ...started, time: offered.time }]),
    );
    expect(answerOffer(viewOf([offered]), false).mend).toBeNull();
    expect(viewOf([started]).mend?.state).toBe('running');
    expect(viewOf([started, ...check.slice(0, 1)]).mend).toBeNull();
  });

  it('keeps what is said with the step that runs', () => {
    const started = (step: string) => at(8, { type: 'step.started', step, title: step, index: 1, total: 2 });
    const notice = (message: string) => at(9, { type: 'notice', message });
    const waits = at(9, {
      type: 'step.progress',
      step: 'b',
      unit: 'seconds',
      done: 1,
      total: null,
      rate: 1,
      etaSeconds: null,
    });
    const done = {
      type: 'step.finished',
      step: 'a',
      title: 'a',
      outcome: 'done',
      seconds: 1,
      detail: '',
    } as const;
    const view = viewOf([
      started('a'),
      notice('1'),
      at(9, done),
      started('b'),
      notice('2'),
      notice('3'),
      waits,
    ]);
    expect(view.steps.map((step) => [step.notice, isWaiting(step)])).toEqual([
      ['1', false],
      ['3', true],
    ]);
  });

  it('counts records by kind', () => {
    const event = at(9, { type: 'quarantine', kind: 'relationship', id: 'r1', reason: 'no target' });
    expect(viewOf([event, event]).quarantine).toEqual({
      count: 2,
      by: { relationship: 2 },
      latest: 'relationship r1: no target',
    });
  });

  it('ends with the summary, and never changes a view that it was given', () => {
    let view = emptyView();
    for (const event of goodRun()) {
      Object.freeze(view);
      for (const value of Object.values(view)) Object.freeze(value);
      view = reduceView(view, event);
    }
    expect(view.summary).toMatchObject(summary({ salvaged: 1 }));
    expect(view.salvage.count).toBe(1);
  });

  it('keeps its peace about an event of a newer version', () => {
    const view = viewOf(opening());
    const unknown = { type: 'constructor', time: new Date(START).toISOString() } as unknown as TimedEvent;
    expect(reduceView(view, unknown)).toEqual({ ...view, latestAt: START });
  });
});
