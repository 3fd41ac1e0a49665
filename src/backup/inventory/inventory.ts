import { Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { mapAtMost } from './at-most.js';
import type { PairCounts } from '../manifest.js';
import { lookAtCopy, type PairCopy } from './pair-copy.js';
import type { Pin } from './pin.js';
import { findPairs } from './place-files.js';

/** A backup pair with all its copies: the same timestamp at several places is the same backup. */
export interface InventoryPair {
  /** `YYYYMMDD_HHMMSS`, UTC. */
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  /** Negative where it lies in the future. */
  ageSeconds: number;
  /** It lies ahead of this machine's clock. */
  fromFuture: boolean;
  copies: PairCopy[];
  /** Of all files of the largest copy. */
  bytes: number;
  /** Some copy of it can be restored, as far as is known. */
  complete: boolean;
  /** What is wrong, where no copy is complete. */
  broken: string | null;
  encrypted: boolean;
  hasManifest: boolean;
  only: 'graph' | 'vectors' | null;
  counts: PairCounts | null;
  /** The copy that was looked at last, and what came out. */
  verified: PairCopy['verified'];
  /** What was lost before it was written; null where it was not salvaged. */
  salvaged: PairCopy['salvaged'];
  pinned: Pin | null;
}

/** A place that was looked at. */
export interface InventoryPlace {
  place: string;
  archive: Archive;
  /** Why it could not be listed, or not be read to the end; nothing of it is in the inventory then. */
  failure: Failure | null;
  /** Why there is no such folder: it holds no backups then, which on a disk that is not mounted means nothing. */
  missing: string | null;
}

/** What lies at all places. */
export interface Inventory {
  /** Newest first. */
  pairs: InventoryPair[];
  places: InventoryPlace[];
}

/** Sidecars that are read at a time; each costs a request. */
const AT_A_TIME = 8;

/**
 * What backups there are, over all places: each is listed, and manifests and notes are read; of the halves nothing. A place
 * that cannot be read is named, and the others are shown nevertheless.
 *
 * @param now what ages and "the future" are measured against
 */
export async function takeInventory(archives: readonly Archive[], now: Date): Promise<Inventory> {
  const looks = await Promise.all(archives.map((archive) => lookAtPlace(archive, now)));
  const byTimestamp = new Map<string, PairCopy[]>();
  for (const copy of looks.flatMap(({ copies }) => copies)) {
    const { timestamp } = copy.pair;
    byTimestamp.set(timestamp, [...(byTimestamp.get(timestamp) ?? []), copy]);
  }
  const pairs = [...byTimestamp].map(([timestamp, copies]) => joined(timestamp, copies, now));
  pairs.sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
  return { pairs, places: looks.map(({ looked }) => looked) };
}

async function lookAtPlace(
  archive: Archive,
  now: Date,
): Promise<{ looked: InventoryPlace; copies: PairCopy[] }> {
  const looked = { place: archive.place, archive, failure: null, missing: null };
  try {
    const copies = await mapAtMost(await findPairs(archive, now), AT_A_TIME, lookAtCopy);
    return { looked, copies };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'archive-missing') return { looked: { ...looked, missing: error.reason }, copies: [] };
    return { looked: { ...looked, failure: error }, copies: [] };
  }
}

/** Whether a copy can be restored, as far as is known: nothing is missing, and no look at it found anything wrong. */
export function isComplete({ broken, verified }: PairCopy): boolean {
  return broken === null && verified?.newest.ok !== false;
}

function joined(timestamp: string, copies: PairCopy[], now: Date): InventoryPair {
  // What the best copy says holds for the backup.
  const best = copies.find(isComplete) ?? copies.find(({ broken }) => broken === null) ?? copies[0];
  if (best === undefined) throw new Error('a backup lies at some place');
  const { takenAt, fromFuture } = best.pair;
  const looked = copies.filter(({ verified }) => verified !== null);
  looked.sort((a, b) => ((a.verified?.newest.at ?? '') < (b.verified?.newest.at ?? '') ? 1 : -1));
  const isWhole = isComplete(best);
  return {
    timestamp,
    takenAt,
    ageSeconds: (now.getTime() - Date.parse(takenAt)) / 1000,
    fromFuture: fromFuture === true,
    copies,
    bytes: Math.max(...copies.map(({ bytes }) => bytes)),
    complete: isWhole,
    broken: isWhole ? null : (best.broken ?? 'a verification did not pass'),
    encrypted: best.encrypted,
    hasManifest: copies.some(({ hasManifest }) => hasManifest),
    only: best.only,
    counts: best.counts ?? copies.find(({ counts }) => counts !== null)?.counts ?? null,
    verified: looked[0]?.verified ?? null,
    salvaged: best.salvaged,
    pinned: copies.find(({ pinned }) => pinned !== null)?.pinned ?? null,
  };
}
