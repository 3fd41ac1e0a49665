import { ExitCode, Failure } from '../../failure.js';

/** SQLite's result codes (https://sqlite.org/rescode.html); the low byte of an extended code. */
export const SqliteCode = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;

/** Codes for how SQLite was called (MISUSE, RANGE): a bug here, and none of the file. */
const BUGS: ReadonlySet<number> = new Set([21, 25]);

type Words = readonly [reason: string, hint: string, code: string];

const RIGHTS =
  'Run as the user of the memory service: a store in WAL mode also needs the right to write in its folder.';

const WORDS: Readonly<Record<number, Words>> = {
  [SqliteCode.busy]: [
    'it is locked by another process',
    'Stop the memory service, or try again when it has finished what it writes.',
    'sqlite-locked',
  ],
  [SqliteCode.locked]: ['a table of it is locked', 'Try again.', 'sqlite-locked'],
  [SqliteCode.readOnly]: ['it may not be written to', RIGHTS, 'sqlite-denied'],
  [SqliteCode.io]: ['the disk failed', 'Check the disk and the mount.', 'sqlite-io'],
  [SqliteCode.corrupt]: [
    'it is damaged',
    'Restore the newest backup of it; sqlite3 FILE .recover may bring out what is still readable.',
    'sqlite-corrupt',
  ],
  [SqliteCode.full]: ['the disk is full', 'Make room and try again.', 'sqlite-disk-full'],
  [SqliteCode.cannotOpen]: ['it or a file beside it (-wal, -shm) cannot be opened', RIGHTS, 'sqlite-denied'],
  [SqliteCode.notADatabase]: [
    'it is not a SQLite database, or it is encrypted',
    'Name the SQLite file of the memory service; decrypt it first if it is encrypted.',
    'sqlite-not-sqlite',
  ],
};

/** SQLite's result code of what it threw, without its extension; null for anything else. */
export function sqliteCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown }).errcode;
  return error instanceof Error && typeof code === 'number' ? code & 0xff : null;
}

/**
 * What SQLite threw, in plain words. Anything else is handed back as it came: a bug must stay one.
 *
 * @param operation a verb phrase
 * @param path of the database
 */
export function sqliteFailure(operation: string, path: string, error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === null || BUGS.has(code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const [reason, hint, word]: Words = WORDS[code] ?? [
    `SQLite cannot do it (${message})`,
    'Check the file with: sqlite3 FILE "PRAGMA integrity_check".',
    'sqlite-failed',
  ];
  const told = code === SqliteCode.corrupt && !reason.includes(message) ? `${reason} (${message})` : reason;
  return storeFailure(operation, path, told, hint, word, error);
}

const DISK_WORDS: Readonly<Record<string, Words>> = {
  ENOENT: ['it is not there', 'Check the path.', 'sqlite-missing'],
  ENOTDIR: ['a part of its path is a file', 'Check the path.', 'sqlite-missing'],
  EISDIR: ['it is a folder', 'Name the SQLite file in it.', 'sqlite-not-a-file'],
  ELOOP: ['it is a link that leads in a circle', 'Name the file itself.', 'sqlite-not-a-file'],
  EACCES: ['permission denied', RIGHTS, 'sqlite-denied'],
  EPERM: ['permission denied', RIGHTS, 'sqlite-denied'],
  EROFS: ['the file system is mounted read-only', 'Mount it for writing.', 'sqlite-denied'],
  ENOSPC: ['the disk is full', 'Make room and try again.', 'sqlite-disk-full'],
  EDQUOT: ['the quota of the disk is used up', 'Make room and try again.', 'sqlite-disk-full'],
};

/** What the file system threw, in plain words; anything without an error code is handed back as it came. */
export function diskFailure(operation: string, path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Failure || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const [reason, hint, word]: Words = DISK_WORDS[code] ?? [
    `the file system does not allow it (${code})`,
    'Check the disk and the mount.',
    'sqlite-io',
  ];
  return storeFailure(operation, path, reason, hint, word, error);
}

/** An expected failure of a SQLite store; exit code 1. */
export function storeFailure(
  operation: string,
  subject: string,
  reason: string,
  hint: string,
  code: string,
  cause?: unknown,
): Failure {
  return new Failure({ operation, subject, reason, hint, exitCode: ExitCode.failed, code }, { cause });
}
