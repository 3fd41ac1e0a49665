import { ExitCode, Failure } from '../../failure.js';
import type { RunState } from '../../recovery/run-state.js';

/** Why a run cannot go on. */
export function notResumableFailure(state: RunState): Failure {
  const { header } = state;
  return new Failure({
    operation: 'continue the run',
    subject: header.run,
    reason: whyNotResumable(state),
    hint: 'Begin a new one with: lifeboat recover',
    exitCode: ExitCode.usage,
    code: 'run-not-resumable',
  });
}

function whyNotResumable({ header, status, plan }: RunState): string {
  if (header.request.dryRun) return 'it was a dry run';
  return plan === null
    ? 'it ended before its plan began, and changed nothing'
    : `it is over: ${status.replace('-', ' ')}`;
}
