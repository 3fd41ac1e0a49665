import { ExitCode, Failure } from '../../failure.js';
import {
  connectS3,
  hearServerDate,
  type S3Connection,
  type S3Place,
  type S3Waits,
} from '../archive/s3-client.js';
import { nameOf, s3Failure } from '../archive/s3-failures.js';
import {
  nextToken,
  parseEntry,
  printEntry,
  unreadableLease,
  type HeldLease,
  type LeaseClaim,
  type LeaseEntry,
  type LeaseRecord,
  type LeaseStore,
  type TakenLease,
} from './lease-store.js';

const WAITS: S3Waits = { connectMs: 2_000, silenceMs: 5_000 };

/** A lease that cannot be asked about soon is as good as lost. */
const ATTEMPTS = 2;

/** The times of HTTP's headers are whole seconds: an age may be this much too high. */
const RESOLUTION_MS = 1_000;

/** A version that no object has. */
const NO_VERSION = `"${'0'.repeat(32)}"`;

/** What a write depends on. */
type Condition = { IfNoneMatch: '*' } | { IfMatch: string };

interface Found {
  entry: LeaseEntry;
  version: string;
  /** Milliseconds, both times by the store's clock. */
  ageMs: number;
}

/**
 * The lease as an object of the bucket with the backups, `<prefix>/lifeboat/lease-<name>.json`, changed by conditional
 * writes only. The store's clock tells its age. A release leaves the object there, marked as released: it keeps the
 * fencing token. Needs s3:GetObject, s3:PutObject and s3:ListBucket.
 *
 * @param name see leaseName; without the address of the graph server, which may differ between machines
 */
export function s3Lease(place: S3Place, name: string, waits: S3Waits = WAITS): LeaseStore {
  return new S3Lease(place, name, waits);
}

class S3Lease implements LeaseStore {
  readonly place: string;
  private readonly folder: string;
  private readonly key: string;
  private connection: Promise<S3Connection> | null = null;
  private proven: Promise<void> | null = null;

  constructor(
    private readonly bucket: S3Place,
    name: string,
    private readonly waits: S3Waits,
  ) {
    this.folder = `${bucket.prefix === '' ? '' : `${bucket.prefix}/`}lifeboat`;
    this.key = `${this.folder}/lease-${name}.json`;
    this.place = `s3://${bucket.bucket}/${this.key}`;
  }

  async read(): Promise<HeldLease | null> {
    const found = await this.get();
    if (found === null || found.entry.released) return null;
    const { record } = found.entry;
    const { version, ageMs } = found;
    return { record, version, ageMs, expiresInMs: record.ttlSeconds * 1000 + RESOLUTION_MS - ageMs };
  }

  async take(claim: LeaseClaim, over: string | null): Promise<TakenLease | null> {
    await (this.proven ??= this.proveConditions());
    const last = await this.get();
    if ((last === null || last.entry.released ? null : last.version) !== over) return null;
    const record = { ...claim, token: nextToken(last?.entry.record.token ?? 0) };
    const condition = last === null ? { IfNoneMatch: '*' as const } : { IfMatch: last.version };
    const version = await this.put(this.key, printEntry(record), condition);
    return version === null ? null : { record, version };
  }

  renew(version: string, record: LeaseRecord): Promise<string | null> {
    return this.put(this.key, printEntry(record), { IfMatch: version });
  }

  async release(version: string): Promise<boolean> {
    const last = await this.get();
    if (last?.version !== version) return false;
    return (await this.put(this.key, printEntry(last.entry.record, true), { IfMatch: version })) !== null;
  }

  close(): void {
    const { connection } = this;
    this.connection = null;
    connection?.then(
      ({ client }) => client.destroy(),
      // It failed where it was used.
      () => undefined,
    );
  }

  /**
   * Makes sure that the store obeys conditions: some that speak S3 pass over the headers that they do not know, and
   * would give the lease to everybody. An object of its own is written for it, which stays.
   */
  private async proveConditions(): Promise<void> {
    const key = `${this.folder}/lease-probe`;
    const text = 'Written by Lifeboat to see whether this store obeys conditional writes.\n';
    const created = await this.put(key, text, { IfNoneMatch: '*' });
    const again = created === null ? null : await this.put(key, text, { IfNoneMatch: '*' });
    const replaced = await this.put(key, text, { IfMatch: NO_VERSION });
    if (again === null && replaced === null) return;
    throw this.unusable(
      'the store passes over the conditions of conditional writes (If-None-Match, If-Match)',
      'Nothing to do where the lease is kept elsewhere; else use a store that supports conditional writes.',
    );
  }

  private async get(): Promise<Found | null> {
    const { sdk, client } = await this.connected();
    const command = new sdk.GetObjectCommand({ Bucket: this.bucket.bucket, Key: this.key });
    const date = hearServerDate(command);
    try {
      const { Body, ETag, LastModified } = await client.send(command);
      const entry = parseEntry((await Body?.transformToString()) ?? '');
      if (entry === null) throw this.unreadable();
      return { entry, version: ETag ?? '', ageMs: this.age(date(), LastModified) };
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey') return null;
      throw this.failureOf(error);
    }
  }

  private age(date: string, modified: Date | undefined): number {
    const age = Date.parse(date) - (modified?.getTime() ?? NaN);
    if (Number.isNaN(age)) throw this.unusable('the store does not tell its time', 'Use another store.');
    return Math.max(0, age);
  }

  /** @returns the new version; null where the condition does not hold */
  private async put(key: string, text: string, condition: Condition): Promise<string | null> {
    const { sdk, client } = await this.connected();
    try {
      const { ETag } = await client.send(
        new sdk.PutObjectCommand({
          Bucket: this.bucket.bucket,
          Key: key,
          Body: text,
          ContentType: key.endsWith('.json') ? 'application/json' : 'text/plain',
          ...condition,
        }),
      );
      return ETag ?? '';
    } catch (error) {
      // The second is S3's word for two writes at the same instant, the third for If-Match on what is gone.
      if (['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey'].includes(nameOf(error)))
        return null;
      throw this.failureOf(error);
    }
  }

  private connected(): Promise<S3Connection> {
    return (this.connection ??= connectS3(this.bucket, this.waits, ATTEMPTS));
  }

  private failureOf(error: unknown): Failure {
    if (error instanceof Failure) return error;
    if (nameOf(error) === 'AccessDenied') {
      return this.unusable(
        'access denied: these credentials may not keep an object there',
        'Allow s3:GetObject, s3:PutObject and s3:ListBucket on the bucket, or use other credentials.',
      );
    }
    if (nameOf(error) === 'NotImplemented') {
      return this.unusable('the store does not know conditional writes', 'Use another store.');
    }
    const { bucket, endpoint, region } = this.bucket;
    const { reason, hint, exitCode, code } = s3Failure(
      { bucket, endpoint, region, waits: this.waits },
      error,
    );
    const facts = { operation: 'keep the lease', subject: this.place, reason, hint, exitCode, code };
    return new Failure(facts, { cause: error });
  }

  private unusable(reason: string, hint: string): Failure {
    const operation = 'keep the lease';
    const code = 's3-lease';
    return new Failure({ operation, subject: this.place, reason, hint, code, exitCode: ExitCode.failed });
  }

  private unreadable(): Failure {
    const { endpoint } = this.bucket;
    const at = endpoint === null ? '' : ` --endpoint-url ${endpoint}`;
    return unreadableLease(
      this.place,
      'the object holds something that is no lease',
      `aws s3 rm ${this.place}${at}`,
    );
  }
}
