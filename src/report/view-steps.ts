import type { TimedEvent } from '../recovery/events.js';

/** A step that counts seconds does nothing but wait: for a person, or for a service that asked for it. */
export const WAITING_UNIT = 'seconds';

export interface StepProgress {
  unit: string;
  done: number;
  total: number | null;
  rate: number;
  etaSeconds: number | null;
}

/** One step of the run as the views show it. */
export interface StepView {
  id: string;
  title: string;
  /** Its place, from 1, and of how many; null where it was never started (skipped on resume). */
  index: number | null;
  total: number | null;
  state: 'running' | 'done' | 'skipped' | 'failed';
  /** Seconds it took; null while it runs. */
  seconds: number | null;
  detail: string;
  progress: StepProgress | null;
  /** The last thing worth knowing that was said while it ran. */
  notice: string | null;
  /** 1, and one more each time the fix loop or a resumed run does it again. */
  attempt: number;
}

type Of<Type extends TimedEvent['type']> = Extract<TimedEvent, { type: Type }>;

/** The steps after one has started: a new one at the end, or one that runs again in its place. */
export function startStep(steps: readonly StepView[], event: Of<'step.started'>): StepView[] {
  const before = steps.find((step) => step.id === event.step);
  const running: StepView = {
    id: event.step,
    title: event.title,
    index: event.index,
    total: event.total,
    state: 'running',
    seconds: null,
    detail: '',
    progress: null,
    notice: null,
    attempt: (before?.attempt ?? 0) + 1,
  };
  return put(steps, running);
}

/** The steps after one said how far it is; a step that nobody started is left out. */
export function progressStep(steps: readonly StepView[], event: Of<'step.progress'>): StepView[] {
  const { unit, done, total, rate, etaSeconds } = event;
  return steps.map((step) =>
    step.id === event.step ? { ...step, progress: { unit, done, total, rate, etaSeconds } } : step,
  );
}

/** The steps after the run said something: it belongs to those that run. */
export function noticeSteps(steps: readonly StepView[], message: string): StepView[] {
  return steps.map((step) => (step.state === 'running' ? { ...step, notice: message } : step));
}

/** Whether a step does nothing but wait. */
export function isWaiting({ state, progress }: StepView): boolean {
  return state === 'running' && progress?.unit === WAITING_UNIT;
}

/** The steps after one has ended. A step may end without having started: it was done before the run was resumed. */
export function finishStep(steps: readonly StepView[], event: Of<'step.finished'>): StepView[] {
  const before = steps.find((step) => step.id === event.step);
  return put(steps, {
    id: event.step,
    title: event.title,
    index: before?.index ?? null,
    total: before?.total ?? null,
    state: event.outcome,
    seconds: event.seconds,
    detail: event.detail,
    progress: before?.progress ?? null,
    notice: before?.notice ?? null,
    attempt: before?.attempt ?? 1,
  });
}

function put(steps: readonly StepView[], step: StepView): StepView[] {
  return steps.some((item) => item.id === step.id)
    ? steps.map((item) => (item.id === step.id ? step : item))
    : [...steps, step];
}
