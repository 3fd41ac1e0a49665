import { ExitCode } from '../failure.js';
import { type Engines, ensureEngines } from './engines.js';
import { startFalkordb } from './falkordb-server.js';
import { sleep, startTimeOf } from './processes.js';
import { isQdrantReady, startQdrant } from './qdrant-server.js';
import { askRedis } from './redis-probe.js';
import { end, sandboxFailure } from './sandbox-end.js';
import {
  type EngineRecord,
  isRecordAlive,
  type SandboxFiles,
  type SandboxPlace,
  type SandboxState,
  writeState,
} from './sandbox-state.js';
import { isPortFree, loopback } from './server-process.js';

export interface SandboxUpOptions extends SandboxPlace {
  onProgress: (message: string) => void;
  /** AOF on, as AutoMem's compose file sets it. Default: as it was, else off. */
  aof?: boolean | undefined;
  /** Default: as it was, else none. */
  falkordbPassword?: SecretWish | undefined;
  /** Default: as it was, else none. */
  qdrantApiKey?: SecretWish | undefined;
}

/** A secret that the engine is to ask for. */
export interface SecretWish {
  value: string;
  /** If the sandbox has one already, that one will do. */
  unlessSet: boolean;
}

/** The secret that an engine gets: as wished, else the one it had. */
function settle(wish: SecretWish | undefined, former: string | undefined): string | undefined {
  return wish === undefined || wish.unlessSet ? (former ?? wish?.value) : wish.value;
}

/** Starts what does not run. If one cannot be started, the other is not left running on its own. */
export async function bringUp(
  files: SandboxFiles,
  state: SandboxState,
  running: { falkordb: boolean; qdrant: boolean },
  options: SandboxUpOptions,
): Promise<void> {
  const engines = await ensureEngines({ env: options.env, onProgress: options.onProgress });
  // One after the other would cost the sum of their times.
  const both = await Promise.allSettled([
    running.falkordb ? null : bringUpFalkordb(engines, files, state, options),
    running.qdrant ? null : bringUpQdrant(engines, files, state, options),
  ]);
  const failed = both.find((result) => result.status === 'rejected');
  if (failed === undefined) return;
  const started = [running.falkordb ? undefined : state.falkordb, running.qdrant ? undefined : state.qdrant];
  await Promise.all(started.filter(isRecordAlive).map((record) => end(record, { orderly: true })));
  throw failed.reason;
}

async function bringUpFalkordb(
  engines: Engines,
  files: SandboxFiles,
  state: SandboxState,
  options: SandboxUpOptions,
): Promise<void> {
  const password = settle(options.falkordbPassword, state.falkordb?.password);
  options.onProgress('starting FalkorDB');
  await startFalkordb(engines, {
    dataDir: files.falkordb,
    port: await formerPort(state.falkordb),
    password,
    aof: state.aof,
    life: 'detached',
    env: options.env,
    // Written down before it answers: if this process is killed now, the next one still finds it.
    onSpawned: ({ pid, port }) => {
      state.falkordb = {
        pid,
        port,
        startTime: startTimeOf(pid),
        ...(password === undefined ? {} : { password }),
      };
      writeState(files, state);
    },
  });
}

async function bringUpQdrant(
  engines: Engines,
  files: SandboxFiles,
  state: SandboxState,
  options: SandboxUpOptions,
): Promise<void> {
  const apiKey = settle(options.qdrantApiKey, state.qdrant?.apiKey);
  options.onProgress('starting Qdrant');
  await startQdrant(engines, {
    dataDir: files.qdrant,
    port: await formerPort(state.qdrant),
    apiKey,
    life: 'detached',
    env: options.env,
    onSpawned: ({ pid, port }) => {
      state.qdrant = { pid, port, startTime: startTimeOf(pid), ...(apiKey === undefined ? {} : { apiKey }) };
      writeState(files, state);
    },
  });
}

/** The port it had, so that shells that know it go on working; 0 if there was none or it is taken. */
async function formerPort(record: EngineRecord | undefined): Promise<number> {
  return record !== undefined && (await isPortFree(record.port)) ? record.port : 0;
}

/** An engine that was found running may still be loading its data. */
export async function untilBothAnswer(files: SandboxFiles, state: SandboxState): Promise<void> {
  const timeoutMs = 60_000;
  const deadline = performance.now() + timeoutMs;
  const { falkordb, qdrant } = state;
  if (falkordb === undefined || qdrant === undefined)
    throw new Error('An engine is up that is not written down');
  const graph = { host: loopback, port: falkordb.port, password: falkordb.password };
  while (!((await askRedis(graph)).ready && (await isQdrantReady({ host: loopback, port: qdrant.port })))) {
    if (performance.now() > deadline) {
      throw sandboxFailure({
        operation: 'reach the sandbox',
        subject: files.folder,
        reason: `an engine runs, but did not answer within ${timeoutMs / 1000} s`,
        hint: 'Read falkordb/falkordb.log and qdrant/qdrant.log there, or start afresh: lifeboat sandbox down',
        code: 'engine-timeout',
      });
    }
    await sleep(100);
  }
}

/** An engine that runs cannot be given other settings; saying nothing would let the caller believe it has them. */
export function refuseOtherSettings(
  state: SandboxState,
  running: { falkordb: boolean; qdrant: boolean },
  wanted: SandboxUpOptions,
): void {
  const { falkordb, qdrant } = state;
  const differs = (wish: SecretWish | undefined, former: string | undefined): boolean =>
    settle(wish, former) !== former;
  const names = [
    running.falkordb && wanted.aof !== undefined && wanted.aof !== state.aof ? '--aof' : '',
    running.falkordb && differs(wanted.falkordbPassword, falkordb?.password) ? '--falkordb-password' : '',
    running.qdrant && differs(wanted.qdrantApiKey, qdrant?.apiKey) ? '--qdrant-api-key' : '',
  ].filter((name) => name !== '');
  if (names.length === 0) return;
  throw sandboxFailure({
    operation: 'start the sandbox',
    subject: names.join(', '),
    reason: 'it is up already, with other settings',
    hint: 'End it first (lifeboat sandbox down --keep-data), then start it again with these settings.',
    code: 'sandbox-differs',
    exitCode: ExitCode.usage,
  });
}
