import { Failure } from '../../failure.js';
import { FILE_FAILURES } from '../../stores/archive/archive.js';
import { undecrypted } from '../decrypting-archive.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import type { PairCounts } from '../manifest.js';
import { readSqliteVerified } from '../sqlite/sqlite-notes.js';
import { expectedOf, readSqliteManifest, type SqliteManifest } from '../sqlite/sqlite-manifest.js';
import { verifiedBy, type CopyFacts } from './copy-facts.js';
import { readPin } from './pin.js';
import type { FoundSqlite } from './place-files.js';

/**
 * Reads what lies beside the backup of a SQLite store; of the backup itself nothing.
 *
 * @throws Failure when the place cannot be read
 */
export async function lookAtSqlite(found: FoundSqlite): Promise<CopyFacts> {
  const { archive, store, files } = found;
  const has = (kind: string): boolean => files.some((file) => file.kind === kind);
  // Also where the file is gone: it tells which store that was of.
  const { manifest, warning } = has('manifest') ? await manifestOf(found) : { manifest: null, warning: null };
  const results =
    has('verified') && store !== null ? await readSqliteVerified(undecrypted(archive), store, manifest) : [];
  return {
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    encrypted: files.some(({ path }) => path.endsWith(ENCRYPTED_SUFFIX)),
    hasManifest: has('manifest'),
    source: manifest?.source.path ?? null,
    only: null,
    counts: manifest === null ? null : countsOf(manifest),
    broken: brokenBecause(found, manifest),
    warning,
    verified: verifiedBy(results),
    salvaged: null,
    pinned: has('pinned') ? await readPin(archive, found) : null,
  };
}

async function manifestOf({
  archive,
  base,
  timestamp,
}: FoundSqlite): Promise<{ manifest: SqliteManifest | null; warning: string | null }> {
  try {
    return { manifest: await readSqliteManifest(undecrypted(archive), base, timestamp), warning: null };
  } catch (error) {
    const isOfIt =
      error instanceof Failure && (error.code === 'sqlite-manifest-damaged' || FILE_FAILURES.has(error.code));
    if (!isOfIt) throw error;
    return { manifest: null, warning: `its manifest cannot be read: ${error.reason}` };
  }
}

/** In the words of a pair: edges are its relationships, vectors its points. */
function countsOf({ memories: { memories, graphRows, embeddings } }: SqliteManifest): PairCounts {
  return { memories, relationships: graphRows, points: embeddings?.rows ?? null };
}

function brokenBecause({ store, unusable }: FoundSqlite, manifest: SqliteManifest | null): string | null {
  if (store === null) return unusable ?? 'the file of the backup is missing';
  if (store.bytes === 0) return `${store.path} is empty (0 bytes)`;
  if (manifest === null) return null;
  const expected = expectedOf(manifest, store).file;
  if (expected === null) return `${store.path} is not the file that the manifest names`;
  return expected.bytes === store.bytes
    ? null
    : `${store.path} has ${store.bytes} bytes where the manifest says ${expected.bytes}`;
}
