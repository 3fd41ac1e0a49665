import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureEngines } from '../../src/sandbox/engines.js';
import { BUILT } from '../support/cli.js';
import { makeScratch } from './scratch.js';

/**
 * What no single test file should wait for: the engines in the cache, and the program as users run it.
 *
 * @returns what ends the run
 */
export async function setup(): Promise<() => void> {
  await Promise.all([provision(), build()]);
  // Compiled once for all processes of the program, also for those that have a temporary folder of their own.
  process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');
  const { folder, remove } = makeScratch();
  // The processes that run the test files begin after this.
  process.env['TMPDIR'] = folder;
  return remove;
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
