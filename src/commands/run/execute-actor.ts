import { ExitCode, Failure, Interrupted } from '../../failure.js';
import type { PlanOption } from '../../plans/types.js';
import type { Emit } from '../../recovery/events.js';
import type { Step, StepContext } from '../../steps/step.js';
import { STEPS } from '../../steps/registry.js';
import { graphFailure, withTimeout } from '../../stores/graph/connection.js';

const PROGRESS_MS = 100;

/** What stops a run: gently after the step in hand, or at once through the context's signal. */
export interface StopRequest {
  readonly afterStep: () => boolean;
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
 * Runs the steps of a plan in order. Until the promotion, a failure or an interruption leaves both stores as they were:
 * the staging graph is removed.
 */
export async function executePlan(
  plan: PlanOption,
  context: Omit<StepContext, 'progress'>,
  emit: Emit,
  stop: StopRequest,
): Promise<void> {
  try {
    for (const [index, { id, title }] of plan.steps.entries()) {
      // Once the new graph is live, the short rest is finished: stopping there would leave it uncounted.
      if (stop.afterStep() && !context.work.promoted) throw new Interrupted();
      const step = STEPS.get(id);
      if (step === undefined) throw new Error(`the plan names the step "${id}", which does not exist`);
      await runStep(step, context, emit, { title, index, total: plan.steps.length });
    }
  } catch (error) {
    if (!context.work.promoted && !context.dryRun) await removeStaging(context);
    throw context.signal.aborted ? new Interrupted() : error;
  }
}

/** Gives up waiting as soon as the operator aborts, whatever the work itself still waits for. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Work that was left behind fails when its connections close; nobody waits for that.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function runStep(
  step: Step,
  context: Omit<StepContext, 'progress'>,
  emit: Emit,
  place: { title: string; index: number; total: number },
): Promise<void> {
  const { title } = place;
  emit({ type: 'step.started', step: step.id, ...place, index: place.index + 1 });
  if (context.dryRun && step.writes) {
    emit({ type: 'step.finished', step: step.id, title, outcome: 'skipped', seconds: 0, detail: 'dry run' });
    return;
  }
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  try {
    const work = step.run({ ...context, progress: progressOf(step.id, emit) });
    const detail = await (step.isSwap === true ? work : unlessAborted(work, context.signal));
    emit({ type: 'step.finished', step: step.id, title, outcome: 'done', seconds: seconds(), detail });
  } catch (error) {
    const detail = context.signal.aborted
      ? 'stopped by the operator'
      : error instanceof Error
        ? error.message
        : String(error);
    emit({ type: 'step.finished', step: step.id, title, outcome: 'failed', seconds: seconds(), detail });
    throw error;
  }
}

/** Milliseconds for removing the staging graph; who aborts waits less. */
const REMOVAL_MS = 30_000;
const REMOVAL_ON_ABORT_MS = 2_000;

/** Best effort: the graph server may be what failed. What stays is named by the next assessment. */
async function removeStaging({
  openGraph,
  graph,
  stagingKey,
  notice,
  signal,
}: Omit<StepContext, 'progress'>): Promise<void> {
  const remove = async (): Promise<void> => {
    await (await openGraph()).command('remove the staging graph', 'DEL', stagingKey);
  };
  try {
    await withTimeout(remove(), signal.aborted ? REMOVAL_ON_ABORT_MS : REMOVAL_MS, 'DEL');
  } catch (error) {
    const { reason } = graphFailure('remove the staging graph', graph.address, error);
    notice(
      `The staging graph "${stagingKey}" could not be removed (${reason}); it is not live and can be deleted.`,
    );
  }
}

/** Memory that a second copy of the graph needs, per byte of payload or backup; measured with generated populations. */
const BYTES_PER_NODE = 4_000;

/**
 * Proves what can be proven before the first change: that the server has memory for a second graph beside the first.
 *
 * @throws Failure `out-of-memory`
 */
export function checkMemory(
  context: Omit<StepContext, 'progress'>,
  server: { usedMemory: number; maxMemory: number } | null,
): void {
  if (server === null || server.maxMemory === 0) return;
  const needed = context.assessment.vectors.points * BYTES_PER_NODE;
  const free = server.maxMemory - server.usedMemory;
  if (needed <= free) return;
  const mb = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;
  throw new Failure({
    operation: 'make room for the new graph beside the old one',
    subject: `${context.graph.address.host}:${context.graph.address.port}`,
    reason: `it needs about ${mb(needed)}, and the server has ${mb(free)} left of its maxmemory of ${mb(server.maxMemory)}`,
    hint: 'Raise maxmemory (CONFIG SET maxmemory) or the size of the machine, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'out-of-memory',
  });
}
