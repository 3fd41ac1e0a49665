import type { Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { addResult, readResults, type VerifiedResult } from '../verify/verified-notes.js';
import { sqliteBesidePath, type SqliteBackupFile } from './names.js';
import { describedFile, type SqliteManifest } from './sqlite-manifest.js';

/**
 * What earlier verifications of a backup came to, the newest last; only those of the file that lies there now, as far as can
 * be told without a checksum made anew: what passed, by the manifest, and without one by the size; what failed, by the size.
 *
 * @throws Failure when the archive itself cannot be read
 */
export async function readSqliteVerified(
  archive: Archive,
  file: SqliteBackupFile,
  manifest: SqliteManifest | null,
): Promise<VerifiedResult[]> {
  const results = await readResults(archive, notesPath(file), file.timestamp);
  return results.filter((result) => isOfThis(result, file, manifest));
}

/** Keeps what a verification came to beside the backup. @throws Failure when the place does not take it */
export async function addSqliteVerified(
  archive: WritableArchive,
  file: SqliteBackupFile,
  result: VerifiedResult,
): Promise<void> {
  await addResult(archive, notesPath(file), file.timestamp, result);
}

function notesPath({ base, timestamp }: SqliteBackupFile): string {
  return base + sqliteBesidePath('verified', timestamp);
}

function isOfThis(
  { files, ok }: VerifiedResult,
  { base, path, bytes }: SqliteBackupFile,
  manifest: SqliteManifest | null,
): boolean {
  const name = path.slice(base.length);
  const [[looked, facts] = [], ...more] = Object.entries(files);
  if (looked !== name || facts?.bytes !== bytes || more.length > 0) return false;
  const described = manifest === null ? null : describedFile(manifest);
  return !ok || described === null || (described[0] === name && described[1].sha256 === facts.sha256);
}
