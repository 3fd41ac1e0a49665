import { ExitCode, Failure } from '../../failure.js';
import { timestampOf } from '../layout.js';
import { assertLiving, attempt, living, type Target } from './half-file.js';
import { asOfWriting } from './place-failure.js';

/** How often the next second is tried where a backup of this one lies already. */
const SECONDS_TRIED = 30;

/** How often a backup is written anew because another one took its name meanwhile. */
const ATTEMPTS = 5;

/**
 * Writes a backup under a name that no other one has. Names are made of the second, and two that begin in the same one see each
 * other only when the first of them lies there: the other is written anew then, under the name of a later second.
 *
 * @param work writes it, and leaves nothing behind where it fails; called again under another name
 * @throws what the work throws, and as {@link freeTimestamp}
 */
export async function underFreeName<T>(
  targets: readonly Target[],
  started: Date,
  work: (timestamp: string) => Promise<T>,
): Promise<T> {
  for (let tried = 0; ; tried++) {
    // Two that stood in each other's way must not do so again.
    const ahead = tried === 0 ? 0 : tried + Math.floor(Math.random() * 2 * tried);
    const timestamp = await freeTimestamp(targets, new Date(started.getTime() + ahead * 1000));
    try {
      return await work(timestamp);
    } catch (error) {
      const taken = targets.filter(({ failure }) => isTaken(failure));
      if (taken.length === 0 || tried === ATTEMPTS) throw error;
      for (const target of taken) target.failure = null;
    }
  }
}

/**
 * Takes a backup away again from all places that have it, where at another one its name was taken meanwhile: under one name
 * there would be two backups.
 *
 * @param paths of its files, relative to the base of each place
 * @throws what the place said whose name was taken
 */
export async function assertOwnName(targets: readonly Target[], paths: readonly string[]): Promise<void> {
  const taken = targets.find(({ failure }) => isTaken(failure));
  if (taken === undefined) return;
  for (const { archive } of living(targets))
    for (const path of paths) await archive.remove(archive.base + path).catch(() => undefined);
  throw taken.failure;
}

function isTaken(failure: unknown): boolean {
  return failure instanceof Failure && failure.code === 'archive-file-exists';
}

/**
 * The timestamp of a new backup, of whichever store: two never share one, and none is ever written over.
 *
 * @throws Failure when no place can be listed, or the seconds to come are taken too
 */
async function freeTimestamp(targets: readonly Target[], started: Date): Promise<string> {
  const taken = new Set<string>();
  for (const target of living(targets)) {
    await attempt(target, async () => {
      for (const { path } of await listOrNone(target)) taken.add(/_(\d{8}_\d{6})\./.exec(path)?.[1] ?? '');
    });
  }
  assertLiving(targets);
  for (let ahead = 0; ahead < SECONDS_TRIED; ahead++) {
    const timestamp = timestampOf(new Date(started.getTime() + ahead * 1000));
    if (!taken.has(timestamp)) return timestamp;
  }
  throw new Failure({
    operation: 'name the backup',
    subject: timestampOf(started),
    reason: `there are backups of this second and of the ${SECONDS_TRIED - 1} after it`,
    hint: 'Check the clock of this machine.',
    exitCode: ExitCode.failed,
    code: 'backup-name-taken',
  });
}

/** The first backup makes the folder. */
async function listOrNone(target: Target): Promise<{ path: string }[]> {
  try {
    return await target.archive.list();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code !== 'archive-missing') throw asOfWriting(error);
    target.isNew = true;
    return [];
  }
}
