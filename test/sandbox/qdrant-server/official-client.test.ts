import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { buildOnce } from '../../../src/sandbox/build-once.js';
import { makeEnvironment, pipInstall } from '../../../src/sandbox/pip.js';
import { run } from '../../../src/sandbox/processes.js';
import { enginesFolder } from '../../../src/sandbox/provision.js';
import { findPython } from '../../../src/sandbox/python.js';
import { startServer, type TestServer } from './server-process.js';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

let server: TestServer;

beforeAll(async () => {
  server = await startServer('key');
});
afterAll(() => server.remove());

it('satisfies the typed models of the official Python client', { timeout: 600_000 }, async () => {
  const python = await clientPython();
  const args = ['-B', '-W', 'ignore', here('official_client.py'), server.url, 'key'];
  const { code, stdout, stderr } = await run(python, args, { env: process.env, timeoutMs: 60_000 });
  expect(stderr).toBe('');
  expect(stdout.trim().split('\n')).toEqual(
    ['create', 'write', 'read', 'index', 'search', 'aliases', 'snapshots', 'delete'].map(
      (name) => `ok ${name}`,
    ),
  );
  expect(code).toBe(0);
});

/** A Python with the client, from Lifeboat's cache; its packages come at locked hashes the first time. */
async function clientPython(): Promise<string> {
  const requirements = here('requirements-test.txt');
  const lock = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const env = process.env;
  const folder = join(dirname(enginesFolder(env)), `test-qdrant-client-${lock}`);
  const onProgress = (): void => undefined;
  await buildOnce({
    folder,
    what: 'the Qdrant client of the tests',
    isComplete: () => existsSync(join(folder, 'complete')),
    onProgress,
    build: async (draft) => {
      const installer = await makeEnvironment(await findPython(env), join(draft, 'venv'), {
        env,
        onProgress,
      });
      await pipInstall(installer, ['-r', requirements], folder);
      writeFileSync(join(draft, 'complete'), '');
    },
  });
  return join(folder, 'venv', 'bin', 'python');
}
