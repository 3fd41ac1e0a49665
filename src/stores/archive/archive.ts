import type { Readable } from 'node:stream';

import { ExitCode, Failure } from '../../failure.js';

/** One file of an archive. */
export interface ArchiveEntry {
  /** Relative to the place, with "/" between its parts; what `open` takes. */
  path: string;
  bytes: number;
  /** ISO-8601. Never used to order backups: copying a file changes it. */
  modified: string;
  /** Why the file cannot be opened, where the listing already tells: a link that leads nowhere. */
  unusable?: string;
  /** Another text once another file lies under the path; where it is missing, the place cannot tell. */
  version?: string;
  /**
   * ISO-8601: when anything of the file was changed last, its name and its times included. In folders alone; nobody can set
   * it, so that it betrays what was put there with the size and the time of another file. A copy of the file has another.
   */
  changed?: string;
}

/** Part of a file, in bytes. Without a length, up to the end. */
export interface ByteRange {
  start: number;
  length?: number;
}

/** A place where backups lie. The read side. */
export interface Archive {
  /** For people: an absolute folder or "s3://bucket/prefix". */
  readonly place: string;
  /**
   * Every file in the folders of AutoMem's backups, and what Lifeboat keeps beside them, complete, ordered by path.
   *
   * @throws Failure when the place is not there, or any part of it cannot be listed
   */
  list(): Promise<ArchiveEntry[]>;
  /**
   * The bytes of one file. The stream fails with a Failure when reading breaks off.
   *
   * @param version as the listing gave it: no other file is opened in place of that one
   * @throws Failure when the file cannot be opened, or `backup-changed` when it has another version now
   */
  open(path: string, range?: ByteRange, version?: string): Promise<Readable>;
}

/** The folders of a backup, one for each store. */
export const STORE_FOLDERS = ['falkordb', 'qdrant', 'sqlite'] as const;

/** What the names of Lifeboat's own files begin with, which lie beside the folders: manifests and notes. */
export const BESIDE_PREFIX = 'lifeboat_';

/** Where the folders may lie: at the place itself, or under the prefix that AutoMem gives its S3 keys. */
export const LAYOUT_PREFIX = 'automem-backups';

/** Failure codes that concern a single file, not the whole archive. */
export const FILE_FAILURES: ReadonlySet<string> = new Set([
  'archive-file-missing',
  'archive-file-denied',
  'archive-file-unusable',
]);

/** The failure code of {@link changedFile}: it tells of what happens to a file, and not that the file is bad. */
export const CHANGED = 'backup-changed';

/** Where a place knows no better name for what lies under a path: its size, and when it was changed last. */
export function versionOf(bytes: number, modified: Date): string {
  return `${bytes} bytes of ${modified.toISOString()}`;
}

/** What to say when another file lies where one was found, or even verified, before. */
export function changedFile(subject: string): Failure {
  return new Failure({
    operation: 'read the backup file',
    subject,
    reason:
      'it is not the file that was looked at before: it was changed, or another one was put in its place',
    hint: 'Begin a new run, which verifies the file as it is now; or put the earlier file back, with the time of its last change (cp -p), and continue this run.',
    exitCode: ExitCode.failed,
    code: CHANGED,
  });
}

/** All bytes of a stream; for small ranges. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
