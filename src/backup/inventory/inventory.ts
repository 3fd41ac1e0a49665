import { Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { PairCounts } from '../manifest.js';
import { mapAtMost } from './at-most.js';
import { lookAtCopy, type BackupCopy } from './backup-copy.js';
import { isComplete, type CopyFacts } from './copy-facts.js';
import type { Pin } from './pin.js';
import { findBackups, keyOf, type BackupKind } from './place-files.js';

/** A backup with all its copies: the same kind and timestamp at several places is the same backup. */
export interface InventoryBackup {
  kind: BackupKind;
  /** `YYYYMMDD_HHMMSS`, UTC; unique among those of a kind, unless two SQLite stores are backed up to different places. */
  timestamp: string;
  /** The path of the SQLite store that it is of; null of a pair, and where no manifest says it. */
  source: string | null;
  /** ISO-8601. */
  takenAt: string;
  /** Negative where it lies in the future. */
  ageSeconds: number;
  /** It lies ahead of this machine's clock. */
  fromFuture: boolean;
  copies: BackupCopy[];
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
  /** The copy that was looked at last, one that failed before all others, and what came out. */
  verified: CopyFacts['verified'];
  /** What was lost before it was written; null where it was not salvaged. */
  salvaged: CopyFacts['salvaged'];
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
  backups: InventoryBackup[];
  places: InventoryPlace[];
}

/** Sidecars that are read at a time; each costs a request. */
const AT_A_TIME = 8;

/**
 * What backups there are, over all places: each is listed, and manifests and notes are read; of the backups themselves
 * nothing. A place that cannot be read is named, and the others are shown nevertheless.
 *
 * @param now what ages and "the future" are measured against
 */
export async function takeInventory(archives: readonly Archive[], now: Date): Promise<Inventory> {
  const looks = await Promise.all(archives.map((archive) => lookAtPlace(archive, now)));
  const byKey = new Map<string, BackupCopy[]>();
  for (const copy of looks.flatMap(({ copies }) => copies))
    byKey.set(keyOf(copy), [...(byKey.get(keyOf(copy)) ?? []), copy]);
  const backups = [...byKey.values()].flatMap(bySource).map((copies) => joined(copies, now));
  backups.sort((a, b) => (a.timestamp === b.timestamp ? 0 : a.timestamp < b.timestamp ? 1 : -1));
  return { backups, places: looks.map(({ looked }) => looked) };
}

async function lookAtPlace(
  archive: Archive,
  now: Date,
): Promise<{ looked: InventoryPlace; copies: BackupCopy[] }> {
  const looked = { place: archive.place, archive, failure: null, missing: null };
  try {
    const copies = await mapAtMost(await findBackups(archive, now), AT_A_TIME, lookAtCopy);
    return { looked, copies };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'archive-missing') return { looked: { ...looked, missing: error.reason }, copies: [] };
    return { looked: { ...looked, failure: error }, copies: [] };
  }
}

/** At two places there may be backups of two stores from the same second. One that does not say of which is neither's. */
function bySource(copies: BackupCopy[]): BackupCopy[][] {
  const known = new Set(copies.flatMap(({ source }) => source ?? []));
  if (known.size < 2) return [copies];
  return [...known, null]
    .map((source) => copies.filter((copy) => copy.source === source))
    .filter(({ length }) => length > 0);
}

function joined(copies: BackupCopy[], now: Date): InventoryBackup {
  // What the best copy says holds for the backup.
  const best = copies.find(isComplete) ?? copies.find(({ broken }) => broken === null) ?? copies[0];
  if (best === undefined) throw new Error('a backup lies at some place');
  const { kind, timestamp, takenAt, fromFuture } = best;
  const isWhole = isComplete(best);
  return {
    ...{ kind, timestamp, takenAt, fromFuture, copies },
    source: copies.find(({ source }) => source !== null)?.source ?? null,
    ageSeconds: (now.getTime() - Date.parse(takenAt)) / 1000,
    bytes: Math.max(...copies.map(({ bytes }) => bytes)),
    complete: isWhole,
    broken: isWhole ? null : (best.broken ?? 'a verification did not pass'),
    encrypted: best.encrypted,
    hasManifest: copies.some(({ hasManifest }) => hasManifest),
    only: best.only,
    counts: best.counts ?? copies.find(({ counts }) => counts !== null)?.counts ?? null,
    verified: lookedAtLast(copies),
    salvaged: best.salvaged,
    pinned: copies.find(({ pinned }) => pinned !== null)?.pinned ?? null,
  };
}

/** What was found wrong at one place is not outweighed by what is well at another. */
function lookedAtLast(copies: readonly BackupCopy[]): CopyFacts['verified'] {
  const looked = copies.flatMap(({ verified }) => verified ?? []);
  const failed = looked.filter(({ newest }) => !newest.ok);
  const told = failed.length > 0 ? failed : looked;
  return told.reduce<CopyFacts['verified']>(
    (last, one) => (last === null || one.newest.at > last.newest.at ? one : last),
    null,
  );
}
