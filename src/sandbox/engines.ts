import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { libraryEnvironment } from './libraries.js';
import { packageRoot } from './package-root.js';
import type { Environment } from './processes.js';
import { enginesFolder, provision, type Provisioned } from './provision.js';
import { findOnPath } from './python.js';
import { isNewEnough, serverOnPath } from './redis-servers.js';

/** Where the engines are on this machine. All paths are absolute. */
export interface Engines {
  /** A Redis or Valkey server that loads FalkorDB's module. */
  redisServer: string;
  /** `falkordb.so` */
  falkordbModule: string;
  /** Set for the server, so that the module finds its libraries. */
  libraryEnvironment: Record<string, string>;
  qdrant: QdrantProgram;
}

/** Qdrant's own server, or its engine behind the REST server in `qdrant-server/`. */
type QdrantProgram =
  { kind: 'binary'; command: string } | { kind: 'embedded'; python: string; script: string };

export interface EnsureOptions {
  /** PATH, HOME, LIFEBOAT_CACHE, and what pip reads of mirrors and proxies. */
  env: Environment;
  /** Called with each thing that is done, in words for a person. Default: says nothing. */
  onProgress?: (message: string) => void;
  /** Another requirements file than the Qdrant server's. */
  requirements?: string;
}

/**
 * Finds the engines, and provisions what is not on this machine yet. In order: programs on the PATH (`redis-server` >=
 * 7.2 or `valkey-server` >= 8 that loads the module, `qdrant`), the server that is packaged with the module, the one in
 * the cache.
 *
 * @throws Failure `falkordb-module-missing`, `library-missing`, or those of {@link provision}
 */
export async function ensureEngines(options: EnsureOptions): Promise<Engines> {
  const { env, onProgress = () => undefined, requirements } = options;
  const common = { env, onProgress };
  let cached: Promise<Provisioned> | undefined;
  const fromCache = (): Promise<Provisioned> =>
    (cached ??= provision({ ...common, ...(requirements === undefined ? {} : { requirements }) }));

  const falkordbModule = findModule();
  const libraries = await libraryEnvironment(falkordbModule, common);
  const memoFolder = enginesFolder(env);
  const packaged = join(dirname(falkordbModule), 'redis-server');
  const redisServer =
    (await serverOnPath(falkordbModule, libraries, { ...common, memoFolder })) ??
    ((await isNewEnough(packaged, env)) ? packaged : (await fromCache()).valkeyServer);
  return {
    redisServer,
    falkordbModule,
    libraryEnvironment: libraries,
    qdrant: await findQdrant(env, fromCache),
  };
}

async function findQdrant(env: Environment, fromCache: () => Promise<Provisioned>): Promise<QdrantProgram> {
  const command = findOnPath('qdrant', env);
  if (command !== null) return { kind: 'binary', command };
  const { python } = await fromCache();
  return {
    kind: 'embedded',
    python,
    script: join(packageRoot(), 'src/sandbox/qdrant-server/server.py'),
  };
}

function findModule(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('@falkordblite/linux-x64/package.json');
    return join(dirname(manifest), 'bin', 'falkordb.so');
  } catch (error) {
    const system = `${process.platform} on ${process.arch}`;
    const here = process.platform === 'linux' && process.arch === 'x64';
    throw new Failure(
      {
        operation: 'find the FalkorDB engine',
        subject: '@falkordblite/linux-x64',
        reason: here
          ? 'this optional npm package is not installed'
          : `the embedded FalkorDB exists for Linux on x64 only, and this is ${system}`,
        hint: here
          ? 'Install it: npm install --include=optional'
          : 'Run a FalkorDB of your own, and name it: export FALKORDB_HOST=… FALKORDB_PORT=…',
        exitCode: ExitCode.failed,
        code: 'falkordb-module-missing',
      },
      { cause: error },
    );
  }
}
