import { ExitCode, Failure } from '../../failure.js';

type Facts = [reason: string, hint: string, code: string];

const DENIED: Facts = [
  'permission denied',
  'Run as a user who may write there, or change the permissions of the folder.',
  'archive-write-denied',
];
const NO_FOLDER: Facts = [
  'a part of its path is not a folder',
  'Set AUTOMEM_BACKUP_DIR to a folder.',
  'archive-unwritable',
];

const REASONS: Readonly<Record<string, Facts>> = {
  ENOSPC: [
    'the disk is full',
    'Free space on it, remove old backups with `lifeboat backup prune`, or set AUTOMEM_BACKUP_DIR to another disk.',
    'archive-full',
  ],
  EDQUOT: [
    'the quota of this user is used up',
    'Free space, remove old backups with `lifeboat backup prune`, or have the quota raised.',
    'archive-full',
  ],
  EROFS: [
    'the file system is mounted read-only',
    'Mount it for writing (a disk with errors is mounted read-only by itself: look at `dmesg`), or set AUTOMEM_BACKUP_DIR to another folder.',
    'archive-read-only',
  ],
  EFBIG: [
    'the file is larger than the file system or the limit of this process allows',
    'Raise the limit (`ulimit -f`), or set AUTOMEM_BACKUP_DIR to a file system that takes larger files.',
    'archive-file-too-large',
  ],
  EACCES: DENIED,
  EPERM: DENIED,
  EEXIST: [
    'there is a file of this name already, and a backup is never overwritten',
    'Wait a second and run it again: names are made of the time.',
    'archive-file-exists',
  ],
  ENOTDIR: NO_FOLDER,
  ELOOP: NO_FOLDER,
  EISDIR: ['a folder has this name', 'Move the folder away.', 'archive-unwritable'],
  ENAMETOOLONG: ['its name is too long', 'Set AUTOMEM_BACKUP_DIR to a shorter path.', 'archive-unwritable'],
  ENOENT: [
    'its folder is gone',
    'Look whether the disk is still mounted, then run it again.',
    'archive-unwritable',
  ],
  short: [
    'the file has another size than what was written to it',
    'Look whether something else writes there, and check the disk.',
    'archive-unwritable',
  ],
};

/** What the file system answered while a folder or file was made, written or removed. @param path absolute */
export function writeFailure(operation: string, path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const cause = (error as NodeJS.ErrnoException).code ?? String(error);
  const [reason, hint, code] = REASONS[cause] ?? [
    `the disk does not take it (${cause})`,
    'Check the disk and the mount, then run it again.',
    'archive-unwritable',
  ];
  return new Failure(
    { operation, subject: path, reason, hint, exitCode: ExitCode.failed, code },
    { cause: error },
  );
}

/** The same for making a folder, where what is in the way is a file. */
export function folderFailure(path: string, error: unknown): Failure {
  const isTaken = (error as NodeJS.ErrnoException).code === 'EEXIST';
  return writeFailure('make the backup folder', path, isTaken ? { code: 'ENOTDIR' } : error);
}
