import type { PairCounts } from '../manifest.js';
import type { Salvaged } from '../pair/salvaged.js';
import { bestVerified, closestPassed, type VerifiedResult } from '../verify/verified-notes.js';
import type { Pin } from './pin.js';

/** What the notes beside a backup come to. */
export interface Verified {
  newest: VerifiedResult;
  /** The closest look that it passed; null where the newest one failed. */
  best: VerifiedResult | null;
  /** The closest look that it passed before the newest one failed; null where that did not fail, or none passed. */
  before: VerifiedResult | null;
}

/** What is known of one backup in one folder of one place, of whichever store. */
export interface CopyFacts {
  /** Of all its files. */
  bytes: number;
  encrypted: boolean;
  hasManifest: boolean;
  /** The path of the SQLite store that it is of; null of a pair, and where no manifest says it. */
  source: string | null;
  /** Which half of a pair alone was backed up, on purpose. */
  only: 'graph' | 'vectors' | null;
  /** By a manifest that can be trusted, or where a pair has none, by a look that read it and passed. */
  counts: PairCounts | null;
  /** Why it cannot be restored as it lies there, as far as a listing tells; null where nothing speaks against it. */
  broken: string | null;
  /** What is wrong with the manifest, of a backup that may be whole nevertheless. */
  warning: string | null;
  /** The newest look at its files as they are now, and the closest one that it passed and that still holds. */
  verified: Verified | null;
  /** What it lost before it was written; null where it was not salvaged, or nobody says so. */
  salvaged: Salvaged | null;
  pinned: Pin | null;
}

/** Whether a copy can be restored, as far as is known: nothing is missing, and no look at it found anything wrong. */
export function isComplete({ broken, verified }: CopyFacts): boolean {
  return broken === null && verified?.newest.ok !== false;
}

/** What results that are still of the files come to; the newest stands last. */
export function verifiedBy(results: readonly VerifiedResult[]): Verified | null {
  const newest = results.at(-1);
  if (newest === undefined) return null;
  return { newest, best: bestVerified(results), before: newest.ok ? null : closestPassed(results) };
}
