import { open, stat, type FileHandle } from 'node:fs/promises';

import { diskFailure, storeFailure } from './sqlite-failure.js';

const OPERATION = 'open the SQLite store';

/** Bytes of the header (https://sqlite.org/fileformat.html#the_database_header). */
const HEADER = 100;

const MAGIC = 'SQLite format 3\0';

/** Bytes that are looked at to tell an encrypted file from a damaged one. */
const SAMPLE = 4096;

/** Bits in a byte of random data are nearly 8; those of text and of SQLite's pages below 7. */
const RANDOM_BITS = 7.5;

/** What the first bytes of a database tell without opening it. */
export interface FileHeader {
  bytes: number;
  pageSize: number;
  /** How many pages the header counts; 0 where it does not know. */
  pages: number;
  wal: boolean;
}

/**
 * Looks at the first bytes of a file, so that what is no database is told in plain words before SQLite is asked. Must not be
 * called while this process has the database open: closing a file gives up the locks that the process holds on it.
 *
 * @throws Failure `sqlite-missing`, `sqlite-not-a-file`, `sqlite-denied`, `sqlite-empty`, `sqlite-truncated`,
 *   `sqlite-header-damaged`, `sqlite-not-sqlite`, `sqlite-encrypted`
 */
export async function readFileHeader(path: string): Promise<FileHeader> {
  let file: FileHandle | undefined;
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    // Opening a pipe would wait for its writer.
    if (!facts.isFile()) throw notAFile(path);
    file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SAMPLE), 0, SAMPLE, 0);
    const header = checkHead(path, buffer.subarray(0, bytesRead), facts.size);
    await checkLength(path, header);
    return header;
  } catch (error) {
    throw diskFailure(OPERATION, path, error);
  } finally {
    await file?.close();
  }
}

function checkHead(path: string, head: Buffer, bytes: number): FileHeader {
  if (bytes === 0)
    throw refuse(path, 'it is empty (0 bytes)', 'sqlite-empty', 'Restore the newest backup of it.');
  if (head.toString('latin1', 0, MAGIC.length) !== MAGIC) throw notSqlite(path, head);
  if (head.length < HEADER) throw truncated(path, `it ends after ${bytes} bytes, within its header`);
  const stored = head.readUInt16BE(16);
  const pageSize = stored === 1 ? 65_536 : stored;
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0 || !hasFixedBytes(head))
    throw damagedHeader(path, `it gives a page size of ${pageSize} bytes`);
  // The count is only kept by writers that also set the number that it is valid for.
  const pages = head.readUInt32BE(24) === head.readUInt32BE(92) ? head.readUInt32BE(28) : 0;
  return { bytes, pageSize, pages, wal: head[18] === 2 };
}

/** A store whose last pages still lie in the write-ahead log may be shorter than it says. */
async function checkLength(path: string, { bytes, pages, pageSize }: FileHeader): Promise<void> {
  if (bytes >= pages * pageSize) return;
  const log = await stat(`${path}-wal`).catch(() => null);
  if (log !== null && log.size > 0) return;
  throw truncated(path, `it ends after ${bytes} bytes where its header counts ${pages * pageSize}`);
}

/** Three numbers that are the same in every database. */
function hasFixedBytes(head: Buffer): boolean {
  return head[21] === 64 && head[22] === 32 && head[23] === 32;
}

const OTHER_FORMATS: readonly [at: number, text: string, name: string][] = [
  [0, '\x1f\x8b', 'it is a gzip file: a backup must be restored, not opened'],
  [0, 'age-encryption.org', 'it is encrypted with age'],
  [0, 'PK\x03\x04', 'it is a zip file'],
  [8, 'DUCK', 'it is a DuckDB database'],
];

function notSqlite(path: string, head: Buffer): Error {
  // Its other fixed bytes are there: it was a database, and its first bytes were overwritten.
  if (head.length >= HEADER && hasFixedBytes(head))
    return damagedHeader(path, `it begins with ${head.subarray(0, 8).toString('hex')}`);
  const text = head.toString('latin1');
  const known = OTHER_FORMATS.find(([at, start]) => text.startsWith(start, at));
  if (known !== undefined) return refuse(path, known[2], 'sqlite-not-sqlite');
  if (head.every((byte) => byte === 0))
    return damagedHeader(path, 'it begins with zero bytes: it was never written to the disk');
  if (head.length === SAMPLE && bitsPerByte(head) > RANDOM_BITS) {
    return refuse(
      path,
      'it has no SQLite header and looks like random data: it is encrypted (SQLCipher?)',
      'sqlite-encrypted',
      'Decrypt it first: Lifeboat reads plain SQLite files only.',
    );
  }
  return refuse(path, 'it is not a SQLite database', 'sqlite-not-sqlite');
}

/** Shannon entropy. */
function bitsPerByte(bytes: Buffer): number {
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bits;
}

function refuse(path: string, reason: string, code: string, hint?: string): Error {
  return storeFailure(OPERATION, path, reason, hint ?? 'Name the SQLite file of the memory service.', code);
}

function damagedHeader(path: string, what: string): Error {
  const reason = `its header is damaged: ${what}`;
  return refuse(path, reason, 'sqlite-header-damaged', 'Restore the newest backup of it.');
}

function truncated(path: string, reason: string): Error {
  return refuse(path, reason, 'sqlite-truncated', 'Restore the newest backup of it.');
}

function notAFile(path: string): Error {
  return refuse(path, 'it is not a regular file', 'sqlite-not-a-file');
}
