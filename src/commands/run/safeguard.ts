import { ExitCode, Failure } from '../../failure.js';
import type { PlanOption } from '../../plans/types.js';
import { proveGraphRights } from '../../steps/graph-rights.js';
import type { RunStepsContext, Step } from '../../steps/step.js';
import { stepOf, whySkipped } from './execute-actor.js';

/** Memory that a second copy of the graph needs, per memory; measured with generated populations. */
const BYTES_PER_MEMORY = 4_000;

/** Steps that make a second graph beside the first. */
const COPIES_GRAPH: ReadonlySet<string> = new Set(['stage-nodes', 'copy-graph', 'safeguard-stores']);

/** What is known of the graph server's memory; null where it does not tell. */
type Memory = { usedMemory: number; maxMemory: number } | null;

/**
 * Proves what can be proven before the first change: that the server has memory for a second graph beside the first, where
 * the plan makes one, and that its user may do what the plan needs.
 *
 * @throws Failure `out-of-memory` or `forbidden`
 */
export async function safeguard(plan: PlanOption, context: RunStepsContext, server: Memory): Promise<void> {
  const steps = plan.steps.map(({ id }) => stepOf(id)).filter((step) => isAskedFor(step, context));
  if (steps.some(({ id }) => COPIES_GRAPH.has(id))) proveMemory(context, server);
  // A dry run sends nothing that could change anything. Where the graph is to come back first, the plan waits for its server.
  if (context.dryRun || context.assessment.graph.state === 'unreachable') return;
  await proveGraphRights(
    steps.filter((step) => whySkipped(step, context) === null),
    context,
  );
}

/** A dry run tells whether the run itself would have room: steps that only it leaves out count. */
function isAskedFor(step: Step, context: RunStepsContext): boolean {
  return whySkipped(step, { ...context, dryRun: false }) === null;
}

function proveMemory({ assessment, work }: RunStepsContext, server: Memory): void {
  // Once it is live, the new graph is part of what is used.
  if (server === null || server.maxMemory === 0 || work.promoted) return;
  const inBackup = assessment.backups.newest?.counts?.memories ?? 0;
  const needed = Math.max(assessment.vectors.points, assessment.graph.memories, inBackup) * BYTES_PER_MEMORY;
  const free = server.maxMemory - server.usedMemory;
  if (needed <= free) return;
  const mb = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;
  throw new Failure({
    operation: 'make room for the new graph beside the old one',
    subject: assessment.graph.address,
    reason: `it needs about ${mb(needed)}, and the server has ${mb(free)} left of its maxmemory of ${mb(server.maxMemory)}`,
    hint: 'Raise maxmemory (CONFIG SET maxmemory) or the size of the machine, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'out-of-memory',
  });
}
