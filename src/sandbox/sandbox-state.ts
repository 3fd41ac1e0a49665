import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';

import { ExitCode, Failure } from '../failure.js';
import { type Environment, startTimeOf } from './processes.js';

const engine = z.object({
  port: z.number().int(),
  pid: z.number().int(),
  /** Of the process, see `startTimeOf`: another process with the same pid is not ours to signal. */
  startTime: z.number().nullable(),
});

const state = z.object({
  version: z.literal(1),
  aof: z.boolean(),
  falkordb: engine.extend({ password: z.string().optional() }).optional(),
  qdrant: engine.extend({ apiKey: z.string().optional() }).optional(),
});

/** What is written down of a sandbox, so that another call finds it. Holds its secrets. */
export type SandboxState = z.infer<typeof state>;
export type EngineRecord = z.infer<typeof engine>;

export interface SandboxPlace {
  /** The folder of the sandbox; see `sandboxFiles` for the default. */
  dir?: string | undefined;
  env: Environment;
  /** What a relative `dir` starts from. */
  cwd: string;
}

/** The files of a sandbox. Nothing else in its folder is touched. */
export interface SandboxFiles {
  folder: string;
  state: string;
  lock: string;
  falkordb: string;
  qdrant: string;
}

/**
 * Where a sandbox is kept: the folder named by the user, or `$LIFEBOAT_STATE/sandbox`, or
 * `~/.local/state/lifeboat/sandbox`.
 *
 * @param cwd what a relative path starts from
 */
export function sandboxFiles(options: {
  dir?: string | undefined;
  env: Environment;
  cwd: string;
}): SandboxFiles {
  const { dir, env, cwd } = options;
  const root = env['LIFEBOAT_STATE'] ?? join(env['HOME'] || homedir(), '.local', 'state', 'lifeboat');
  const folder = dir === undefined ? resolve(cwd, root, 'sandbox') : resolve(cwd, dir);
  return {
    folder,
    state: join(folder, 'state.json'),
    lock: join(folder, 'lock'),
    falkordb: join(folder, 'falkordb'),
    qdrant: join(folder, 'qdrant'),
  };
}

/**
 * Reads the state. Null if there is no sandbox.
 *
 * @throws Failure `sandbox-state-unreadable`
 */
export function readState(files: SandboxFiles): SandboxState | null {
  try {
    return state.parse(JSON.parse(readFileSync(files.state, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new Failure(
      {
        operation: 'read the state of the sandbox',
        subject: files.state,
        reason: error instanceof z.ZodError || error instanceof SyntaxError ? 'it is damaged' : String(error),
        hint: `End its processes if they run (see the logs in ${files.folder}), remove the file, and try again.`,
        exitCode: ExitCode.failed,
        code: 'sandbox-state-unreadable',
      },
      { cause: error },
    );
  }
}

/** Writes the state, whole or not at all, readable by its owner only. */
export function writeState(files: SandboxFiles, content: SandboxState): void {
  mkdirSync(files.folder, { recursive: true, mode: 0o700 });
  const draft = `${files.state}.${process.pid}`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(draft, files.state);
}

/** Whether the process that was written down still runs, and is not another one that was given its pid. */
export function isRecordAlive<T extends EngineRecord>(record: T | undefined): record is T {
  return record !== undefined && record.startTime !== null && startTimeOf(record.pid) === record.startTime;
}
