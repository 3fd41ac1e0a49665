import { Failure } from '../../failure.js';
import { FILE_FAILURES } from '../../stores/archive/archive.js';
import { undecrypted } from '../decrypting-archive.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { countsOf, type Manifest, type PairCounts } from '../manifest.js';
import { salvagedFrom, type Salvaged } from '../salvaged.js';
import type { BackupFile, BackupPair } from '../types.js';
import { sealedManifest } from '../verify/sealed-manifest.js';
import { bestVerified, closestPassed, readVerified, type VerifiedResult } from '../verify/verified-notes.js';
import { readPin, type Pin } from './pin.js';
import type { FoundPair } from './place-files.js';

/** What the notes beside a pair come to. */
export interface Verified {
  newest: VerifiedResult;
  /** The closest look that it passed; null where the newest one failed. */
  best: VerifiedResult | null;
  /** The closest look that it passed before the newest one failed; null where that did not fail, or none passed. */
  before: VerifiedResult | null;
}

/** One backup pair in one folder of one place. */
export interface PairCopy extends FoundPair {
  /** Of all its files. */
  bytes: number;
  encrypted: boolean;
  hasManifest: boolean;
  /** Which half alone was backed up, on purpose. */
  only: 'graph' | 'vectors' | null;
  /** Null without a manifest that can be trusted. */
  counts: PairCounts | null;
  /** Why it cannot be restored as it lies there, as far as a listing tells; null where nothing speaks against it. */
  broken: string | null;
  /** What is wrong with the manifest, of a pair that may be whole nevertheless. */
  warning: string | null;
  /** The newest look at its files as they are now, and the closest one that it passed and that still holds. */
  verified: Verified | null;
  /** What it lost before it was written; null where it was not salvaged, or nobody says so. */
  salvaged: Salvaged | null;
  pinned: Pin | null;
}

/**
 * Reads what lies beside a pair; of its halves nothing.
 *
 * @throws Failure when the place cannot be read
 */
export async function lookAtCopy(found: FoundPair): Promise<PairCopy> {
  const { archive, base, pair, files } = found;
  const has = (kind: string): boolean => files.some((file) => file.kind === kind);
  const hasHalf = pair.graph !== null || pair.vectors !== null;
  const { manifest, warning } =
    has('manifest') && hasHalf ? await manifestOf(found) : { manifest: null, warning: null };
  const results = has('verified') && hasHalf ? await readVerified(undecrypted(archive), pair, manifest) : [];
  const newest = results.at(-1);
  return {
    ...found,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    encrypted: files.some(({ path }) => path.endsWith(ENCRYPTED_SUFFIX)),
    hasManifest: has('manifest'),
    only: manifest?.only ?? null,
    counts: manifest === null ? null : countsOf(manifest),
    broken: brokenBecause(pair, manifest, base),
    warning,
    verified: newest === undefined ? null : verifiedBy(newest, results),
    salvaged: manifest === null ? null : salvagedFrom(manifest),
    pinned: has('pinned') ? await readPin(archive, base, pair.timestamp) : null,
  };
}

function verifiedBy(newest: VerifiedResult, results: readonly VerifiedResult[]): Verified {
  return { newest, best: bestVerified(results), before: newest.ok ? null : closestPassed(results) };
}

async function manifestOf({
  archive,
  pair,
}: FoundPair): Promise<{ manifest: Manifest | null; warning: string | null }> {
  try {
    const { manifest, problems } = await sealedManifest(undecrypted(archive), pair);
    return { manifest, warning: problems[0]?.message ?? null };
  } catch (error) {
    if (!(error instanceof Failure && FILE_FAILURES.has(error.code))) throw error;
    return { manifest: null, warning: `its manifest cannot be read: ${error.reason}` };
  }
}

function brokenBecause(pair: BackupPair, manifest: Manifest | null, base: string): string | null {
  if (pair.graph === null && pair.vectors === null) return 'both halves are missing';
  const only = manifest?.only ?? null;
  const reasons = (['graph', 'vectors'] as const).flatMap((half) => {
    const file = pair[half];
    const verdict = half === 'graph' ? pair.graphVerdict : pair.vectorsVerdict;
    if (file === null && only !== null && only !== half) return [];
    if (verdict.status === 'broken') return [verdict.reason ?? `the ${half} half is broken`];
    return file === null || manifest === null ? [] : (differs(file, manifest, base) ?? []);
  });
  return reasons.length === 0 ? null : reasons.join('; ');
}

function differs({ path, bytes }: BackupFile, manifest: Manifest, base: string): string | null {
  const expected = manifest.files.get(path.slice(base.length));
  if (expected === undefined) return `${path} is not the file that the manifest names`;
  return expected.bytes === bytes
    ? null
    : `${path} has ${bytes} bytes where the manifest says ${expected.bytes}`;
}
