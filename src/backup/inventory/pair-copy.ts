import { Failure } from '../../failure.js';
import { FILE_FAILURES } from '../../stores/archive/archive.js';
import { undecrypted } from '../decrypting-archive.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import { countsOf, type Manifest } from '../manifest.js';
import { salvagedFrom } from '../pair/salvaged.js';
import type { BackupFile, BackupPair } from '../types.js';
import { sealedManifest } from '../verify/sealed-manifest.js';
import { countsNoted, readVerified } from '../verify/verified-notes.js';
import { verifiedBy, type CopyFacts } from './copy-facts.js';
import { readPin } from './pin.js';
import type { FoundPair } from './place-files.js';

/**
 * Reads what lies beside a pair; of its halves nothing.
 *
 * @throws Failure when the place cannot be read
 */
export async function lookAtPair(found: FoundPair): Promise<CopyFacts> {
  const { archive, base, pair, files } = found;
  const has = (kind: string): boolean => files.some((file) => file.kind === kind);
  const hasHalf = pair.graph !== null || pair.vectors !== null;
  const { manifest, warning } =
    has('manifest') && hasHalf ? await manifestOf(found) : { manifest: null, warning: null };
  const results = has('verified') && hasHalf ? await readVerified(undecrypted(archive), pair, manifest) : [];
  return {
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    encrypted: files.some(({ path }) => path.endsWith(ENCRYPTED_SUFFIX)),
    hasManifest: has('manifest'),
    source: null,
    only: manifest?.only ?? null,
    counts: manifest === null ? countsNoted(results) : countsOf(manifest),
    broken: brokenBecause(pair, manifest, base),
    warning,
    verified: verifiedBy(results),
    salvaged: manifest === null ? null : salvagedFrom(manifest),
    pinned: has('pinned') ? await readPin(archive, found) : null,
  };
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
