import { ensureEngines } from '../../src/sandbox/engines.js';

/** Has the engines in the cache before the first test file asks for them: the download has no test's time limit. */
export async function setup(): Promise<void> {
  await ensureEngines({
    env: process.env,
    onProgress: (message) => void process.stdout.write(`${message}\n`),
  });
}
