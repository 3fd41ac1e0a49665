import { setTimeout as sleep } from 'node:timers/promises';
import { addAbortSignal } from 'node:stream';
import type { PendingFile, WritableArchive } from '../../stores/archive/writable.js';
import { unlessAborted } from './unless-aborted.js';

/**
 * Milliseconds. What clears up, or gives a file its name, is not broken off at once when the operator stops: it is given so
 * long, which a store that answers at all does not need.
 */
const PATIENCE_MS = 5_000;

/**
 * An archive that nobody has to wait for: when the signal aborts, whatever is being asked of it ends with the reason of the
 * abort, also where its server is silent. What was begun there is cleared up within a few seconds, or left to the next backup,
 * which removes what attempts that were killed left behind.
 */
export function stoppableArchive(archive: WritableArchive, signal: AbortSignal): WritableArchive {
  return {
    place: archive.place,
    base: archive.base,
    list: () => unlessAborted(archive.list(), signal),
    open: async (path, range, version) => {
      const opening = archive.open(path, range, version);
      try {
        return addAbortSignal(signal, await unlessAborted(opening, signal));
      } catch (error) {
        // It may be opened after all, when nobody reads it any more.
        void opening.then((stream) => stream.destroy()).catch(() => undefined);
        throw error;
      }
    },
    create: async (path, options) => {
      const creating = archive.create(path, options);
      try {
        return stoppableFile(await unlessAborted(creating, signal), signal);
      } catch (error) {
        void creating.then((file) => file.abandon()).catch(() => undefined);
        throw error;
      }
    },
    tryOut: (path) => unlessAborted(archive.tryOut(path), signal),
    remove: (path) => soonAfterAbort(archive.remove(path), signal),
    lockedUntil: (path) => unlessAborted(archive.lockedUntil(path), signal),
  };
}

function stoppableFile(file: PendingFile, signal: AbortSignal): PendingFile {
  return {
    path: file.path,
    write: (chunk) => unlessAborted(file.write(chunk), signal),
    commit: () => soonAfterAbort(file.commit(), signal),
    abandon: () => soonAfterAbort(file.abandon(), signal).catch(() => undefined),
  };
}

/** Waits for work as long as it takes; once the operator aborts, only a few seconds more. */
async function soonAfterAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const late = untilAborted(signal, over.signal)
    .then(() => sleep(PATIENCE_MS, undefined, { signal: over.signal }))
    .then(() => {
      throw signal.reason as Error;
    });
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** Resolves when the signal aborts; never, where the other one does before. */
function untilAborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: over });
  });
}
