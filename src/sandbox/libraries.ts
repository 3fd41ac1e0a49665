import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { buildOnce } from './build-once.js';
import { makeEnvironment, pipInstall } from './pip.js';
import { type Environment, run } from './processes.js';
import { enginesFolder } from './provision.js';
import { findPython } from './python.js';

/** The Debian and Ubuntu packages of the shared libraries that FalkorDB's module needs. */
const packages: Record<string, string> = {
  'libgomp.so.1': 'libgomp1',
  'libssl.so.3': 'libssl3',
  'libcrypto.so.3': 'libssl3',
  'libstdc++.so.6': 'libstdc++6',
  'libgcc_s.so.1': 'libgcc-s1',
};

/**
 * A wheel that carries GNU's OpenMP library (pykdtree, 0.5 MB): the one library of FalkorDB's module that Debian and
 * Ubuntu do not install by default. For one CPython version only, as nothing but the library is taken from it.
 */
const openmpWheel = {
  requirement:
    'pykdtree==1.4.3 --hash=sha256:08d63ee594b5cd7524bfa37ab857304a775ed04b7431ed4b48169ad664d694d8',
  target: [
    '--python-version',
    '3.12',
    '--implementation',
    'cp',
    '--abi',
    'cp312',
    '--platform',
    'manylinux_2_28_x86_64',
  ],
};

/**
 * The environment with which a server finds the libraries of FalkorDB's module: empty where the system has them all.
 * Without root, a missing OpenMP library is provisioned; another one cannot be.
 *
 * @throws Failure `library-missing` with the command that installs it, or those of provisioning
 */
export async function libraryEnvironment(
  module: string,
  options: { env: Environment; onProgress: (message: string) => void },
): Promise<Record<string, string>> {
  const missing = await missingLibraries(module, options.env);
  if (missing.length === 0) return {};
  const unknown = missing.filter((library) => library !== 'libgomp.so.1');
  if (unknown.length > 0) throw libraryFailure(unknown);
  const folder = await provisionOpenmp(options);
  const before = options.env['LD_LIBRARY_PATH'];
  return { LD_LIBRARY_PATH: before === undefined || before === '' ? folder : `${folder}:${before}` };
}

/** The failure behind a server's log, if that says that a library is missing; else null. */
export function missingLibraryFailure(log: string): Failure | null {
  const missing = [...log.matchAll(/(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/g)];
  return missing.length === 0 ? null : libraryFailure(missing.map((match) => match[1] ?? ''));
}

async function missingLibraries(module: string, env: Environment): Promise<string[]> {
  const { stdout } = await run('ldd', [module], { env: { ...env, LC_ALL: 'C' }, timeoutMs: 10_000 });
  // Without ldd the list is empty, and a library that is missing is told by the server's log.
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1] ?? '');
}

async function provisionOpenmp(options: {
  env: Environment;
  onProgress: (message: string) => void;
}): Promise<string> {
  const folder = join(enginesFolder(options.env), 'openmp-1.4.3');
  const lib = join(folder, 'lib');
  await buildOnce({
    folder,
    what: 'the OpenMP library',
    isComplete: () => existsSync(join(lib, 'libgomp.so.1')),
    onProgress: options.onProgress,
    build: async (draft) => {
      options.onProgress('the system lacks libgomp1, which FalkorDB needs: provisioning one');
      const installer = await makeEnvironment(await findPython(options.env), join(draft, 'venv'), options);
      const requirements = join(draft, 'requirements.txt');
      writeFileSync(requirements, `${openmpWheel.requirement}\n`);
      const content = join(draft, 'content');
      await pipInstall(
        installer,
        ['--no-deps', ...openmpWheel.target, '--target', content, '-r', requirements],
        folder,
      );
      rmSync(join(draft, 'venv'), { recursive: true });
      const name = readdirSync(join(content, 'pykdtree.libs')).find((file) => file.startsWith('libgomp'));
      mkdirSync(join(draft, 'lib'));
      symlinkSync(join('..', 'content', 'pykdtree.libs', name ?? ''), join(draft, 'lib', 'libgomp.so.1'));
    },
  });
  return lib;
}

function libraryFailure(libraries: string[]): Failure {
  const names = [...new Set(libraries)];
  const wanted = [...new Set(names.map((name) => packages[name] ?? name))].join(' ');
  return new Failure({
    operation: "load FalkorDB's module",
    subject: names.join(', '),
    reason: `the system lacks ${names.length === 1 ? 'this library' : 'these libraries'}`,
    hint: `Install it: sudo apt-get update && sudo apt-get install -y ${wanted}`,
    exitCode: ExitCode.failed,
    code: 'library-missing',
  });
}
