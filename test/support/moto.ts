import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildOnce } from '../../src/sandbox/build-once.js';
import { makeEnvironment, pipInstall } from '../../src/sandbox/pip.js';
import { findPython } from '../../src/sandbox/python.js';
import { engineEnvironment, loopback, onFreePort, ServerProcess } from '../../src/sandbox/server-process.js';

/** An S3 server that runs; its address, and how to end it. */
export interface Moto {
  endpoint: string;
  stop(): Promise<void>;
}

/**
 * Starts moto's S3 server on a free port of the loopback address. Its packages are provisioned into Lifeboat's cache
 * the first time, at locked hashes.
 */
export async function startMoto(): Promise<Moto> {
  const python = await provision();
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-moto-'));
  const { port, server } = await onFreePort('moto', 0, async (candidate) => {
    const started = ServerProcess.start({
      name: 'moto',
      command: python,
      args: ['-m', 'moto.server', '-H', loopback, '-p', String(candidate)],
      env: { ...engineEnvironment(process.env), PYTHONUNBUFFERED: '1' },
      input: '',
      logFile: join(folder, 'moto.log'),
      life: 'child',
    });
    try {
      await started.untilReady(() => answers(candidate), 60_000);
    } catch (error) {
      if (/Address already in use/i.test(started.log())) return null;
      throw error;
    }
    return { port: candidate, server: started };
  });
  return {
    endpoint: `http://${loopback}:${port}`,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function provision(): Promise<string> {
  const requirements = fileURLToPath(new URL('moto-requirements.txt', import.meta.url));
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const env = process.env;
  const named = env['LIFEBOAT_CACHE'] ?? '';
  const cache = named === '' ? join(env['HOME'] ?? homedir(), '.cache', 'lifeboat') : named;
  const folder = join(cache, `test-moto-${hash}`);
  const onProgress = (): void => undefined;
  await buildOnce({
    folder,
    what: 'the S3 server of the tests',
    isComplete: () => existsSync(join(folder, 'complete')),
    onProgress,
    build: async (draft) => {
      const found = await findPython(env);
      const installer = await makeEnvironment(found, join(draft, 'venv'), { env, onProgress });
      await pipInstall(installer, ['--no-deps', '-r', requirements], folder);
      writeFileSync(join(draft, 'complete'), '');
    },
  });
  return join(folder, 'venv', 'bin', 'python');
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://${loopback}:${port}/moto-api/`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}
