import { Interrupted } from '../../failure.js';
import type { CheckResult, Emit, Mend } from '../../recovery/events.js';
import type { Journal } from '../../recovery/journal.js';
import { proveGraphHalf, proveVectorHalf } from '../../steps/prove-halves.js';
import type { RunStepsContext } from '../../steps/step.js';
import { runStep, stepOf } from './execute-actor.js';

/**
 * The steps of each remedy, in the order in which they run where several are wanted. All are idempotent: where there is
 * nothing to mend they change nothing.
 */
const REMEDIES: Record<Mend, readonly string[]> = {
  retry: ['await-stores'],
  'sync-drift': [
    'compare',
    'safeguard-stores',
    'repair-graph',
    'vectors-from-backup',
    'embed-missing',
    'refresh-payloads',
    'settle-drift',
  ],
  'reembed-missing': ['compare', 'safeguard-stores', 'vectors-from-backup', 'embed-missing', 'settle-drift'],
  'relationships-from-backup': ['copy-graph', 'restore-relationships'],
  'create-indexes': ['create-indexes'],
};

/** Remedies that take from a backup: it is read to its end before anything is copied or changed. */
const GRAPH_TAKERS: readonly Mend[] = ['sync-drift', 'relationships-from-backup'];
const VECTOR_TAKERS: readonly Mend[] = ['sync-drift', 'reembed-missing'];

/** Runs what the failed checks name, each remedy once. */
export async function mendChecks(
  checks: readonly CheckResult[],
  context: RunStepsContext,
  execution: {
    emit: Emit;
    journal: Journal | null;
    stopAfterStep: () => boolean;
    /** No plan was run before: the journal is told what begins here, so that the run can go on from it. */
    isFirst: boolean;
  },
): Promise<void> {
  const wanted = new Set(checks.flatMap(({ status, mend }) => (status === 'fail' && mend ? [mend] : [])));
  // A drift repair embeds what is missing too.
  if (wanted.has('sync-drift')) wanted.delete('reembed-missing');
  const mends = (Object.keys(REMEDIES) as Mend[]).filter((mend) => wanted.has(mend));
  const steps = mends.flatMap((mend) => REMEDIES[mend]).map(stepOf);
  if (execution.isFirst) {
    const backup = context.backup?.timestamp ?? null;
    const ids = steps.map(({ id }) => id);
    execution.journal?.append({ entry: 'plan', plan: 'validate --fix', steps: ids, backup });
  }
  if (GRAPH_TAKERS.some((mend) => wanted.has(mend))) await proveGraphHalf(context);
  if (VECTOR_TAKERS.some((mend) => wanted.has(mend))) await proveVectorHalf(context);
  for (const [index, step] of steps.entries()) {
    if (execution.stopAfterStep()) throw new Interrupted();
    await runStep(step, context, execution, { title: step.title, index, total: steps.length });
  }
}
