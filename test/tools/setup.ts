import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureEngines } from '../../src/sandbox/engines.js';
import { BUILT } from '../support/cli.js';

/** What no single test file should wait for: the engines in the cache, and the program as users run it. */
export async function setup(): Promise<void> {
  await Promise.all([provision(), build()]);
}

/** The download has no test's time limit. */
async function provision(): Promise<void> {
  await ensureEngines({
    env: process.env,
    onProgress: (message) => void process.stdout.write(`${message}\n`),
  });
}

/** Without checking types: that is a stage of its own. */
async function build(): Promise<void> {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const args = ['-p', 'tsconfig.build.json', '--noCheck', '--incremental', 'false', '--outDir', BUILT];
  await promisify(execFile)(process.execPath, [tsc, ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
}
