import type { Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import type { FileFacts } from '../verify/hash-file.js';
import { addResult, heldBy, noted, readResults, type VerifiedResult } from '../verify/verified-notes.js';
import { sqliteBesidePath, type SqliteBackupFile } from './names.js';
import { describedFile, type SqliteManifest } from './sqlite-manifest.js';

/**
 * What earlier verifications of a backup came to, the newest last; only those that hold for the file that lies there now, as
 * with a pair.
 *
 * @throws Failure when the archive itself cannot be read
 */
export async function readSqliteVerified(
  archive: Archive,
  file: SqliteBackupFile,
  manifest: SqliteManifest | null,
): Promise<VerifiedResult[]> {
  const results = await readResults(archive, notesPath(file), file.timestamp);
  const described = manifest === null ? null : describedFile(manifest);
  const there = new Map([[nameOf(file), file]]);
  return heldBy(results, there, manifest === null ? null : new Map(described === null ? [] : [described]));
}

/**
 * Keeps what a verification came to beside the backup.
 *
 * @param read nothing where the file could not be read to its end
 * @throws Failure when the place does not take it
 */
export async function addSqliteVerified(
  archive: WritableArchive,
  file: SqliteBackupFile,
  result: Omit<VerifiedResult, 'files'>,
  read: FileFacts | null,
): Promise<void> {
  const files = { [nameOf(file)]: noted(file, read) };
  await addResult(archive, notesPath(file), file.timestamp, { ...result, files });
}

function notesPath({ base, timestamp }: SqliteBackupFile): string {
  return base + sqliteBesidePath('verified', timestamp);
}

function nameOf({ base, path }: SqliteBackupFile): string {
  return path.slice(base.length);
}
