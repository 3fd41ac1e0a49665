import { ExitCode, Failure } from '../failure.js';
import type { CheckResult } from '../recovery/events.js';
import type { ValidationContext, Verdict } from './check.js';
import { connectivity } from './checks/connectivity.js';
import { embeddingCoverage } from './checks/embedding-coverage.js';
import { memoriesMatch } from './checks/memories-match.js';
import { relationshipIntegrity } from './checks/relationship-integrity.js';
import { searchWorks } from './checks/search-works.js';

/** The five steps, in their order. */
const CHECKS = [connectivity, memoriesMatch, relationshipIntegrity, embeddingCoverage, searchWorks] as const;

/**
 * Runs the five-step validation. A store that stops answering fails the check in hand; the others still run.
 *
 * @param tell is told each result as it comes.
 */
export async function validate(
  context: ValidationContext,
  tell: (check: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of CHECKS) {
    const { step, name } = check;
    context.signal.throwIfAborted();
    const result: CheckResult = { step, name, ...(await orFailed(() => check.run(context))) };
    results.push(result);
    tell(result);
  }
  return results;
}

/** A store that stops answering in the middle may only be restarting. */
async function orFailed(run: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return {
      status: 'fail',
      expected: 'an answer',
      actual: error.message,
      fix: error.hint,
      ...(error.exitCode === ExitCode.unreachable ? { mend: 'retry' as const } : {}),
      provesData: false,
    };
  }
}

/** A pass needs every check to pass and at least one of them to have looked at data. */
export function isPass(checks: readonly CheckResult[]): boolean {
  return (
    checks.length > 0 &&
    checks.every(({ status }) => status === 'pass') &&
    checks.some(({ provesData }) => provesData)
  );
}
