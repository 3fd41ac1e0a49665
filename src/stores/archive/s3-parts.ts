import type { CompletedPart } from '@aws-sdk/client-s3';

import { ExitCode, Failure } from '../../failure.js';
import type { S3Bucket } from './s3-client.js';
import { MARK } from './s3-object.js';
import { adapted, sumOf, type S3Habits } from './s3-habits.js';

const MIB = 1 << 20;
const SMALL_PART = 8 * MIB;
const LARGE_PART = 16 * MIB;
/** S3's limit. */
const MAX_PARTS = 10_000;
/** Parts are alike up to 40 GiB: Cloudflare R2 takes no others. Beyond, they grow, up to 117 GiB in all. */
const SMALL_PARTS = 5_000;
/** What may be in memory: the parts under way, and the one that fills. */
const BUFFERED = 32 * MIB;

/** Bytes of a part. @param number from 1 */
export function partSize(number: number): number {
  return number <= SMALL_PARTS ? SMALL_PART : LARGE_PART;
}

/** What an object is written as, whichever way it goes up. */
export interface S3Target {
  readonly bucket: S3Bucket;
  readonly key: string;
  /** Written into its metadata. */
  readonly mark: string;
  readonly habits: S3Habits;
}

/** The fields that name an object and tell what it is, for the requests that make one. */
export function headOf({ bucket, key, mark }: S3Target): {
  Bucket: string;
  Key: string;
  Metadata: Record<string, string>;
  ContentType: string;
} {
  const ContentType = key.endsWith('.json')
    ? 'application/json'
    : key.endsWith('.gz')
      ? 'application/gzip'
      : 'application/octet-stream';
  return { Bucket: bucket.bucket, Key: key, Metadata: { [MARK]: mark }, ContentType };
}

/** A multipart upload: parts go up as they come, several at a time; nobody sees them before the end. */
export class S3Parts {
  private readonly stop = new AbortController();
  private readonly running = new Set<Promise<void>>();
  private readonly parts: CompletedPart[] = [];
  private count = 0;
  private trouble: unknown = null;

  private constructor(
    private readonly target: S3Target,
    private readonly uploadId: string,
  ) {}

  /** @throws what the SDK threw */
  static async begin(target: S3Target): Promise<S3Parts> {
    const { sdk, client } = await target.bucket.connected();
    const { UploadId } = await adapted(target.habits, ({ checksums }) =>
      client.send(
        new sdk.CreateMultipartUploadCommand({
          ...headOf(target),
          ...(checksums ? { ChecksumAlgorithm: 'CRC32' } : {}),
        }),
      ),
    );
    return new S3Parts(target, UploadId ?? '');
  }

  /** How many parts were added. */
  get length(): number {
    return this.count;
  }

  /**
   * Sends a part; resolves when there is room for the next one. The buffer must not be changed afterwards.
   *
   * @throws what an earlier part failed with, or a Failure when there are too many
   */
  async add(body: Buffer): Promise<void> {
    if (this.count === MAX_PARTS) throw this.tooLarge();
    const number = ++this.count;
    const work = this.send(number, body).catch((error: unknown) => {
      this.trouble ??= error;
    });
    this.running.add(work);
    void work.then(() => this.running.delete(work));
    const room = Math.max(1, Math.floor(BUFFERED / partSize(number + 1)) - 1);
    while (this.running.size >= room) await Promise.race(this.running);
    this.check();
  }

  /** @throws what the SDK threw */
  async complete(condition: { IfNoneMatch?: '*' }): Promise<void> {
    await Promise.all(this.running);
    this.check();
    const { sdk, client } = await this.target.bucket.connected();
    await adapted(this.target.habits, ({ conditions }) =>
      client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...this.name(),
          MultipartUpload: { Parts: this.parts },
          ...(conditions ? condition : {}),
        }),
      ),
    );
  }

  /** Takes all parts away. Never throws: what stays is not seen, and removed by a later attempt. */
  async abort(): Promise<void> {
    this.stop.abort();
    // A part that arrives after the end of its upload would stay.
    await Promise.all(this.running);
    const { sdk, client } = await this.target.bucket.connected();
    await client.send(new sdk.AbortMultipartUploadCommand(this.name())).catch(() => undefined);
  }

  private async send(number: number, body: Buffer): Promise<void> {
    const { sdk, client } = await this.target.bucket.connected();
    const { ETag, ChecksumCRC32 } = await adapted(this.target.habits, (habits) =>
      client.send(
        new sdk.UploadPartCommand({
          ...this.name(),
          PartNumber: number,
          Body: body,
          ...sumOf(body, habits),
        }),
        { abortSignal: this.stop.signal },
      ),
    );
    this.parts[number - 1] = {
      PartNumber: number,
      ETag,
      // A store that passes over checksums must not be held to them.
      ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
    };
  }

  private check(): void {
    if (this.trouble !== null) throw this.trouble as Error;
  }

  private name(): { Bucket: string; Key: string; UploadId: string } {
    const { bucket, key } = this.target;
    return { Bucket: bucket.bucket, Key: key, UploadId: this.uploadId };
  }

  private tooLarge(): Failure {
    return new Failure({
      operation: 'write the backup file',
      subject: `s3://${this.target.bucket.bucket}/${this.target.key}`,
      reason: `it is larger than an upload of ${MAX_PARTS} parts can be`,
      hint: 'Keep backups of this size in a folder.',
      exitCode: ExitCode.failed,
      code: 'archive-file-too-large',
    });
  }
}
