import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { ExitCode, Failure } from '../failure.js';
import { forgetFuture, newState, parseState, type DaemonState } from './state.js';

/** The name of the daemon's memory in the state folder. */
const STATE_FILE = 'daemon.json';

export interface OpenedState {
  state: DaemonState;
  /** A file that could not be read, where it lies now, and why; null where there was none. */
  aside: { path: string; reason: string } | null;
}

/**
 * The daemon's memory. A file that is none is put aside, not deleted, and a new one is begun: backups are worth more than
 * the counters of them.
 *
 * @throws Failure (exit 1) where the folder cannot be used
 */
export async function openState(folder: string, now: Date): Promise<OpenedState> {
  const path = join(folder, STATE_FILE);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const text = await textOf(path);
    if (text === null) return { state: newState(now), aside: null };
    const state = parseState(text);
    if (typeof state !== 'string') return { state: forgetFuture(state, now), aside: null };
    const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const aside = `${path}.unreadable-${stamp}`;
    await rename(path, aside);
    return { state: newState(now), aside: { path: aside, reason: state } };
  } catch (error) {
    throw unusable(path, error);
  }
}

/**
 * Puts the memory on the disk: under its name, whole, or not at all.
 *
 * @throws Failure (exit 1)
 */
export async function saveState(folder: string, state: DaemonState): Promise<void> {
  const path = join(folder, STATE_FILE);
  try {
    // Only one daemon has this folder, so the name of the draft is its own.
    const draft = `${path}.new`;
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(state, null, 1)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw unusable(path, error);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function unusable(path: string, error: unknown): Failure {
  return new Failure(
    {
      operation: 'keep what the daemon remembers',
      subject: path,
      reason: (error as Error).message,
      hint: 'Free disk space, or set LIFEBOAT_STATE to a folder that can be written to.',
      exitCode: ExitCode.failed,
      code: 'daemon-state',
    },
    { cause: error },
  );
}
