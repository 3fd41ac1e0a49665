import type { Assessment, Finding } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { CheckResult, Mend, Phase, Summary, TimedEvent } from '../recovery/events.js';
import { finishStep, noticeSteps, progressStep, startStep, type StepView } from './view-steps.js';

/** The phases in the order in which every view shows them. */
const PHASES: readonly Phase[] = ['assess', 'plan', 'execute', 'validate', 'report'];

/** The five checks by the names they carry until their results arrive with their own. */
export const CHECK_NAMES: readonly string[] = [
  'connectivity',
  'memories match',
  'relationship integrity',
  'embedding coverage',
  'search works',
];

export interface RunFacts {
  command: string;
  run: string;
  graph: string;
  collection: string;
  dryRun: boolean;
  rtoSeconds: number | null;
}

export interface PhaseView {
  phase: Phase;
  state: 'waiting' | 'running' | 'done';
  /** Seconds it took; null until it is done. */
  seconds: number | null;
}

export interface ConfirmView {
  plan: string;
  /** What must be typed. */
  name: string;
  /** What was typed instead, last time; null when nothing wrong was typed. */
  rejected: string | null;
  accepted: boolean;
}

/** What failed checks named, and a person may have mended or has. */
export interface MendView {
  mends: Mend[];
  /** From 1. */
  round: number;
  state: 'offered' | 'running';
}

/** Records of one kind: how many, by rule or kind, and the latest in words. */
export interface Tally {
  count: number;
  by: Record<string, number>;
  latest: string | null;
}

export interface FailureView {
  code: string;
  message: string;
  hint: string;
  exitCode: number;
}

/** Everything that any screen or report shows of a run. Made from events alone. */
export interface RunView {
  run: RunFacts | null;
  /** Milliseconds since the epoch at which the clock started; null before `run.started`. */
  startedAt: number | null;
  /** Milliseconds since the epoch of the newest event. */
  latestAt: number | null;
  phase: Phase | null;
  phases: PhaseView[];
  findings: Finding[];
  assessment: Assessment | null;
  options: PlanOption[];
  recommended: string | null;
  chosen: { plan: string; by: 'lifeboat' | 'operator' } | null;
  confirm: ConfirmView | null;
  steps: StepView[];
  /** The latest result of each check, in the order of their steps. */
  checks: CheckResult[];
  /** Step of a check → how often it was run: more than once in the fix loop. */
  checkRuns: Record<number, number>;
  /** Null but from the offer, or the beginning of the mending, to the next check. */
  mend: MendView | null;
  /** Where an earlier run goes on: after the step by its id, or null from the first one; null in a run that began here. */
  resumed: { after: string | null } | null;
  salvage: Tally;
  quarantine: Tally;
  notices: string[];
  /** What the run said when it was asked to stop. */
  stopping: string | null;
  failure: FailureView | null;
  summary: Summary | null;
}

/** A run of which nothing is known yet. */
export function emptyView(): RunView {
  return {
    run: null,
    startedAt: null,
    latestAt: null,
    phase: null,
    phases: PHASES.map((phase) => ({ phase, state: 'waiting', seconds: null })),
    findings: [],
    assessment: null,
    options: [],
    recommended: null,
    chosen: null,
    confirm: null,
    steps: [],
    checks: [],
    checkRuns: {},
    mend: null,
    resumed: null,
    salvage: { count: 0, by: {}, latest: null },
    quarantine: { count: 0, by: {}, latest: null },
    notices: [],
    stopping: null,
    failure: null,
    summary: null,
  };
}

/** The view after one more event. Pure: never changes the view that it is given. */
export function reduceView(view: RunView, event: TimedEvent): RunView {
  const at = Date.parse(event.time);
  const known = Number.isNaN(at) ? view : { ...view, latestAt: at };
  return reduceEvent(known, event);
}

/** The view as it was before a plan was taken: the operator went back from the confirmation. */
export function returnToReview(view: RunView): RunView {
  return { ...view, chosen: null, confirm: null };
}

/** The view after the person answered the offer to mend; the run follows. */
export function answerOffer(view: RunView, mends: boolean): RunView {
  return { ...view, mend: mends && view.mend !== null ? { ...view.mend, state: 'running' } : null };
}

/** The round of the fix loop: 1 while every check ran once, 0 before the first. */
export function checkRound(view: RunView): number {
  return Math.max(0, ...Object.values(view.checkRuns));
}

/** The plan that was taken, or the one that is recommended; null where there is neither. */
export function planInHand(view: RunView): PlanOption | null {
  const name = view.chosen?.plan ?? view.summary?.plan ?? view.recommended;
  return view.options.find((option) => option.name === name) ?? null;
}

type Of<Type extends TimedEvent['type']> = Extract<TimedEvent, { type: Type }>;
type Reducers = { [Type in TimedEvent['type']]: (view: RunView, event: Of<Type>) => RunView };

const REDUCERS: Reducers = {
  'run.started': startRun,
  'phase.started': (view, event) => withPhase({ ...view, phase: event.phase }, event.phase, 'running', null),
  'phase.finished': (view, event) => withPhase(view, event.phase, 'done', event.seconds),
  finding: (view, event) => ({ ...view, findings: [...view.findings, event.finding] }),
  assessment: (view, event) => ({ ...view, assessment: event.assessment }),
  plans: (view, event) => ({
    ...returnToReview(view),
    options: event.options,
    recommended: event.recommended,
  }),
  'plan.chosen': (view, event) => ({ ...view, chosen: { plan: event.plan, by: event.by }, confirm: null }),
  'confirm.required': (view, { plan, name }) => ({
    ...view,
    confirm: { plan, name, rejected: null, accepted: false },
  }),
  'confirm.accepted': (view) => withConfirm(view, { rejected: null, accepted: true }),
  'confirm.rejected': (view, event) => withConfirm(view, { rejected: event.typed }),
  'fix.offered': (view, event) => withMend(view, event, 'offered'),
  'fix.started': (view, event) => withMend(view, event, 'running'),
  resumed: (view, { after }) => ({ ...view, resumed: { after } }),
  'step.started': (view, event) => ({ ...view, steps: startStep(view.steps, event) }),
  'step.progress': (view, event) => ({ ...view, steps: progressStep(view.steps, event) }),
  'step.finished': (view, event) => ({ ...view, steps: finishStep(view.steps, event) }),
  check: (view, event) => withCheck(view, event.check),
  salvage: (view, event) => ({
    ...view,
    salvage: tally(view.salvage, event.rule, `${event.id}, ${event.field}: ${event.rule}`),
  }),
  quarantine: (view, event) => ({
    ...view,
    quarantine: tally(view.quarantine, event.kind, `${event.kind} ${event.id}: ${event.reason}`),
  }),
  // The summary carries it too; the report shows it from there.
  comparison: (view) => view,
  notice: (view, { message }) => ({
    ...view,
    notices: [...view.notices, message],
    steps: noticeSteps(view.steps, message),
  }),
  stopping: (view, event) => ({ ...view, stopping: event.message }),
  failure: (view, { code, message, hint, exitCode }) => ({
    ...view,
    failure: { code, message, hint, exitCode },
  }),
  summary: (view, event) => ({ ...view, summary: event }),
};

function reduceEvent(view: RunView, event: TimedEvent): RunView {
  // A newer engine may say things that this view does not know: they are for other views.
  if (!Object.hasOwn(REDUCERS, event.type)) return view;
  const reduce = REDUCERS[event.type] as (view: RunView, event: TimedEvent) => RunView;
  return reduce(view, event);
}

function withConfirm(view: RunView, change: Partial<ConfirmView>): RunView {
  return view.confirm === null ? view : { ...view, confirm: { ...view.confirm, ...change } };
}

function withMend(
  view: RunView,
  { mends, round }: Omit<MendView, 'state'>,
  state: MendView['state'],
): RunView {
  return { ...view, mend: { mends, round, state } };
}

function startRun(view: RunView, event: Of<'run.started'>): RunView {
  const { command, run, graph, collection, dryRun, rtoSeconds } = event;
  return { ...view, run: { command, run, graph, collection, dryRun, rtoSeconds }, startedAt: view.latestAt };
}

function withPhase(view: RunView, phase: Phase, state: PhaseView['state'], seconds: number | null): RunView {
  const phases = view.phases.map((item): PhaseView => {
    if (item.phase === phase) return { phase, state, seconds };
    // One phase runs at a time: where another starts, the one before it is over, whether it said so or not.
    return state === 'running' && item.state === 'running' ? { ...item, state: 'done' } : item;
  });
  return { ...view, phases };
}

function withCheck(view: RunView, check: CheckResult): RunView {
  const others = view.checks.filter((item) => item.step !== check.step);
  return {
    ...view,
    mend: null,
    checks: [...others, check].sort((a, b) => a.step - b.step),
    checkRuns: { ...view.checkRuns, [check.step]: (view.checkRuns[check.step] ?? 0) + 1 },
  };
}

function tally(before: Tally, key: string, latest: string): Tally {
  return { count: before.count + 1, by: { ...before.by, [key]: (before.by[key] ?? 0) + 1 }, latest };
}
