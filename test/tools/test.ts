/**
 * The test command: every check in turn, up to the first that fails.
 *
 *     npm test                      everything
 *     npm test -- test/ui           every check, then the tests of these files only
 */
import { spawn } from 'node:child_process';

import { forgetResults, readCounts } from './results.js';

/** Scripts of package.json, one group after the other; those of a group run at the same time. */
const GROUPS = [
  ['build'],
  ['check:types', 'check:lint', 'check:format', 'check:rooms', 'check:unused'],
  ['check:tests'],
] as const;

type Stage = (typeof GROUPS)[number][number];

/** Runs one script. What it says comes at its end where others run beside it. @returns its exit code */
async function run(script: Stage, isAlone: boolean): Promise<number> {
  const further = script === 'check:tests' ? process.argv.slice(2) : [];
  const args = ['run', '--silent', script, '--', ...further];
  const started = performance.now();
  if (isAlone) process.stdout.write(`\n=== ${script} ===\n`);
  const child = spawn('npm', args, { stdio: isAlone ? ['ignore', 'inherit', 'inherit'] : 'pipe' });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = await new Promise<number>((resolve) => {
    child.once('error', (error) => {
      said += `npm: ${error.message}\n`;
      resolve(1);
    });
    child.once('close', (status) => resolve(status ?? 1));
  });
  const code = ended || (script === 'check:tests' ? refuseSkipped() : 0);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${said}=== ${script}: ${code === 0 ? 'ok,' : 'FAILED after'} ${seconds} s ===\n`);
  return code;
}

/** Vitest passes a run whose tests were skipped; this project does not. @returns the exit code */
function refuseSkipped(): number {
  const { skipped } = readCounts();
  for (const test of skipped) process.stderr.write(`did not run: ${test}\n`);
  return skipped.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  forgetResults();
  const started = performance.now();
  for (const group of GROUPS) {
    const codes = await Promise.all(group.map((script) => run(script, group.length === 1)));
    const failed = codes.find((code) => code !== 0);
    if (failed !== undefined) return failed;
  }
  process.stdout.write(`\nAll checks passed in ${Math.round((performance.now() - started) / 1000)} s.\n`);
  return 0;
}

process.exitCode = await main();
