import type { Archive } from './archive.js';

/** A file on its way into an archive. Under its name it appears with {@link commit}, whole, or never. */
export interface PendingFile {
  /** Relative to the place, as `Archive.open` takes it. */
  readonly path: string;
  /**
   * Takes the next bytes; resolves when more may come. The buffer must not be changed before that. One call at a time.
   *
   * @throws Failure when the place does not take them: disk full, no rights, endpoint down.
   *   What was written so far stays until it is abandoned
   */
  write(chunk: Buffer): Promise<void>;
  /**
   * Makes all of it last (fsync; for S3 the end of the upload, and a look at the size there), then gives it its name.
   *
   * @returns how many bytes lie there now
   * @throws Failure when it cannot be proven to be there whole, or something lies under its name already; what was
   *   written is taken away then. Only where the connection to S3 is lost in the very last request may it be there
   *   nevertheless, and then whole.
   */
  commit(): Promise<{ bytes: number }>;
  /** Takes away what was written so far. Never throws. After {@link commit} it does nothing. */
  abandon(): Promise<void>;
}

export interface CreateOptions {
  /** Whether the commit may take the place of what lies there, as for notes that change. A backup never may. */
  replace?: boolean;
}

/** A place where backups can be written and removed. */
export interface WritableArchive extends Archive {
  /** What the paths of new files begin with, up to where a backup's own names begin: "" or "automem-backups/". */
  readonly base: string;
  /**
   * Begins a file. What lies under its name stays there until the commit.
   *
   * @throws Failure when nothing can be written there, or the name is taken; said before any work is done
   */
  create(path: string, options?: CreateOptions): Promise<PendingFile>;
  /**
   * Looks whether a file could be begun there, as far as that can be told without leaving one.
   *
   * @returns bytes that are free there; null where nobody can tell
   * @throws Failure as {@link create} would
   */
  tryOut(path: string): Promise<number | null>;
  /**
   * Removes one file; one that is not there is no error. In a versioned bucket S3 keeps it behind a delete marker, and
   * keeps counting its bytes, until a lifecycle rule removes it.
   *
   * @throws Failure when it is there and stays there: no rights, Object Lock
   */
  remove(path: string): Promise<void>;
  /**
   * Until when the file may not be removed: ISO-8601, or "hold" under a legal hold, which has no end. Null where it may
   * be, is not there, or these credentials may not see its lock.
   *
   * @throws Failure when the place cannot be reached
   */
  lockedUntil(path: string): Promise<string | null>;
}
