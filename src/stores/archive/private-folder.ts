import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { ExitCode, Failure } from '../../failure.js';
import { changedFile, type Archive } from './archive.js';
import { localArchive } from './local-archive.js';

/** How much of a disk's free space may be filled: a disk that runs full harms others, the stores before all. */
const SHARE = 0.9;

/** A folder that only this user can look into. Whoever opens it closes it. */
export interface PrivateFolder {
  /** Absolute. */
  readonly path: string;
  /** Bytes that may be written into it. */
  readonly room: number;
  /** Removes it and all it holds. */
  close(): Promise<void>;
}

/**
 * Makes a private folder (mode 0700) for what is unpacked from a file.
 *
 * @param parent absolute path of the folder for temporary files
 * @throws Failure when it cannot be made
 */
export async function makePrivateFolder(parent: string): Promise<PrivateFolder> {
  try {
    const { bavail, bsize } = await statfs(parent);
    const path = await mkdtemp(join(parent, 'lifeboat-backup-'));
    return {
      path,
      room: Math.floor(bavail * bsize * SHARE),
      close: () => rm(path, { recursive: true, force: true }),
    };
  } catch (error) {
    throw new Failure(
      {
        operation: 'make a folder for temporary files',
        subject: parent,
        reason: error instanceof Error ? error.message : String(error),
        hint: 'Point TMPDIR at a folder that may be written to.',
        exitCode: ExitCode.failed,
        code: 'scratch-unusable',
      },
      { cause: error },
    );
  }
}

/**
 * The archive that was put into a private folder, under the name of where it came from.
 *
 * @param version of the file that was unpacked, which another run unpacks anew; null where the folder holds a link to it
 */
export function folderArchive(folder: PrivateFolder, place: string, version: string | null): Archive {
  const inner = localArchive(folder.path);
  if (version === null) return { ...inner, place };
  return {
    place,
    list: async () => (await inner.list()).map((entry) => ({ ...entry, version })),
    open: async (path, range, wanted = version) => {
      if (wanted !== version) throw changedFile(place);
      return inner.open(path, range);
    },
  };
}

/** What to say when something does not fit into the folder. @param subject what was being unpacked */
export function noRoom(subject: string, folder: PrivateFolder, cause?: unknown): Failure {
  return new Failure(
    {
      operation: 'unpack the backup',
      subject,
      reason: `it needs more room than there is for temporary files: ${folder.room} bytes in ${folder.path}`,
      hint: 'Point TMPDIR at a folder on a larger disk, or unpack the file yourself and name the folder.',
      exitCode: ExitCode.failed,
      code: 'scratch-full',
    },
    { cause },
  );
}
