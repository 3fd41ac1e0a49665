import { ENCRYPTED_SUFFIX } from './layout.js';
import type { BackupFile, BackupPair, BackupVerdict } from './types.js';
import type { Archive, ArchiveEntry } from '../stores/archive/archive.js';

/** Clocks differ: a timestamp this far ahead, in milliseconds, is not worth a word. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

type Store = 'falkordb' | 'qdrant';

interface Half {
  store: Store;
  timestamp: string;
  takenAt: Date;
  entry: ArchiveEntry;
}

/**
 * The backup pairs of an archive, newest first. AutoMem gives both files of a run the same timestamp; files are
 * paired by it and never by their modification time, which copying changes. A half that is missing is null. Names
 * that are not AutoMem's are left alone.
 *
 * @param now what "the future" is measured against
 * @throws Failure when the archive cannot be listed
 */
export async function catalogue(archive: Archive, now: Date = new Date()): Promise<BackupPair[]> {
  const runs = new Map<string, Partial<Record<Store, Half>> & { takenAt: Date }>();
  for (const entry of await archive.list()) {
    const half = parseName(entry);
    if (half === null) continue;
    const run = runs.get(half.timestamp) ?? { takenAt: half.takenAt };
    const other = run[half.store];
    // The same file in both layouts, or decrypted beside itself: a copy that is usable goes before one that is not, and the
    // encrypted one, which its manifest names, before the other.
    if (other === undefined || !isUsable(other.entry) || (isEncrypted(half) && isUsable(half.entry)))
      run[half.store] = half;
    runs.set(half.timestamp, run);
  }
  return [...runs]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([timestamp, { falkordb, qdrant, takenAt }]) => ({
      timestamp,
      takenAt: takenAt.toISOString(),
      graph: fileOf(falkordb),
      vectors: fileOf(qdrant),
      graphVerdict: verdictOf(falkordb, 'graph'),
      vectorsVerdict: verdictOf(qdrant, 'vectors'),
      ...(isFromFuture(takenAt, now) ? { fromFuture: true as const } : {}),
    }));
}

/** Whether a time lies ahead of this machine's clock: one of the clocks is wrong. */
export function isFromFuture(time: Date, now: Date): boolean {
  return time.getTime() - now.getTime() > CLOCK_TOLERANCE_MS;
}

/** `YYYYMMDD_HHMMSS` as UTC; null when it is no date of the calendar. */
export function parseTimestamp(timestamp: string): Date | null {
  const match = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(timestamp);
  if (match === null) return null;
  const [, year, month, day, hours, minutes, seconds] = match;
  const iso = `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hours ?? ''}:${minutes ?? ''}:${seconds ?? ''}.000Z`;
  const date = new Date(iso);
  // Date rolls 31 February over into March; such a name is not AutoMem's.
  return !Number.isNaN(date.getTime()) && date.toISOString() === iso ? date : null;
}

function isEncrypted({ entry }: Half): boolean {
  return entry.path.endsWith(ENCRYPTED_SUFFIX);
}

function parseName(entry: ArchiveEntry): Half | null {
  const match = /(?:^|\/)(falkordb|qdrant)\/\1_(\d{8}_\d{6})\.json\.gz(?:\.age)?$/.exec(entry.path);
  const [, store, timestamp] = match ?? [];
  if (store === undefined || timestamp === undefined) return null;
  const takenAt = parseTimestamp(timestamp);
  return takenAt === null ? null : { store: store as Store, timestamp, takenAt, entry };
}

function isUsable({ unusable, bytes }: ArchiveEntry): boolean {
  return unusable === undefined && bytes > 0;
}

function fileOf(half: Half | undefined): BackupFile | null {
  if (half === undefined) return null;
  const { path, bytes, version, changed } = half.entry;
  return {
    path,
    bytes,
    ...(version === undefined ? {} : { version }),
    ...(changed === undefined ? {} : { changed }),
  };
}

function verdictOf(half: Half | undefined, name: string): BackupVerdict {
  if (half === undefined) return { status: 'broken', reason: `the ${name} half is missing` };
  const { path, bytes, unusable } = half.entry;
  if (unusable !== undefined) return { status: 'broken', reason: `${path}: ${unusable}` };
  if (bytes === 0) return { status: 'broken', reason: `${path} is empty (0 bytes)` };
  return { status: 'unchecked' };
}
