import { ExitCode, Failure } from '../../failure.js';
import { checkPath } from './archive-path.js';
import { readBucket } from './s3-archive.js';
import { hearServerDate, S3Bucket, type S3Place, type S3Waits } from './s3-client.js';
import { nameOf } from './s3-failures.js';
import type { S3Habits } from './s3-habits.js';
import { lookAt } from './s3-object.js';
import { S3Upload } from './s3-upload.js';
import type { PendingFile, WritableArchive } from './writable.js';

/** A throttled store gets more patience for what took minutes to read. */
const ATTEMPTS = 5;

/** Milliseconds after which nobody adds to an upload any more. */
const DEAD_AFTER_MS = 86_400_000;

/** The names of backups and of what lies beside them, below the base. */
const BACKUP_NAME =
  /^(?:(falkordb|qdrant)\/\1_\d{8}_\d{6}\.json\.gz(?:\.age)?|lifeboat_\d{8}_\d{6}\.[a-z]+\.json)$/;

/**
 * Backups in an S3 bucket, to be written and removed. Needs s3:PutObject, s3:GetObject and s3:ListBucket; s3:DeleteObject
 * to remove; s3:AbortMultipartUpload and s3:ListBucketMultipartUploads to tidy up behind attempts that were killed;
 * s3:GetObjectRetention and s3:GetObjectLegalHold to see locks.
 *
 * @param attempts how often a request is tried before it failed
 */
export function writableS3Archive(place: S3Place, waits?: S3Waits, attempts = ATTEMPTS): WritableArchive {
  return new S3Writer(new S3Bucket(place, waits, attempts));
}

class S3Writer implements WritableArchive {
  readonly place: string;
  readonly base: string;
  readonly list: WritableArchive['list'];
  readonly open: WritableArchive['open'];
  private readonly habits: S3Habits = { checksums: true, conditions: true };
  private isProven = false;

  constructor(private readonly bucket: S3Bucket) {
    const reader = readBucket(bucket);
    this.place = reader.place;
    this.base = bucket.base;
    this.list = () => reader.list();
    this.open = (path, range, version) => reader.open(path, range, version);
  }

  async create(path: string, { replace = false } = {}): Promise<PendingFile> {
    checkPath('write the backup file', this.place, path, this.base);
    const upload = new S3Upload(this.bucket, path, this.habits, replace);
    if (!replace) await upload.refuseTaken();
    // Notes are written at once: whether they can be shows at once too. And what held for one backup file holds for all.
    if (!replace && !this.isProven) {
      await abortDead(this.bucket);
      await upload.prove();
      this.isProven = true;
    }
    return upload;
  }

  /** An upload without a part is begun and ended at once: it needs the rights of a write, and leaves no object. */
  async tryOut(path: string): Promise<null> {
    checkPath('write the backup file', this.place, path, this.base);
    const upload = new S3Upload(this.bucket, path, this.habits, false);
    try {
      await upload.prove();
    } finally {
      await upload.abandon();
    }
    return null;
  }

  async remove(path: string): Promise<void> {
    checkPath('remove the backup file', this.place, path, this.base);
    const until = await this.lockedUntil(path, 'remove');
    if (until !== null) throw this.locked(path, until);
    const { sdk, client } = await this.bucket.connected();
    try {
      await client.send(new sdk.DeleteObjectCommand({ Bucket: this.bucket.bucket, Key: path }));
    } catch (error) {
      if (nameOf(error) !== 'NoSuchKey') throw this.bucket.failure('remove', error, path);
    }
  }

  async lockedUntil(path: string, action: 'read' | 'remove' = 'read'): Promise<string | null> {
    try {
      const found = await lookAt(this.bucket, path);
      return found === null || found === 'hidden' ? null : found.lockedUntil;
    } catch (error) {
      throw this.bucket.failure(action, error, path);
    }
  }

  /** Without a version, S3 would hide what is locked, and go on charging for it. */
  private locked(path: string, until: string): Failure {
    return new Failure({
      operation: 'remove the backup file',
      subject: `s3://${this.bucket.bucket}/${path}`,
      reason: until === 'hold' ? 'it is under a legal hold' : `Object Lock keeps it until ${until}`,
      hint:
        until === 'hold'
          ? 'Have the hold lifted by whoever placed it, then try again.'
          : 'Wait until then; the lock is there so that nobody removes it before.',
      exitCode: ExitCode.failed,
      code: 'archive-file-locked',
    });
  }
}

/** Ends uploads that attempts which were killed left behind: nobody sees them, but they cost. Never throws. */
async function abortDead(bucket: S3Bucket): Promise<void> {
  const { sdk, client } = await bucket.connected();
  const Bucket = bucket.bucket;
  const command = new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: bucket.base });
  const date = hearServerDate(command);
  try {
    // One page: what is left over waits for the next backup.
    const { Uploads } = await client.send(command);
    // The store's clock, not ours: by a wrong one, uploads that run would be ended.
    const now = Date.parse(date());
    for (const { Key = '', UploadId, Initiated } of Uploads ?? []) {
      const isDead = Initiated !== undefined && now - Initiated.getTime() > DEAD_AFTER_MS;
      if (!isDead || !BACKUP_NAME.test(Key.slice(bucket.base.length))) continue;
      await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    }
  } catch {
    // It is about tidiness alone; whether the bucket can be written to shows right after.
  }
}
