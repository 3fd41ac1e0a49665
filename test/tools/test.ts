/**
 * The test command: every check in turn, up to the first that fails.
 *
 *     npm test                      everything
 *     npm test -- test/ui           every check, then the tests of these files only
 */
import { spawnSync } from 'node:child_process';

import { forgetResults, readCounts } from './results.js';

/** Scripts of package.json, in the order in which they are run: what is quick and often wrong comes first. */
const STAGES = [
  'build',
  'check:types',
  'check:lint',
  'check:format',
  'check:rooms',
  'check:unused',
  'check:tests',
] as const;

/** Runs one script on this terminal. @returns its exit code */
function run(script: (typeof STAGES)[number]): number {
  const further = script === 'check:tests' ? process.argv.slice(2) : [];
  const args = ['run', '--silent', script, '--', ...further];
  const { status, error } = spawnSync('npm', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) process.stderr.write(`npm: ${error.message}\n`);
  return status ?? 1;
}

/** Vitest passes a run whose tests were skipped; this project does not. @returns the exit code */
function refuseSkipped(): number {
  const { skipped } = readCounts();
  for (const test of skipped) process.stderr.write(`did not run: ${test}\n`);
  return skipped.length === 0 ? 0 : 1;
}

function main(): number {
  forgetResults();
  const started = performance.now();
  for (const [index, stage] of STAGES.entries()) {
    const place = `${index + 1}/${STAGES.length} ${stage}`;
    process.stdout.write(`\n=== ${place} ===\n`);
    const before = performance.now();
    const code = run(stage) || (stage === 'check:tests' ? refuseSkipped() : 0);
    const seconds = ((performance.now() - before) / 1000).toFixed(1);
    if (code !== 0) {
      process.stdout.write(`=== ${place}: FAILED after ${seconds} s ===\n`);
      return code;
    }
    process.stdout.write(`=== ${place}: ok, ${seconds} s ===\n`);
  }
  process.stdout.write(`\nAll checks passed in ${Math.round((performance.now() - started) / 1000)} s.\n`);
  return 0;
}

process.exitCode = main();
