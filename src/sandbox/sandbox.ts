import { mkdirSync, rmdirSync, rmSync } from 'node:fs';

import { type LockOptions, withLock } from './lock-file.js';
import { isQdrantReady } from './qdrant-server.js';
import { askRedis } from './redis-probe.js';
import { end } from './sandbox-end.js';
import { infoOf, type SandboxInfo, variablesOf } from './sandbox-info.js';
import { bringUp, refuseOtherSettings, type SandboxUpOptions, untilBothAnswer } from './sandbox-start.js';
import {
  type EngineRecord,
  isRecordAlive,
  readState,
  sandboxFiles,
  type SandboxPlace,
  type SandboxState,
} from './sandbox-state.js';
import { loopback } from './server-process.js';

export interface SandboxStatus {
  /** `partly`: one of the two engines does not run or does not answer. */
  state: 'up' | 'partly' | 'down';
  falkordb: { running: boolean; answers: boolean; port?: number; pid?: number };
  qdrant: { running: boolean; answers: boolean; port?: number; pid?: number };
  dataDir: string;
  /** Of the engines that run. */
  variables: Record<string, string>;
}

/**
 * Starts FalkorDB and Qdrant so that they go on after this process. An engine that runs already is left as it is; one
 * that ended, or was killed, is started on its data again, on its former port if that is free.
 *
 * @throws Failure `sandbox-differs` if it runs with other settings than asked for; those of `ensureEngines`,
 *   `startFalkordb` and `startQdrant`
 */
export async function sandboxUp(options: SandboxUpOptions): Promise<SandboxInfo & { alreadyUp: boolean }> {
  const files = sandboxFiles(options);
  mkdirSync(files.folder, { recursive: true, mode: 0o700 });
  return await withLock(files.lock, lockOptions('start the sandbox', options.onProgress), async () => {
    const before = readState(files);
    const running = { falkordb: isRecordAlive(before?.falkordb), qdrant: isRecordAlive(before?.qdrant) };
    if (before !== null) refuseOtherSettings(before, running, options);
    const state: SandboxState = { ...before, version: 1, aof: options.aof ?? before?.aof ?? false };
    const alreadyUp = running.falkordb && running.qdrant;
    if (!alreadyUp) await bringUp(files, state, running, options);
    await untilBothAnswer(files, state);
    return { ...infoOf(files, state), alreadyUp };
  });
}

/** Whether a sandbox's engines run and answer. Changes nothing. */
export async function sandboxStatus(place: SandboxPlace): Promise<SandboxStatus> {
  const files = sandboxFiles(place);
  const state = readState(files);
  const falkordb = isRecordAlive(state?.falkordb) ? state.falkordb : undefined;
  const qdrant = isRecordAlive(state?.qdrant) ? state.qdrant : undefined;
  const [graph, vectorsReady] = await Promise.all([
    falkordb && askRedis({ host: loopback, port: falkordb.port, password: falkordb.password }),
    qdrant && isQdrantReady({ host: loopback, port: qdrant.port }),
  ]);
  const answers = { falkordb: graph?.ready ?? false, qdrant: vectorsReady ?? false };
  const up = answers.falkordb && answers.qdrant;
  return {
    state: up ? 'up' : falkordb || qdrant ? 'partly' : 'down',
    falkordb: { ...addressOf(falkordb), answers: answers.falkordb },
    qdrant: { ...addressOf(qdrant), answers: answers.qdrant },
    dataDir: files.folder,
    variables: variablesOf({ falkordb, qdrant }),
  };
}

/**
 * Ends a sandbox's engines and removes their data and logs, unless they are to be kept for a later `up`.
 *
 * @returns whether there was anything to end
 * @throws Failure `engine-not-stopped` if an engine outlives SIGKILL by 10 s
 */
export async function sandboxDown(
  options: SandboxPlace & { keepData: boolean; onProgress: (message: string) => void },
): Promise<{ wasUp: boolean; dataDir: string }> {
  const files = sandboxFiles(options);
  if (readState(files) === null) return { wasUp: false, dataDir: files.folder };
  const wasUp = await withLock(files.lock, lockOptions('end the sandbox', options.onProgress), async () => {
    const state = readState(files);
    const records = [state?.falkordb, state?.qdrant].filter(isRecordAlive);
    await Promise.all(records.map((record) => end(record, { orderly: options.keepData })));
    if (!options.keepData) {
      for (const path of [files.falkordb, files.qdrant, files.state])
        rmSync(path, { recursive: true, force: true });
    }
    return records.length > 0;
  });
  if (!options.keepData) removeIfEmpty(files.folder);
  return { wasUp, dataDir: files.folder };
}

function addressOf(record: EngineRecord | undefined): { running: boolean; port?: number; pid?: number } {
  return record === undefined ? { running: false } : { running: true, port: record.port, pid: record.pid };
}

function lockOptions(operation: string, onProgress: (message: string) => void): LockOptions {
  return {
    operation,
    // As long as a first `up` may take to provision the engines.
    timeoutMs: 20 * 60_000,
    onWait: ({ pid }) => onProgress(`waiting for process ${pid}, which is starting or ending this sandbox`),
  };
}

/** A folder that the user named may hold other things. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty, or gone already: either is fine.
  }
}
