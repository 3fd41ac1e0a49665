import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { type Environment, run } from './processes.js';

/** A Python that can make the engines' environment. */
export interface Python {
  /** Absolute path. */
  executable: string;
  /** "3.11" */
  version: string;
  /** Whether it can bring pip into a new environment by itself; Debian splits that off into python3-venv. */
  hasEnsurepip: boolean;
}

const question = `
import importlib.util as u, json, sys
print(json.dumps({"executable": sys.executable, "version": list(sys.version_info[:2]),
  "venv": u.find_spec("venv") is not None, "ensurepip": u.find_spec("ensurepip") is not None}))`;

/**
 * Finds a Python >= 3.10 with the venv module: `python3`, else one with its version in its name. One that the wheels are
 * known to exist for (up to 3.14) is preferred to a newer one.
 *
 * @throws Failure `python-missing`, `python-too-old` or `python-venv-missing`, with the command that brings it
 */
export async function findPython(env: Environment): Promise<Python> {
  const rejected: { path: string; version: string; venv: boolean }[] = [];
  let newer: Python | null = null;
  for (const name of ['python3', ...[14, 13, 12, 11, 10].map((minor) => `python3.${minor}`)]) {
    const path = findOnPath(name, env);
    const answer = path === null ? null : await ask(path, env);
    if (path === null || answer === null) continue;
    const [major, minor] = answer.version;
    const version = `${major}.${minor}`;
    const python = { executable: answer.executable, version, hasEnsurepip: answer.ensurepip };
    if (major !== 3 || minor < 10 || !answer.venv) rejected.push({ path, version, venv: answer.venv });
    else if (minor <= 14) return python;
    else newer ??= python;
  }
  if (newer !== null) return newer;
  throw pythonFailure(rejected);
}

/** The first executable file of this name on the PATH, or null. */
export function findOnPath(name: string, env: Environment): string | null {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return null;
}

/** Whether this is a file that may be executed. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

interface Answer {
  executable: string;
  version: [number, number];
  venv: boolean;
  ensurepip: boolean;
}

async function ask(path: string, env: Environment): Promise<Answer | null> {
  const { code, stdout } = await run(path, ['-I', '-c', question], { env, timeoutMs: 20_000 });
  return code === 0 ? (JSON.parse(stdout) as Answer) : null; // A version manager's stub for what is not installed fails.
}

function pythonFailure(rejected: { path: string; version: string; venv: boolean }[]): Failure {
  const facts = { operation: 'provision the engines', exitCode: ExitCode.failed };
  const install = 'sudo apt-get update && sudo apt-get install -y python3 python3-venv';
  const lacksVenv = rejected.find(({ venv, version }) => !venv && Number(version.split('.')[1]) >= 10);
  if (lacksVenv !== undefined) {
    return new Failure({
      ...facts,
      subject: lacksVenv.path,
      reason: `this Python ${lacksVenv.version} lacks its venv module`,
      hint: `Install it: ${install}`,
      code: 'python-venv-missing',
    });
  }
  const first = rejected[0];
  if (first !== undefined) {
    return new Failure({
      ...facts,
      subject: first.path,
      reason: `it is Python ${first.version}, and the engines need Python 3.10 or newer`,
      hint: `Install a newer one: ${install} (Debian 12, Ubuntu 22.04 or newer), and put it on the PATH.`,
      code: 'python-too-old',
    });
  }
  return new Failure({
    ...facts,
    subject: 'python3',
    reason: 'there is no python3 on the PATH, and the engines need Python 3.10 or newer',
    hint: `Install it: ${install}`,
    code: 'python-missing',
  });
}
