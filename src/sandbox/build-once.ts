import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { withLock } from './lock-file.js';
import { startTimeOf } from './processes.js';

export interface BuildOptions {
  /** Absolute path of the folder to be there in the end. */
  folder: string;
  /** What is built, for messages: "the engines". */
  what: string;
  /** Whether the folder is there and usable. */
  isComplete: () => boolean;
  /** Fills an empty folder, which is then renamed: nothing in it may depend on its own path. */
  build: (folder: string) => Promise<void>;
  onProgress: (message: string) => void;
}

/**
 * Has a folder built once, whoever asks first. It appears under its name whole or not at all: it is built beside and
 * renamed, so that a builder that is killed, or two at once, cannot leave a broken one. The lock only saves the second
 * builder the work.
 *
 * @throws Failure `disk-full`, `cache-not-writable`, `lock-timeout`, and what `build` throws
 */
export async function buildOnce(options: BuildOptions): Promise<void> {
  if (options.isComplete()) return;
  try {
    mkdirSync(dirname(options.folder), { recursive: true, mode: 0o700 });
    const lock = {
      operation: `provision ${options.what}`,
      timeoutMs: 20 * 60_000,
      onWait: (holder: { pid: number }) => {
        options.onProgress(
          `waiting for process ${holder.pid}, which is provisioning ${options.what} already`,
        );
      },
    };
    await withLock(`${options.folder}.lock`, lock, async () => {
      if (!options.isComplete()) await build(options);
    });
  } catch (error) {
    throw storageFailure(error, options) ?? error;
  }
}

async function build(options: BuildOptions): Promise<void> {
  removeLeftovers(options.folder);
  const draft = `${options.folder}.building-${process.pid}-${randomUUID().slice(0, 8)}`;
  try {
    mkdirSync(draft, { mode: 0o700 });
    await options.build(draft);
    // Something unusable is in the way only if the folder was damaged after it was built.
    if (!options.isComplete()) {
      rmSync(options.folder, { recursive: true, force: true });
      renameSync(draft, options.folder);
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Removes what builders that were killed left behind. */
function removeLeftovers(folder: string): void {
  const prefix = `${basename(folder)}.building-`;
  for (const name of readdirSync(dirname(folder))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (startTimeOf(pid) === null) rmSync(join(dirname(folder), name), { recursive: true, force: true });
  }
}

function storageFailure(error: unknown, options: BuildOptions): Failure | null {
  if (!(error instanceof Error && 'code' in error) || error instanceof Failure) return null;
  const facts = {
    operation: `provision ${options.what}`,
    subject: options.folder,
    exitCode: ExitCode.failed,
  };
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT')
    return diskFull(options.what, options.folder, error);
  if (error.code === 'EACCES' || error.code === 'EROFS' || error.code === 'EPERM') {
    const hint =
      'Set LIFEBOAT_CACHE to a folder that you may write to: export LIFEBOAT_CACHE="$HOME/lifeboat-cache"';
    return new Failure(
      {
        ...facts,
        reason: `the folder cannot be written to (${error.code})`,
        hint,
        code: 'cache-not-writable',
      },
      { cause: error },
    );
  }
  return null;
}

/** The failure of a full disk, wherever it is noticed. */
export function diskFull(what: string, folder: string, cause: unknown): Failure {
  return new Failure(
    {
      operation: `provision ${what}`,
      subject: folder,
      reason: 'the disk is full',
      hint: 'Make room (about 300 MB), or name a folder on another disk: export LIFEBOAT_CACHE=/path/to/folder',
      exitCode: ExitCode.failed,
      code: 'disk-full',
    },
    { cause },
  );
}
