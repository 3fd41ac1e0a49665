import { LAYOUT_PREFIX, type Archive, type ArchiveEntry } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { catalogue, parseTimestamp } from '../catalogue.js';
import type { BackupPair } from '../types.js';

/** What a file of a pair is. */
export type PairFileKind = 'graph' | 'vectors' | 'manifest' | 'verified' | 'pinned';

/** One file of a pair as the listing shows it. */
export interface PairFile extends ArchiveEntry {
  kind: PairFileKind;
}

/** Everything of one timestamp in one folder of a place. */
export interface FoundPair {
  archive: Archive;
  /** The folder for people: the place with what its paths begin with. */
  place: string;
  /** What its paths begin with: "" or a prefix that ends in "/". */
  base: string;
  /** Whether it lies where new backups go: what lies elsewhere may be somebody else's, and is never removed. */
  isOwn: boolean;
  /** A pair of which only notes are left has neither half. */
  pair: BackupPair;
  files: PairFile[];
}

/** Exactly these names, and no others, are those of backups. */
const NAME =
  /^(?:(falkordb|qdrant)\/\1_(\d{8}_\d{6})\.json\.gz(?:\.age)?|lifeboat_(\d{8}_\d{6})\.(manifest|verified|pinned)\.json)$/;

/**
 * The pairs of one place, folder by folder, with all files that belong to each. Other names are left alone.
 *
 * @throws Failure when the place cannot be listed
 */
export async function findPairs(archive: Archive, now: Date): Promise<FoundPair[]> {
  const entries = await archive.list();
  const own = 'base' in archive ? (archive as WritableArchive).base : null;
  const bases = new Set([own ?? '', '', `${LAYOUT_PREFIX}/`]);
  const found: FoundPair[] = [];
  for (const base of bases) {
    const files = filesOf(entries, base);
    if (files.size === 0) continue;
    const listed = {
      place: archive.place,
      list: () => Promise.resolve([...files.values()].flat()),
      open: (...args: Parameters<Archive['open']>) => archive.open(...args),
    };
    const pairs = await catalogue(listed, now);
    const known = new Map(pairs.map((pair) => [pair.timestamp, pair]));
    for (const [timestamp, ofPair] of files) {
      const pair = known.get(timestamp) ?? leftOver(timestamp);
      if (pair === null) continue;
      const place = placeName(archive.place, base, own ?? base);
      found.push({ archive, place, base, isOwn: base === own, pair, files: ofPair });
    }
  }
  return found;
}

function filesOf(entries: readonly ArchiveEntry[], base: string): Map<string, PairFile[]> {
  const files = new Map<string, PairFile[]>();
  for (const entry of entries) {
    if (!entry.path.startsWith(base)) continue;
    const match = NAME.exec(entry.path.slice(base.length));
    if (match === null) continue;
    const [, store, ofHalf, ofNote, note] = match;
    const timestamp = ofHalf ?? ofNote ?? '';
    const kind = store === undefined ? (note as PairFileKind) : store === 'falkordb' ? 'graph' : 'vectors';
    files.set(timestamp, [...(files.get(timestamp) ?? []), { ...entry, kind }]);
  }
  return files;
}

/** Notes whose halves are gone, as after a removal that was interrupted. */
function leftOver(timestamp: string): BackupPair | null {
  const takenAt = parseTimestamp(timestamp);
  if (takenAt === null) return null;
  const missing = { status: 'broken', reason: 'both halves are missing' } as const;
  return {
    timestamp,
    takenAt: takenAt.toISOString(),
    graph: null,
    vectors: null,
    graphVerdict: missing,
    vectorsVerdict: missing,
  };
}

/** The name of a place ends with what the paths of its own backups begin with, but in a folder, where that is nothing. */
function placeName(place: string, base: string, own: string): string {
  if (base === own) return place;
  const root = own === '' ? place : place.slice(0, -own.length);
  return base === '' ? root : `${root.replace(/\/$/, '')}/${base.slice(0, -1)}`;
}
