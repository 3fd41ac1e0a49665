import type { Readable } from 'node:stream';

/** One file of an archive. */
export interface ArchiveEntry {
  /** Relative to the place, with "/" between its parts; what `open` takes. */
  path: string;
  bytes: number;
  /** ISO-8601. Never used to order backups: copying a file changes it. */
  modified: string;
  /** Why the file cannot be opened, where the listing already tells: a link that leads nowhere. */
  unusable?: string;
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
   * Every file in the folders of AutoMem's backups, complete, ordered by path.
   *
   * @throws Failure when the place is not there, or any part of it cannot be listed
   */
  list(): Promise<ArchiveEntry[]>;
  /**
   * The bytes of one file. The stream fails with a Failure when reading breaks off.
   *
   * @throws Failure when the file cannot be opened
   */
  open(path: string, range?: ByteRange): Promise<Readable>;
}

/** The folders of a backup, one for each store. */
export const STORE_FOLDERS = ['falkordb', 'qdrant'] as const;

/** Where the folders may lie: at the place itself, or under the prefix that AutoMem gives its S3 keys. */
export const LAYOUT_PREFIX = 'automem-backups';

/** Failure codes that concern a single file, not the whole archive. */
export const FILE_FAILURES: ReadonlySet<string> = new Set([
  'archive-file-missing',
  'archive-file-denied',
  'archive-file-unusable',
]);

/** All bytes of a stream; for small ranges. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
