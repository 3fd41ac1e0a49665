import { setTimeout as sleep } from 'node:timers/promises';
import type { RunControls, RunEvent, Summary, TimedEvent } from '../../src/recovery/events.js';
import { checks, OPTIONS, opening, summary } from '../report/fixtures.js';

export interface FakeRun {
  events: (listener: (event: TimedEvent) => void) => () => void;
  controls: RunControls;
  /** Every call of the controls, in order. */
  calls: string[];
  play(): Promise<Summary>;
}

type Answer = { plan: string } | { typed: string } | 'back' | 'cancel' | 'stop';

/** A run that listens to its controls and says what a real one would, `pace` times as fast. */
export function fakeRun(pace: number): FakeRun {
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
  const world: World = { emit, wait, next, interrupts: () => interrupts };
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
}

async function playRun(world: World): Promise<Summary> {
  for (const event of opening()) {
    await world.wait(150);
    world.emit(event);
  }
  const plan = await review(world);
  if (plan === null) return ended('cancelled', null);
  world.emit({ type: 'phase.finished', phase: 'plan', seconds: 3 });
  world.emit({ type: 'phase.started', phase: 'execute' });
  if (!(await execute(world, plan))) return ended('interrupted', plan);
  world.emit({ type: 'phase.started', phase: 'validate' });
  await validate(world);
  world.emit({ type: 'phase.started', phase: 'report' });
  await world.wait(300);
  return summary({ plan, salvaged: 2, quarantined: 1, outcome: 'recovered-with-losses', exitCode: 3 });
}

async function review({ emit, next }: World): Promise<string | null> {
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
      if (!('typed' in typed)) continue;
      if (typed.typed === 'memories') {
        emit({ type: 'confirm.accepted', plan: given.plan });
        return given.plan;
      }
      emit({ type: 'confirm.rejected', typed: typed.typed, name: 'memories' });
    }
    emit({ type: 'plans', options: OPTIONS, recommended: 'rebuild-graph' });
  }
}

async function execute({ emit, wait, interrupts }: World, plan: string): Promise<boolean> {
  const steps = OPTIONS.find((option) => option.name === plan)?.steps ?? [];
  for (const [index, { id, title }] of steps.entries()) {
    emit({ type: 'step.started', step: id, title, index: index + 1, total: steps.length });
    const counted = id.startsWith('stage') || id.startsWith('read');
    const total = id === 'stage-edges' ? 24_310 : 10_000;
    const unit = id === 'stage-edges' ? 'relationships' : 'memories';
    for (let part = 1; part <= 10; part++) {
      await wait(counted ? 200 : 30);
      if (interrupts() > 1) return false;
      if (!counted) continue;
      emit({
        type: 'step.progress',
        step: id,
        unit,
        done: (total / 10) * part,
        total,
        rate: 4800,
        etaSeconds: (10 - part) / 5,
      });
      if (part === 4)
        emit({ type: 'salvage', id: `3f2c-${index}`, field: 'importance', rule: 'null-dropped' });
      if (part === 6 && id === 'stage-edges') {
        emit({ type: 'quarantine', kind: 'relationship', id: '88→91', reason: 'its target is in no source' });
      }
    }
    const detail = counted ? `${total.toLocaleString('en')} ${unit}` : '';
    emit({ type: 'step.finished', step: id, title, outcome: 'done', seconds: 2, detail });
    if (interrupts() > 0) return false;
  }
  return true;
}

async function validate({ emit, wait }: World): Promise<void> {
  for (const check of checks([2])) {
    await wait(150);
    emit({ type: 'check', check });
  }
  emit({ type: 'step.started', step: 'fix-counts', title: 'Add the 2 missing memories', index: 1, total: 1 });
  await wait(600);
  emit({
    type: 'step.finished',
    step: 'fix-counts',
    title: 'Add the 2 missing memories',
    outcome: 'done',
    seconds: 1,
    detail: '2 memories',
  });
  for (const check of checks()) {
    await wait(150);
    emit({ type: 'check', check });
  }
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
  });
}
