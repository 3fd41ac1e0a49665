import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { type Environment, run } from './processes.js';
import { findOnPath } from './python.js';
import { ServerProcess } from './server-process.js';

/** The oldest versions that FalkorDB's module loads into, as major × 100 + minor. */
const oldest: Record<string, number> = { Redis: 702, Valkey: 800 };

/**
 * What a server program says with `--version`: "Redis server v=7.2.4 …" → Redis, 702. Null if it does not run here,
 * for one that was built for a newer C library.
 */
async function versionOf(
  program: string,
  env: Environment,
): Promise<{ product: string; version: number } | null> {
  const { code, stdout } = await run(program, ['--version'], { env, timeoutMs: 5000 });
  const match = code === 0 ? /^(Redis|Valkey) server v=(\d+)\.(\d+)/.exec(stdout) : null;
  return match === null
    ? null
    : { product: match[1] ?? '', version: Number(match[2]) * 100 + Number(match[3]) };
}

/** Whether a program is a server that runs here and is new enough for FalkorDB's module. */
export async function isNewEnough(program: string, env: Environment): Promise<boolean> {
  const found = await versionOf(program, env);
  return found !== null && found.version >= (oldest[found.product] ?? Infinity);
}

/**
 * A `redis-server` or `valkey-server` on the PATH that loads the module, or null. That it does is tried out once, and
 * remembered in the cache for this build of both.
 *
 * @param libraries environment that finds the module's libraries
 */
export async function serverOnPath(
  module: string,
  libraries: Record<string, string>,
  options: { env: Environment; onProgress: (message: string) => void; memoFolder: string },
): Promise<string | null> {
  for (const name of ['redis-server', 'valkey-server']) {
    const program = findOnPath(name, options.env);
    if (program === null || !(await isNewEnough(program, options.env))) continue;
    const memo = join(options.memoFolder, `loads-${fingerprint(program, module)}`);
    const loads = recall(memo) ?? (await tryModule(program, module, { ...options.env, ...libraries }));
    remember(memo, loads);
    if (loads) return program;
    options.onProgress(`${program} does not load FalkorDB's module: using another server`);
  }
  return null;
}

/** Starts the server with the module, on no port at all, and waits for it to say that it is ready. */
async function tryModule(program: string, module: string, env: Environment): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-probe-'));
  try {
    const settings = [
      `dir "${folder}"`,
      'port 0',
      `unixsocket "${folder}/socket"`,
      'save ""',
      `loadmodule "${module}"`,
    ];
    const server = ServerProcess.start({
      name: 'a server on the PATH',
      command: program,
      args: ['-'],
      env,
      input: `${settings.join('\n')}\n`,
      logFile: join(folder, 'log'),
      life: 'child',
    });
    const isReady = (): Promise<boolean> =>
      Promise.resolve(/ready to accept connections/i.test(server.log()));
    const ready = await server.untilReady(isReady, 10_000).then(
      () => true,
      () => false,
    );
    await server.kill();
    return ready;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fingerprint(...files: string[]): string {
  const facts = files.map((file) => {
    const { size, mtimeMs } = statSync(file);
    return [file, size, mtimeMs];
  });
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

function recall(memo: string): boolean | null {
  try {
    return readFileSync(memo, 'utf8') === 'yes';
  } catch {
    return null;
  }
}

function remember(memo: string, loads: boolean): void {
  try {
    mkdirSync(dirname(memo), { recursive: true, mode: 0o700 });
    writeFileSync(memo, loads ? 'yes' : 'no');
  } catch {
    // A cache that cannot be written to only costs the trial each time.
  }
}
