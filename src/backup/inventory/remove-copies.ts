import { ExitCode, Failure } from '../../failure.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import type { BackupCopy } from './backup-copy.js';
import type { BackupDecision } from './decide-backups.js';
import { readPin } from './pin.js';
import {
  findBackups,
  keyOf,
  type BackupEntry,
  type BackupKind,
  type FileKind,
  type FoundBackup,
} from './place-files.js';

/** What became of one copy of a backup that was to be removed. */
export interface RemovedCopy {
  kind: BackupKind;
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
  /** Asked again right before each pair; see Holds. */
  inUse: (timestamp: string) => readonly string[];
  lockedUntil: (copy: BackupCopy) => string | null;
  now: Date;
  signal?: AbortSignal | undefined;
  onRemoved?: ((removed: RemovedCopy) => void) | undefined;
}

/**
 * The halves go first: what an interruption leaves is a pair without them, which nobody takes for a backup and the next
 * prune removes. The manifest goes last, since it alone says that a single half is all there ever was, and of which SQLite
 * store a backup is.
 */
const ORDER: readonly FileKind[] = ['vectors', 'graph', 'store', 'verified', 'pinned', 'manifest'];

const CONTENT: ReadonlySet<FileKind> = new Set(['graph', 'vectors', 'store']);

/** A note that is locked longer than its backup stays behind, and is removed when it can be. */
const NOTES: ReadonlySet<FileKind> = new Set(['verified', 'pinned']);

const GUARDS: ReadonlySet<string> = new Set(['newest-verified', 'newest-complete', 'minimum']);

/**
 * Removes from one place what was decided to go. The place is listed anew before: what changed since the decision is left
 * alone, and where a backup is gone that others were to be removed in favour of, nothing is removed. Two that do this at
 * the same time do what one does.
 *
 * @throws Failure when the place cannot be listed, or a backup that was to be kept is gone
 */
export async function removeCopies(
  archive: WritableArchive,
  decisions: readonly BackupDecision[],
  options: RemoveOptions,
): Promise<RemovedCopy[]> {
  const doomed = decisions
    .filter(({ action }) => action === 'remove')
    .flatMap(({ copies }) => copies.filter((copy) => copy.archive === archive));
  if (doomed.length === 0) return [];
  const found = await findBackups(archive, options.now);
  const fresh = new Map(found.filter(({ isOwn }) => isOwn).map((one) => [keyOf(one), one]));
  refuseWithoutGuards(archive, decisions, fresh);
  const removed: RemovedCopy[] = [];
  // The oldest first: an interruption leaves the newer ones.
  for (const copy of doomed.toReversed()) {
    options.signal?.throwIfAborted();
    const one = await removeCopy(archive, copy, fresh.get(keyOf(copy)), options);
    removed.push(one);
    options.onRemoved?.(one);
  }
  return removed;
}

/** What is kept because it is the newest must be there when the others go. */
function refuseWithoutGuards(
  archive: WritableArchive,
  decisions: readonly BackupDecision[],
  fresh: ReadonlyMap<string, FoundBackup>,
): void {
  for (const { action, reasons, copies } of decisions) {
    if (action !== 'keep' || !reasons.some(({ rule }) => GUARDS.has(rule))) continue;
    for (const copy of copies.filter((one) => one.archive === archive)) {
      const now = fresh.get(keyOf(copy));
      if (now !== undefined && contentOf(copy).every((file) => now.files.some((one) => isSame(one, file))))
        continue;
      throw new Failure({
        operation: 'prune the backups',
        subject: archive.place,
        reason: `${copy.timestamp}, which was to be kept, was removed or changed in the meantime`,
        hint: 'Nothing was removed there. Run the command again: it decides anew by what lies there now.',
        exitCode: ExitCode.failed,
        code: 'backup-changed',
      });
    }
  }
}

function contentOf({ files }: FoundBackup): BackupEntry[] {
  return files.filter(({ kind }) => CONTENT.has(kind));
}

function isSame(one: BackupEntry, other: BackupEntry): boolean {
  return one.path === other.path && one.bytes === other.bytes && one.version === other.version;
}

async function removeCopy(
  archive: WritableArchive,
  copy: BackupCopy,
  now: FoundBackup | undefined,
  options: RemoveOptions,
): Promise<RemovedCopy> {
  const { kind, timestamp } = copy;
  const result: RemovedCopy = {
    ...{ kind, timestamp, place: copy.place, outcome: 'removed', bytes: 0 },
    ...{ lockedUntil: options.lockedUntil(copy), failure: null },
  };
  if (now === undefined) return { ...result, outcome: 'gone' };
  if (result.lockedUntil !== null) return { ...result, outcome: 'locked' };
  // Another prune may have removed a part of it already; nothing may have come in its place.
  const isOther = contentOf(now).some((file) => !copy.files.some((one) => isSame(one, file)));
  if (isOther) return { ...result, outcome: 'changed' };
  if (kind === 'automem' && options.inUse(timestamp).length > 0) return { ...result, outcome: 'in-use' };
  try {
    if ((await readPin(archive, copy)) !== null) return { ...result, outcome: 'pinned' };
    for (const part of ORDER)
      for (const file of now.files.filter((one) => one.kind === part))
        if (await removeFile(archive, file)) result.bytes += file.bytes;
    return result;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (isLocked(error)) return { ...result, outcome: 'locked' };
    return { ...result, outcome: 'failed', failure: error };
  }
}

async function removeFile(archive: WritableArchive, { path, kind }: BackupEntry): Promise<boolean> {
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
 * Until when a copy cannot be removed: as long as any file of its content or its manifest cannot, and where only notes are left,
 * these. Nothing of a folder is ever locked.
 *
 * @returns ISO-8601, "hold" for a legal hold, or null
 * @throws Failure when the place cannot be reached
 */
export async function lockOf(archive: WritableArchive, copy: BackupCopy): Promise<string | null> {
  const ofIt = copy.files.filter(({ kind }) => !NOTES.has(kind));
  let until: string | null = null;
  for (const { path } of ofIt.length > 0 ? ofIt : copy.files) {
    const lock = await archive.lockedUntil(path);
    if (lock === 'hold') return lock;
    if (lock !== null && (until === null || lock > until)) until = lock;
  }
  return until;
}
