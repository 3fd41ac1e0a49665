import { open, type FileHandle } from 'node:fs/promises';

import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { diskFailure } from '../../stores/sqlite/sqlite-failure.js';
import { gunzipStream } from '../container.js';
import { HashingArchive } from '../manifest.js';
import type { ManifestFile } from './sqlite-manifest.js';

/** What came out of a backup file. */
export interface Unpacked {
  /** Of the file in the archive. */
  bytes: number;
  sha256: string;
  plainBytes: number;
}

/**
 * Unpacks the backup of a SQLite store into a new file (mode 0600), makes it last, and holds the backup against its manifest.
 * What it wrote stays there when it fails; the caller removes it.
 *
 * @param path of the backup in the archive
 * @param facts of its manifest; null where there is none
 * @param to absolute path of a file that is not there yet
 * @param room bytes that may be written
 * @throws Failure `backup-truncated`, `backup-corrupt`, `backup-not-gzip`, `backup-checksum`, `scratch-full`, or what the disk
 *   and the archive give
 */
export async function unpackSqlite(
  archive: Archive,
  path: string,
  facts: ManifestFile | null,
  to: string,
  room: number,
): Promise<Unpacked> {
  const hashing = new HashingArchive(archive);
  const bytes = facts?.bytes ?? (await hashing.hashOf(path)).bytes;
  let file: FileHandle | undefined;
  let plainBytes = 0;
  try {
    file = await open(to, 'wx', 0o600);
    let limit = Math.min(room, facts?.plain_bytes ?? Infinity);
    for await (const chunk of gunzipStream(hashing, { path, bytes })) {
      if (plainBytes === 0) limit = Math.min(limit, declaredBytes(chunk));
      plainBytes += chunk.length;
      if (plainBytes > limit) throw tooLarge(path, limit, room);
      await file.writeFile(chunk);
    }
    await file.sync();
  } catch (error) {
    throw diskFailure('unpack the backup', to, error);
  } finally {
    await file?.close();
  }
  const found = await hashing.hashOf(path);
  if (facts !== null) checkAgainst(facts, path, found);
  return { ...found, plainBytes };
}

/** How long a database says it is, so that a file that inflates without end is given up early. */
function declaredBytes(head: Buffer): number {
  if (head.length < 100 || !head.toString('latin1', 0, 16).startsWith('SQLite format 3')) return Infinity;
  if (head.readUInt32BE(24) !== head.readUInt32BE(92)) return Infinity;
  const pageSize = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
  return head.readUInt32BE(28) * pageSize;
}

function checkAgainst(facts: ManifestFile, path: string, found: { bytes: number; sha256: string }): void {
  if (found.bytes === facts.bytes && found.sha256 === facts.sha256) return;
  const reason =
    found.bytes === facts.bytes
      ? 'its SHA-256 is not the one in its manifest'
      : `it has ${found.bytes} bytes where its manifest counts ${facts.bytes}`;
  throw unusable(path, reason, 'backup-checksum');
}

function tooLarge(path: string, limit: number, room: number): Failure {
  if (limit < room)
    return unusable(
      path,
      `it inflates to more than the ${limit} bytes that it should hold`,
      'backup-corrupt',
    );
  return new Failure({
    operation: 'unpack the backup',
    subject: path,
    reason: `it needs more room than there is beside the store: ${room} bytes`,
    hint: 'Make room on the disk of the store.',
    exitCode: ExitCode.failed,
    code: 'scratch-full',
  });
}

function unusable(path: string, reason: string, code: string): Failure {
  return new Failure({
    operation: 'read the backup file',
    subject: path,
    reason,
    hint: 'Use another backup, or fetch this file again from where it was copied.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code,
  });
}
