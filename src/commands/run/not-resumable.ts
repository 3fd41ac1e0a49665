import { ExitCode, Failure } from '../../failure.js';
import { hasRefused, type RunState } from '../../recovery/run-state.js';

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

function whyNotResumable(state: RunState): string {
  const { header, status, plan } = state;
  if (header.request.dryRun) return 'it was a dry run';
  if (hasRefused(state)) return 'it refused and changed nothing: going on, it would refuse again';
  return plan === null
    ? 'it ended before its plan began, and changed nothing'
    : `it is over: ${status.replace('-', ' ')}`;
}
