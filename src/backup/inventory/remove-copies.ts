import { ExitCode, Failure } from '../../failure.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import type { PairDecision } from './decide-pairs.js';
import type { PairCopy } from './pair-copy.js';
import { readPin } from './pin.js';
import { findPairs, type FoundPair, type PairFile, type PairFileKind } from './place-files.js';

/** What became of one copy of a pair that was to be removed. */
export interface RemovedCopy {
  timestamp: string;
  place: string;
  /**
   * `gone`: somebody else removed it. `locked`: Object Lock keeps it. `pinned`, `in-use`, `changed`: what was decided no
   * longer holds, and it was left alone. `failed`: some of it may be gone, and the next time removes the rest.
   */
  outcome: 'removed' | 'gone' | 'locked' | 'pinned' | 'in-use' | 'changed' | 'failed';
  /** Bytes of the files that were removed. */
  bytes: number;
  /** Of a locked copy: ISO-8601 or "hold". */
  lockedUntil: string | null;
  /** Of a failed one. */
  failure: Failure | null;
}

export interface RemoveOptions {
  /** Asked again right before each pair. */
  inUse: (timestamp: string) => readonly string[];
  lockedUntil: (copy: PairCopy) => string | null;
  now: Date;
  signal?: AbortSignal | undefined;
  onRemoved?: ((removed: RemovedCopy) => void) | undefined;
}

/**
 * The halves go first: what an interruption leaves is a pair without them, which nobody takes for a backup and the next
 * prune removes. The manifest goes last, since it alone says that a single half is all there ever was.
 */
const ORDER: readonly PairFileKind[] = ['vectors', 'graph', 'verified', 'pinned', 'manifest'];

/** A note that is locked longer than its pair stays behind, and is removed when it can be. */
const NOTES: ReadonlySet<PairFileKind> = new Set(['verified', 'pinned']);

const GUARDS: ReadonlySet<string> = new Set(['newest-verified', 'newest-complete', 'minimum']);

/**
 * Removes from one place what was decided to go. The place is listed anew before: what changed since the decision is left
 * alone, and where a pair is gone that others were to be removed in favour of, nothing is removed. Two that do this at
 * the same time do what one does.
 *
 * @throws Failure when the place cannot be listed, or a pair that was to be kept is gone
 */
export async function removeCopies(
  archive: WritableArchive,
  decisions: readonly PairDecision[],
  options: RemoveOptions,
): Promise<RemovedCopy[]> {
  const doomed = decisions
    .filter(({ action }) => action === 'remove')
    .flatMap(({ copies }) => copies.filter((copy) => copy.archive === archive));
  if (doomed.length === 0) return [];
  const found = await findPairs(archive, options.now);
  const fresh = new Map(found.filter(({ isOwn }) => isOwn).map((one) => [one.pair.timestamp, one]));
  refuseWithoutGuards(archive, decisions, fresh);
  const removed: RemovedCopy[] = [];
  // The oldest first: an interruption leaves the newer ones.
  for (const copy of doomed.toReversed()) {
    options.signal?.throwIfAborted();
    const one = await removeCopy(archive, copy, fresh.get(copy.pair.timestamp), options);
    removed.push(one);
    options.onRemoved?.(one);
  }
  return removed;
}

/** What is kept because it is the newest must be there when the others go. */
function refuseWithoutGuards(
  archive: WritableArchive,
  decisions: readonly PairDecision[],
  fresh: ReadonlyMap<string, FoundPair>,
): void {
  for (const { action, reasons, copies } of decisions) {
    if (action !== 'keep' || !reasons.some(({ rule }) => GUARDS.has(rule))) continue;
    for (const copy of copies.filter((one) => one.archive === archive)) {
      const now = fresh.get(copy.pair.timestamp);
      if (now !== undefined && halvesOf(copy).every((file) => now.files.some((one) => isSame(one, file))))
        continue;
      throw new Failure({
        operation: 'prune the backups',
        subject: archive.place,
        reason: `${copy.pair.timestamp}, which was to be kept, was removed or changed in the meantime`,
        hint: 'Nothing was removed there. Run the command again: it decides anew by what lies there now.',
        exitCode: ExitCode.failed,
        code: 'backup-changed',
      });
    }
  }
}

function halvesOf({ files }: FoundPair): PairFile[] {
  return files.filter(({ kind }) => kind === 'graph' || kind === 'vectors');
}

function isSame(one: PairFile, other: PairFile): boolean {
  return one.path === other.path && one.bytes === other.bytes && one.version === other.version;
}

async function removeCopy(
  archive: WritableArchive,
  copy: PairCopy,
  now: FoundPair | undefined,
  options: RemoveOptions,
): Promise<RemovedCopy> {
  const { timestamp } = copy.pair;
  const result: RemovedCopy = {
    ...{ timestamp, place: copy.place, outcome: 'removed', bytes: 0 },
    ...{ lockedUntil: options.lockedUntil(copy), failure: null },
  };
  if (now === undefined) return { ...result, outcome: 'gone' };
  if (result.lockedUntil !== null) return { ...result, outcome: 'locked' };
  // Another prune may have removed a part of it already; nothing may have come in its place.
  const isOther = halvesOf(now).some((file) => !copy.files.some((one) => isSame(one, file)));
  if (isOther) return { ...result, outcome: 'changed' };
  if (options.inUse(timestamp).length > 0) return { ...result, outcome: 'in-use' };
  try {
    if ((await readPin(archive, copy.base, timestamp)) !== null) return { ...result, outcome: 'pinned' };
    for (const kind of ORDER)
      for (const file of now.files.filter((one) => one.kind === kind))
        if (await removeFile(archive, file)) result.bytes += file.bytes;
    return result;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (isLocked(error)) return { ...result, outcome: 'locked' };
    return { ...result, outcome: 'failed', failure: error };
  }
}

async function removeFile(archive: WritableArchive, { path, kind }: PairFile): Promise<boolean> {
  try {
    await archive.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Failure && isLocked(error) && NOTES.has(kind)) return false;
    throw error;
  }
}

function isLocked({ code }: Failure): boolean {
  return code === 'archive-file-locked';
}

/**
 * Until when a copy cannot be removed: as long as any of its halves or its manifest cannot, and where only notes are left,
 * these. Nothing of a folder is ever locked.
 *
 * @returns ISO-8601, "hold" for a legal hold, or null
 * @throws Failure when the place cannot be reached
 */
export async function lockOf(archive: WritableArchive, copy: PairCopy): Promise<string | null> {
  const ofPair = copy.files.filter(({ kind }) => !NOTES.has(kind));
  let until: string | null = null;
  for (const { path } of ofPair.length > 0 ? ofPair : copy.files) {
    const lock = await archive.lockedUntil(path);
    if (lock === 'hold') return lock;
    if (lock !== null && (until === null || lock > until)) until = lock;
  }
  return until;
}
