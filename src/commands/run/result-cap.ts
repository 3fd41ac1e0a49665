import { Failure } from '../../failure.js';
import type { RunStepsContext } from '../../steps/step.js';
import { NEEDED_ROWS } from '../../stores/graph/graph-store.js';

/** Failures of a read that came out short. */
const SHORT_READS: ReadonlySet<string> = new Set(['source-incomplete', 'candidate-invalid']);

/**
 * Names what most likely cut a read short where the server's result cap is below what Lifeboat pages by: looking for
 * somebody who writes, or into the server's log, would lead nowhere.
 */
export function namingResultCap(error: unknown, { assessment }: RunStepsContext): unknown {
  const cap = assessment.graph.resultCap;
  if (!(error instanceof Failure) || !SHORT_READS.has(error.code)) return error;
  if (cap === null || cap >= NEEDED_ROWS) return error;
  const { operation, subject, reason, exitCode, code } = error;
  const hint = `The graph server cuts every result at ${cap} rows without saying so, and Lifeboat reads up to ${NEEDED_ROWS} at once: GRAPH.CONFIG SET RESULTSET_SIZE -1, then run the command again.`;
  return new Failure({ operation, subject, reason, hint, exitCode, code }, { cause: error });
}
