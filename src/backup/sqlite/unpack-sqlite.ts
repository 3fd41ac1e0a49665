import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { diskFailure } from '../../stores/sqlite/sqlite-failure.js';
import { gunzipStream } from '../files/container.js';
import { decryptingArchive } from '../decrypting-archive.js';
import { HashingArchive } from '../manifest.js';
import type { BackupFile } from '../types.js';
import type { ManifestFile } from './sqlite-manifest.js';

/** Reads the secret keys when the first encrypted file is opened. */
export type Identities = () => Promise<readonly string[]>;

/** What came out of a backup file. */
export interface Unpacked {
  /** Of the file as it lies in the archive. */
  bytes: number;
  sha256: string;
  plainBytes: number;
  plainSha256: string;
}

/** What a backup must be. */
export interface Expected {
  /** Of the file as it lies there; null where the manifest does not name it, as when it was decrypted by hand. */
  file: ManifestFile | null;
  /** Of the database in it; null without a manifest. */
  plain: Pick<ManifestFile, 'plain_bytes' | 'plain_sha256'> | null;
}

/** Where it is unpacked to. */
export interface UnpackTo {
  /** Absolute path of a file that is not there yet. */
  to: string;
  /** Bytes that may be written. */
  room: number;
  /** It lies among the temporary files, and not beside the store. */
  isScratch: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Unpacks the backup of a SQLite store into a new file (mode 0600), makes it last, and holds the backup against its manifest.
 * What it wrote stays there when it fails; the caller removes it.
 *
 * @param archive whose files are as they lie there; encrypted ones are opened here
 * @throws Failure `backup-truncated`, `backup-corrupt`, `backup-not-gzip`, `backup-checksum`, `backup-key`, `scratch-full`, or
 *   what the disk and the archive give
 */
export async function unpackSqlite(
  archive: Archive,
  file: BackupFile,
  expected: Expected,
  identities: Identities,
  { to, room, isScratch, signal }: UnpackTo,
): Promise<Unpacked> {
  const { path } = file;
  const hashing = new HashingArchive(archive);
  const hash = createHash('sha256');
  let out: FileHandle | undefined;
  let plainBytes = 0;
  try {
    out = await open(to, 'wx', 0o600);
    let limit = Math.min(room, expected.plain?.plain_bytes ?? Infinity);
    for await (const chunk of gunzipStream(decryptingArchive(hashing, identities), file)) {
      signal?.throwIfAborted();
      if (plainBytes === 0) limit = Math.min(limit, declaredBytes(chunk));
      plainBytes += chunk.length;
      if (plainBytes > limit) throw tooLarge(path, limit, { to, room, isScratch });
      hash.update(chunk);
      await out.writeFile(chunk);
    }
    await out.sync();
  } catch (error) {
    throw diskFailure('unpack the backup', to, error);
  } finally {
    await out?.close();
  }
  const unpacked = { ...(await hashing.hashOf(path)), plainBytes, plainSha256: hash.digest('hex') };
  checkAgainst(expected, path, unpacked);
  return unpacked;
}

/** How long a database says it is, so that a file that inflates without end is given up early. */
function declaredBytes(head: Buffer): number {
  if (head.length < 100 || !head.toString('latin1', 0, 16).startsWith('SQLite format 3')) return Infinity;
  if (head.readUInt32BE(24) !== head.readUInt32BE(92)) return Infinity;
  const pageSize = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
  return head.readUInt32BE(28) * pageSize;
}

function checkAgainst({ file, plain }: Expected, path: string, found: Unpacked): void {
  const wrong = (reason: string): Failure => unusable(path, reason, 'backup-checksum');
  if (file !== null && found.bytes !== file.bytes)
    throw wrong(`it has ${found.bytes} bytes where its manifest counts ${file.bytes}`);
  if (file !== null && found.sha256 !== file.sha256)
    throw wrong('its SHA-256 is not the one in its manifest');
  if (plain !== null && found.plainSha256 !== plain.plain_sha256)
    throw wrong('the database in it is not the one that its manifest describes');
}

function tooLarge(path: string, limit: number, { to, room, isScratch }: UnpackTo): Failure {
  if (limit < room)
    return unusable(
      path,
      `it inflates to more than the ${limit} bytes that it should hold`,
      'backup-corrupt',
    );
  const folder = dirname(to);
  return new Failure({
    operation: 'unpack the backup',
    subject: path,
    reason: `it needs more room than there is in ${folder}: ${room} bytes`,
    hint: isScratch ? 'Point TMPDIR at a folder on a larger disk.' : 'Make room on the disk of the store.',
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
