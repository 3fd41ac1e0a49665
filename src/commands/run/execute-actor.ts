import { ExitCode, Failure, Interrupted } from '../../failure.js';
import type { PlanOption } from '../../plans/types.js';
import type { Emit } from '../../recovery/events.js';
import type { Journal } from '../../recovery/journal.js';
import type { RunState } from '../../recovery/run-state.js';
import { lastingWork, type RunStepsContext, type Step, type StepContext } from '../../steps/step.js';
import { backupsInUse } from '../../steps/pair-in-use.js';
import { refuseOthersGraph } from '../../steps/current-run.js';
import { STEPS } from '../../steps/registry.js';
import { graphFailure, withTimeout } from '../../stores/graph/connection.js';
import { unlessAborted } from './unless-aborted.js';
import { namingResultCap } from './result-cap.js';

const PROGRESS_MS = 100;

/** What surrounds the steps of a run. */
export interface Execution {
  readonly emit: Emit;
  /** Null where no record is kept: a dry run may do without. */
  readonly journal: Journal | null;
  /** The run that goes on; null for a new one. */
  readonly resume: RunState | null;
  /** Whether the operator asked to stop, gently; at once comes through the context's signal. */
  readonly stopAfterStep: () => boolean;
}

/**
 * Where a run goes on: after the last swap that was made, since what the steps before it prepared is live; else at the
 * beginning, where every step finds what it did already.
 */
export function firstStepToRun({ plan, done, changes }: RunState): number {
  const steps = plan?.steps ?? [];
  // The journal of the swap says more than that of its step: it may have been made and its step not noted, or undone since.
  const swap = changes.find(({ change }) => change.kind === 'graph-swap');
  const wasMade = (id: string): boolean => (swap === undefined ? done.includes(id) : swap.phase === 'done');
  return steps.findLastIndex((id) => STEPS.get(id)?.isSwap === true && wasMade(id)) + 1;
}

/** Makes the part of the step context that reports progress of one step. */
function progressOf(step: string, emit: Emit): StepContext['progress'] {
  const started = performance.now();
  let told = 0;
  return (unit, done, total) => {
    const now = performance.now();
    if (now - told < PROGRESS_MS) return;
    told = now;
    const seconds = (now - started) / 1000;
    const rate = seconds > 0 ? Math.round(done / seconds) : 0;
    const left = total === null || rate === 0 ? null : Math.max(0, Math.round((total - done) / rate));
    emit({ type: 'step.progress', step, unit, done, total, rate, etaSeconds: left });
  };
}

/**
 * Runs the steps of a plan in order, each journalled before it begins and when it is done. Until the promotion, a failure
 * or an interruption leaves the graph as it was: the staging graph is removed.
 *
 * @returns why nothing had to be done, where a step found that; else null
 */
export async function executePlan(
  plan: PlanOption,
  context: RunStepsContext,
  execution: Execution,
): Promise<string | null> {
  const { journal, resume, stopAfterStep } = execution;
  const steps = plan.steps.map(({ id }) => id);
  const first = resume === null ? 0 : firstStepToRun(resume);
  if (resume !== null && first > 0) await refuseOthers(resume, context);
  context.work.restoredBefore = restoredBefore(resume);
  if (resume?.plan == null) {
    journal?.append({ entry: 'plan', plan: plan.name, steps, backup: backupOf(context) });
  }
  try {
    for (const [index, { id, title }] of plan.steps.entries()) {
      if (index < first) continue;
      // Once the new graph is live, it is counted and caught up with before anything else.
      if (stopAfterStep() && !(context.work.promoted && SETTLES_SWAP.has(id))) throw new Interrupted();
      const place = { title, index, total: plan.steps.length };
      if (context.dryRun && steps.slice(0, index).some((before) => FILLS_STORE.has(before))) {
        skipStep(stepOf(id), execution, place, 'dry run: what it looks at is not there yet');
        continue;
      }
      await runStep(stepOf(id), context, execution, place);
      if (context.work.nothingToDo !== null) break;
    }
    return context.work.nothingToDo;
  } catch (error) {
    // Whoever took the lease over may be building under the same key.
    const isOurs = !(context.signal.reason instanceof Failure);
    if (!context.work.promoted && !context.dryRun && isOurs && steps.includes('stage-nodes'))
      await removeStaging(context);
    throw context.signal.aborted ? (context.signal.reason as Error) : namingResultCap(error, context);
  }
}

/** Points that were restored to the last one before the run was stopped; null where that was not so. */
function restoredBefore(resume: RunState | null): number | null {
  if (resume?.done.includes('restore-vectors') !== true) return null;
  const { restored } = (resume.work ?? {}) as Partial<RunStepsContext['work']>;
  return restored?.vectors ?? null;
}

/** Steps that bring a swap to its end. */
const SETTLES_SWAP = new Set(['recount', 'catch-up', 'compact-aof']);

/** Steps without which those after them find nothing to look at. */
const FILLS_STORE = new Set(['promote-graph', 'restore-vectors']);

function skipStep(
  { id, title }: Step,
  { emit }: Pick<Execution, 'emit'>,
  place: { title: string; index: number; total: number },
  detail: string,
): void {
  emit({ type: 'step.started', step: id, ...place, index: place.index + 1 });
  emit({ type: 'step.finished', step: id, title, outcome: 'skipped', seconds: 0, detail });
}

/** Days may have passed since the swap: the graph that is live may be that of another run by now. */
async function refuseOthers({ changes }: RunState, context: RunStepsContext): Promise<void> {
  try {
    for (const { change } of changes)
      if (change.kind === 'graph-swap') await refuseOthersGraph(await context.liveGraph(), change);
  } catch (error) {
    // What the run put there is not what is live: nothing must be said of it.
    if (error instanceof Failure && error.exitCode === ExitCode.usage) context.work.promoted = false;
    throw error;
  }
}

/** The pair that a resumed run must begin with too, even if only its vectors are there. */
function backupOf({ backup, assessment }: RunStepsContext): string | null {
  return (backup ?? assessment.backups.newestVectors)?.timestamp ?? null;
}

/** @throws Error where a plan names what does not exist, which its loading refuses */
export function stepOf(id: string): Step {
  const step = STEPS.get(id);
  if (step === undefined) throw new Error(`there is no step "${id}"`);
  return step;
}

/** Runs one step, tells its course, and journals it. */
export async function runStep(
  step: Step,
  context: RunStepsContext,
  { emit, journal }: Pick<Execution, 'emit' | 'journal'>,
  place: { title: string; index: number; total: number },
): Promise<void> {
  const { title } = place;
  const finished = (outcome: 'done' | 'skipped' | 'failed', seconds: number, detail: string): void =>
    emit({ type: 'step.finished', step: step.id, title, outcome, seconds, detail });
  emit({ type: 'step.started', step: step.id, ...place, index: place.index + 1 });
  const reason = whySkipped(step, context);
  if (reason !== null) {
    finished('skipped', 0, reason);
    return;
  }
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  try {
    journal?.append({ entry: 'step', step: step.id, phase: 'intent' });
    const work = step.run(await ownContext(step, context, emit));
    const detail = await (step.isSwap === true ? work : unlessAborted(work, context.signal));
    // What was written while the lease was lost is not done; a swap says that itself.
    if (step.writes && step.isSwap !== true) await unlessAborted(context.changes.mayWrite(), context.signal);
    journal?.append({ entry: 'step', step: step.id, phase: 'done', work: { ...lastingWork(context.work) } });
    finished('done', seconds(), detail);
  } catch (error) {
    finished('failed', seconds(), whyFailed(error, context.signal));
    throw error;
  }
}

/** What breaks once the run is ended breaks because of that. */
function whyFailed(error: unknown, signal: AbortSignal): string {
  const cause: unknown = signal.aborted ? signal.reason : error;
  if (cause instanceof Interrupted) return 'stopped by the operator';
  return cause instanceof Error ? cause.message : String(cause);
}

async function ownContext(step: Step, context: RunStepsContext, emit: Emit): Promise<StepContext> {
  // Those that do without never look at it.
  const graph = step.withoutGraph === true ? (null as never) : await context.liveGraph();
  const { backup, assessment } = backupsInUse(context);
  return { ...context, graph, backup, assessment, progress: progressOf(step.id, emit) };
}

/** @returns why a step is left out of this run; null where it is not */
export function whySkipped(step: Step, { dryRun, options }: RunStepsContext): string | null {
  if (dryRun && step.writes) return 'dry run';
  if (options.only === null || step.store === undefined || step.store === options.only) return null;
  return `not asked for (--only ${options.only})`;
}

/** Milliseconds for removing the staging graph; who aborts waits less. */
const REMOVAL_MS = 30_000;
const REMOVAL_ON_ABORT_MS = 2_000;

/** Best effort: the graph server may be what failed. What stays is named by the next assessment. */
async function removeStaging({
  openGraph,
  assessment,
  stagingKey,
  notice,
  signal,
}: RunStepsContext): Promise<void> {
  const remove = async (): Promise<void> => {
    await (await openGraph()).command('remove the staging graph', 'DEL', stagingKey);
  };
  try {
    await withTimeout(remove(), signal.aborted ? REMOVAL_ON_ABORT_MS : REMOVAL_MS, 'DEL');
  } catch (error) {
    const [host = '', port = '0'] = assessment.graph.address.split(/:(?=\d+$)/);
    const address = { host, port: Number(port), tls: false };
    const { reason } = graphFailure('remove the staging graph', address, error);
    notice(
      `The staging graph "${stagingKey}" could not be removed (${reason}); it is not live and can be deleted.`,
    );
  }
}
