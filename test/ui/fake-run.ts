import { setTimeout as sleep } from 'node:timers/promises';
import type { PlanOption } from '../../src/plans/types.js';
import type { RunControls, RunEvent, Summary, TimedEvent } from '../../src/recovery/events.js';
import { checks, NINE_PLANS, OPTIONS, opening, summary } from '../report/fixtures.js';

export interface FakeRun {
  events: (listener: (event: TimedEvent) => void) => () => void;
  controls: RunControls;
  /** Every call of the controls, in order. */
  calls: string[];
  play(): Promise<Summary>;
}

export interface FakeRunOptions {
  /** Times as fast as a real one. */
  pace: number;
  /** Whether all nine plans are there, of which `sync-drift` is recommended and `restore-volume` waits. */
  nine?: boolean;
  /** Asks whether to mend what failed, instead of doing it. */
  offers?: boolean;
}

type Answer = { plan: string } | { typed: string } | 'fix' | 'back' | 'cancel' | 'stop';

/** A run that listens to its controls and says what a real one would. */
export function fakeRun({ pace, nine = false, offers = false }: FakeRunOptions): FakeRun {
  const listeners = new Set<(event: TimedEvent) => void>();
  const calls: string[] = [];
  const answers: Answer[] = [];
  let interrupts = 0;
  const emit = (event: RunEvent): void => {
    for (const listener of listeners) listener({ ...event, time: new Date().toISOString() });
  };
  const wait = (ms: number): Promise<void> => sleep(ms / pace);
  const answer = (name: string, given: Answer): void => {
    calls.push(name);
    answers.push(given);
  };
  const controls: RunControls = {
    choose: (plan) => answer(`choose ${plan}`, { plan }),
    confirm: (typed) => answer(`confirm ${typed}`, { typed }),
    fix: () => answer('fix', 'fix'),
    back: () => answer('back', 'back'),
    cancel: () => answer('cancel', 'cancel'),
    interrupt: () => {
      interrupts++;
      answer('interrupt', 'stop');
      emit({ type: 'stopping', message: 'stopping after this step; again to abort now' });
    },
  };
  const next = async (): Promise<Answer> => {
    for (;;) {
      const given = answers.shift();
      if (given !== undefined) return given;
      await sleep(10);
    }
  };
  const plans = nine ? NINE_PLANS : OPTIONS;
  const world: World = { emit, wait, next, interrupts: () => interrupts, plans, offers };
  return {
    events: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    controls,
    calls,
    play: async () => {
      const end = await playRun(world);
      emit(end);
      return end;
    },
  };
}

interface World {
  emit: (event: RunEvent) => void;
  wait: (ms: number) => Promise<void>;
  next: () => Promise<Answer>;
  interrupts: () => number;
  plans: PlanOption[];
  offers: boolean;
}

async function playRun(world: World): Promise<Summary> {
  const recommended = world.plans === OPTIONS ? 'rebuild-graph' : 'sync-drift';
  for (const event of opening(world.plans, recommended)) {
    await world.wait(150);
    world.emit(event);
  }
  const plan = await review(world, recommended);
  if (plan === null) return ended('cancelled', null);
  world.emit({ type: 'phase.finished', phase: 'plan', seconds: 3 });
  world.emit({ type: 'phase.started', phase: 'execute' });
  if (!(await execute(world, plan))) return ended('interrupted', plan);
  world.emit({ type: 'phase.started', phase: 'validate' });
  const mended = await validate(world);
  world.emit({ type: 'phase.started', phase: 'report' });
  await world.wait(300);
  const kept = ['the replaced graph, as "{memories}:before:run-7f3a"'];
  return summary({
    plan,
    kept,
    salvaged: 2,
    quarantined: 1,
    exitCode: 3,
    ...(mended
      ? { outcome: 'recovered-with-losses' }
      : { outcome: 'validation-failed', validation: checks([2, 3]) }),
  });
}

async function review({ emit, next, plans }: World, recommended: string): Promise<string | null> {
  for (;;) {
    const given = await next();
    if (given === 'cancel' || given === 'stop') return null;
    if (typeof given === 'string' || !('plan' in given)) continue;
    emit({ type: 'plan.chosen', plan: given.plan, by: 'operator' });
    emit({ type: 'confirm.required', plan: given.plan, name: 'memories' });
    for (;;) {
      const typed = await next();
      if (typed === 'cancel' || typed === 'stop') return null;
      if (typed === 'back') break;
      if (typeof typed === 'string' || !('typed' in typed)) continue;
      if (typed.typed === 'memories') {
        emit({ type: 'confirm.accepted', plan: given.plan });
        return given.plan;
      }
      emit({ type: 'confirm.rejected', typed: typed.typed, name: 'memories' });
    }
    emit({ type: 'plans', options: plans, recommended });
  }
}

async function execute(world: World, plan: string): Promise<boolean> {
  const { emit, plans, interrupts } = world;
  const steps = plans.find((option) => option.name === plan)?.steps ?? [];
  for (const [index, { id, title }] of steps.entries()) {
    emit({ type: 'step.started', step: id, title, index: index + 1, total: steps.length });
    const detail = await (id.startsWith('wait') ? waitForPerson(world, id) : work(world, id, index));
    if (detail === null) return false;
    emit({ type: 'step.finished', step: id, title, outcome: 'done', seconds: 2, detail });
    if (interrupts() > 0) return false;
  }
  return true;
}

/** One step; null where it was aborted. */
async function work({ emit, wait, interrupts }: World, step: string, index: number): Promise<string | null> {
  const counted = step.startsWith('stage') || step.startsWith('read');
  const total = step === 'stage-edges' ? 24_310 : 10_000;
  const unit = step === 'stage-edges' ? 'relationships' : 'memories';
  for (let part = 1; part <= 10; part++) {
    await wait(counted ? 200 : 30);
    if (interrupts() > 1) return null;
    if (!counted) continue;
    const done = (total / 10) * part;
    emit({ type: 'step.progress', step, unit, done, total, rate: 4800, etaSeconds: (10 - part) / 5 });
    if (part === 4) emit({ type: 'salvage', id: `3f2c-${index}`, field: 'importance', rule: 'null-dropped' });
    if (part === 6 && step === 'stage-edges') {
      emit({ type: 'quarantine', kind: 'relationship', id: '88→91', reason: 'its target is in no source' });
    }
  }
  return counted ? `${total.toLocaleString('en')} ${unit}` : '';
}

async function waitForPerson({ emit, wait, interrupts }: World, step: string): Promise<string | null> {
  emit({ type: 'notice', message: 'The graph is not back yet: nothing listens on graph.internal:6379.' });
  for (let done = 1; done <= 20; done++) {
    await wait(300);
    if (interrupts() > 1) return null;
    emit({
      type: 'step.progress',
      step,
      unit: 'seconds',
      done: done * 6,
      total: 1800,
      rate: 1,
      etaSeconds: 1800,
    });
  }
  return 'back after 2:00';
}

/** Whether every check passed in the end. */
async function validate({ emit, wait, next, offers }: World): Promise<boolean> {
  const check = async (failed: number[]): Promise<void> => {
    for (const result of checks(failed)) {
      await wait(150);
      emit({ type: 'check', check: result });
    }
  };
  await check([2, 3]);
  const mends = ['sync-drift', 'relationships-from-backup'] as const;
  if (offers) {
    emit({ type: 'fix.offered', mends: [...mends], round: 1 });
    if ((await next()) !== 'fix') return false;
  }
  emit({ type: 'fix.started', mends: [...mends], round: 1 });
  const step = { step: 'fix-counts', title: 'Add the 2 missing memories' };
  emit({ type: 'step.started', ...step, index: 1, total: 1 });
  await wait(600);
  emit({ type: 'step.finished', ...step, outcome: 'done', seconds: 1, detail: '2 memories' });
  await check([]);
  return true;
}

function ended(outcome: 'cancelled' | 'interrupted', plan: string | null): Summary {
  return summary({
    outcome,
    exitCode: outcome === 'interrupted' ? 130 : 0,
    plan,
    validation: [],
    restored: { memories: 0, nodes: 0, relationships: 0, vectors: 0 },
    rto: null,
    rpo: null,
    resumable: outcome === 'interrupted',
  });
}
