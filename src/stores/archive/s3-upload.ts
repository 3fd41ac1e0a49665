import { randomUUID } from 'node:crypto';

import { ExitCode, Failure } from '../../failure.js';
import type { S3Bucket } from './s3-client.js';
import { adapted, sumOf, type S3Habits } from './s3-habits.js';
import { lookAt, takeBack, type S3Object } from './s3-object.js';
import { headOf, partSize, S3Parts, type S3Target } from './s3-parts.js';
import type { PendingFile } from './writable.js';

/**
 * A file on its way into a bucket. Up to one part it is kept and written with a single request; what is larger goes up
 * in parts, which become an object only with the commit.
 */
export class S3Upload implements PendingFile {
  private readonly target: S3Target;
  private parts: S3Parts | null = null;
  private part: { buffer: Buffer; used: number } | null = null;
  private bytes = 0;
  private trouble: unknown = null;
  private isOver = false;

  constructor(
    private readonly bucket: S3Bucket,
    readonly path: string,
    habits: S3Habits,
    private readonly replace: boolean,
  ) {
    this.target = { bucket, key: path, mark: randomUUID(), habits };
  }

  /** Begins the upload in parts at once, which shows that the bucket can be written to. @throws Failure */
  async prove(): Promise<void> {
    try {
      this.parts = await S3Parts.begin(this.target);
    } catch (error) {
      throw this.failure(error);
    }
  }

  /** @throws Failure when something lies under its name already */
  async refuseTaken(): Promise<void> {
    const found = await lookAt(this.bucket, this.path).catch((error: unknown) => {
      throw this.failure(error);
    });
    if (found !== null && found !== 'hidden') throw this.failure(TAKEN);
  }

  async write(chunk: Buffer): Promise<void> {
    this.mustBeOpen();
    try {
      for (let done = 0; done < chunk.length;) {
        // A full part goes up when more comes, and so a file of one part needs no upload in parts.
        if (this.part?.used === this.part?.buffer.length) await this.sendPart();
        this.part ??= { buffer: Buffer.allocUnsafeSlow(partSize((this.parts?.length ?? 0) + 1)), used: 0 };
        const copied = chunk.copy(this.part.buffer, this.part.used, done);
        this.part.used += copied;
        done += copied;
      }
      this.bytes += chunk.length;
    } catch (error) {
      this.trouble ??= error;
      throw this.failure(error);
    }
  }

  async commit(): Promise<{ bytes: number }> {
    this.mustBeOpen();
    try {
      if (this.trouble !== null) throw this.trouble as Error;
      await this.finish();
      this.isOver = true;
      return { bytes: this.bytes };
    } catch (error) {
      await this.abandon();
      throw this.failure(error);
    }
  }

  async abandon(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.part = null;
    await this.parts?.abort();
  }

  private async finish(): Promise<void> {
    const isSmall = (this.parts?.length ?? 0) === 0;
    if (!isSmall) await this.sendPart();
    // Some stores pass over the condition of the write that follows.
    if (!this.replace) await this.refuseTaken();
    const condition = this.replace ? {} : { IfNoneMatch: '*' as const };
    try {
      await (isSmall ? this.put(condition) : this.parts?.complete(condition));
    } catch (error) {
      // The answer to a request that succeeded may be lost; asked again, the store says that the name is taken.
      const found = await lookAt(this.bucket, this.path).catch(() => null);
      if (found === null || found === 'hidden' || found.mark !== this.target.mark) throw error;
    }
    await this.lookAfter();
    if (isSmall) await this.parts?.abort();
  }

  private async put(condition: { IfNoneMatch?: '*' }): Promise<void> {
    const { sdk, client } = await this.bucket.connected();
    const body = this.part?.buffer.subarray(0, this.part.used) ?? Buffer.alloc(0);
    await adapted(this.target.habits, (habits) =>
      client.send(
        new sdk.PutObjectCommand({
          ...headOf(this.target),
          Body: body,
          ...sumOf(body, habits),
          ...(habits.conditions ? condition : {}),
        }),
      ),
    );
  }

  private async sendPart(): Promise<void> {
    const { part } = this;
    if (part === null) return;
    this.part = null;
    this.parts ??= await S3Parts.begin(this.target);
    await this.parts.add(part.buffer.subarray(0, part.used));
  }

  /** What the store says lies there must be what was sent. */
  private async lookAfter(): Promise<void> {
    const seen = await lookAt(this.bucket, this.path).catch((error: unknown) => this.failure(error));
    const found = seen instanceof Failure ? null : seen;
    if (this.isWhole(found)) return;
    // What has no mark is ours on a store that keeps none: the condition of the write saw to that.
    const mark = found === null || found === 'hidden' ? null : found.mark;
    const isOurs = (mark ?? this.target.mark) === this.target.mark;
    if (!this.replace && isOurs) await takeBack(this.bucket, this.path);
    throw seen instanceof Failure ? seen : this.unproven(found);
  }

  /** Some stores keep no metadata: what has none may be ours. */
  private isWhole(found: S3Object | 'hidden' | null): boolean {
    if (found === null || found === 'hidden') return false;
    return found.bytes === this.bytes && (found.mark ?? this.target.mark) === this.target.mark;
  }

  private unproven(found: S3Object | 'hidden' | null): Failure {
    const { subject } = this.failure(TAKEN);
    const operation = 'make sure of the backup file';
    const exitCode = ExitCode.failed;
    if (found === 'hidden') {
      const reason = 'access denied: these credentials may not look at what they wrote';
      const hint = 'Allow s3:GetObject on the bucket: a backup that nobody can look at is proven by nothing.';
      return new Failure({ operation, subject, reason, hint, exitCode, code: 'archive-write-denied' });
    }
    const reason =
      found === null
        ? 'it is not there after the store confirmed it'
        : found.bytes === this.bytes
          ? 'another program replaced it at the same time'
          : `the store holds ${found.bytes} bytes of the ${this.bytes} that were sent`;
    const hint = 'Try again; if it stays, do not trust this store with backups.';
    return new Failure({ operation, subject, reason, hint, exitCode, code: 'archive-write-damaged' });
  }

  private failure(error: unknown): Failure {
    return this.bucket.failure('write', error, this.path);
  }

  private mustBeOpen(): void {
    if (this.isOver) throw new Error(`${this.path} was committed or abandoned already`);
  }
}

/** Said as S3 says it. */
const TAKEN = { name: 'PreconditionFailed' };
