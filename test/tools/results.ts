import { readFileSync, rmSync } from 'node:fs';

/** Where vitest.config.ts has the JSON reporter write to, from the repository's root. */
export const RESULTS_FILE = 'test-results/vitest.json';

export interface Counts {
  passed: number;
  /** Includes tests that were skipped or left to do: a test that did not run proves nothing. */
  failed: number;
  /** Names of the tests that did not run. */
  skipped: string[];
}

/** What the JSON reporter of vitest writes, as far as it is read here. */
interface Report {
  success: boolean;
  testResults: {
    name: string;
    status: string;
    assertionResults: { fullName: string; status: string }[];
  }[];
}

/** Removes the results of an earlier run, so that they are never taken for those of this one. */
export function forgetResults(): void {
  rmSync(RESULTS_FILE, { force: true });
}

/** Counts the tests of the last run. @throws where there was none, or its results cannot be read */
export function readCounts(): Counts {
  return countTests(JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as Report);
}

function countTests({ success, testResults }: Report): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: [] };
  for (const { name, status, assertionResults } of testResults) {
    const failedBefore = counts.failed;
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed++;
      else counts.failed++;
      if (test.status !== 'passed' && test.status !== 'failed')
        counts.skipped.push(`${name}: ${test.fullName}`);
    }
    // A file that cannot be loaded, or whose hooks fail, may have no failed test of its own.
    if (status !== 'passed' && counts.failed === failedBefore) counts.failed++;
  }
  // Errors outside every test and an empty run are failures, too.
  if (counts.failed === 0 && (!success || counts.passed === 0)) counts.failed = 1;
  return counts;
}
