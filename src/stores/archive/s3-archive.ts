import { Readable } from 'node:stream';

import type * as Sdk from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput, S3Client } from '@aws-sdk/client-s3';

import { STORE_FOLDERS, type Archive, type ArchiveEntry, type ByteRange } from './archive.js';
import { nameOf, s3Failure, type S3Subject } from './s3-failures.js';

/** A bucket and how to get at it. */
export interface S3Place {
  readonly bucket: string;
  /** What the keys begin with, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** Address of an S3-compatible store; null for AWS. */
  readonly endpoint: string | null;
  readonly region: string | null;
  /** Profile of the AWS configuration files. */
  readonly profile: string | null;
  /** Null leaves the choice to the SDK: configuration files, instance roles. */
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string | null;
  } | null;
}

/** How often a download that broke off is taken up again without a single byte of progress. */
const RESUMES = 3;

/** Milliseconds; s3-failures.ts names them in its messages. */
export interface S3Waits {
  connectMs: number;
  /** Without a byte from the server. */
  silenceMs: number;
}

const WAITS: S3Waits = { connectMs: 5_000, silenceMs: 30_000 };

interface Connection {
  sdk: typeof Sdk;
  client: S3Client;
}

/**
 * Backups in an S3 bucket, under `<prefix>/<store>/` and `<store>/`. The SDK is loaded with the first call: loading
 * takes longer than most commands run.
 */
export function s3Archive(place: S3Place, waits: S3Waits = WAITS): Archive {
  const name = `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`;
  let pending: Promise<Connection> | undefined;
  const connection = (): Promise<Connection> => (pending ??= connect(place, waits));
  const subject = (key?: string): S3Subject => ({
    bucket: place.bucket,
    endpoint: place.endpoint,
    region: place.region,
    waits,
    ...(key === undefined ? {} : { key }),
  });
  return {
    place: name,
    list: async () => {
      const bases = place.prefix === '' ? [''] : [`${place.prefix}/`, ''];
      const entries: ArchiveEntry[] = [];
      for (const base of bases) {
        for (const store of STORE_FOLDERS) {
          entries.push(...(await listKeys(await connection(), `${base}${store}/`, subject())));
        }
      }
      return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    open: async (path, range) => openObject(await connection(), path, range, subject(path)),
  };
}

async function connect(place: S3Place, waits: S3Waits): Promise<Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, profile, credentials } = place;
  // AWS itself needs the region; other stores take any.
  const region = place.region ?? (endpoint === null ? null : 'us-east-1');
  const client = new sdk.S3Client({
    maxAttempts: 3,
    followRegionRedirects: true,
    requestHandler: { connectionTimeout: waits.connectMs, socketTimeout: waits.silenceMs },
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    ...(region === null ? {} : { region }),
    ...(profile === null ? {} : { profile }),
    ...(credentials === null ? {} : { credentials: withToken(credentials) }),
  });
  return { sdk, client };
}

function withToken({ sessionToken, ...keys }: NonNullable<S3Place['credentials']>): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
} {
  return sessionToken === null ? keys : { ...keys, sessionToken };
}

async function listKeys(
  { sdk, client }: Connection,
  prefix: string,
  subject: S3Subject,
): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client
      .send(
        new sdk.ListObjectsV2Command({
          Bucket: subject.bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      )
      .catch((error: unknown) => {
        throw s3Failure(subject, error);
      });
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      // A key that ends in "/" is how consoles show a folder.
      if (Key === undefined || Key.endsWith('/')) continue;
      entries.push({ path: Key, bytes: Size ?? 0, modified: (LastModified ?? new Date(0)).toISOString() });
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && token === undefined) {
      throw s3Failure(subject, new Error('the listing was cut off and cannot be continued'));
    }
  } while (token !== undefined);
  return entries;
}

/** Where a download stands. */
interface Progress {
  /** Next byte of the object. */
  position: number;
  /** Behind the last byte; null for the end of the object. */
  end: number | null;
  etag: string | null;
}

async function openObject(
  connection: Connection,
  key: string,
  range: ByteRange | undefined,
  subject: S3Subject,
): Promise<Readable> {
  if (range?.length === 0) return Readable.from([]);
  const position = range?.start ?? 0;
  const progress = {
    position,
    end: range?.length === undefined ? null : position + range.length,
    etag: null,
  };
  const first = await get(connection, key, progress, subject);
  if (first === null) return Readable.from([]);
  return Readable.from(download(connection, key, { ...progress, etag: first.ETag ?? null }, first, subject), {
    objectMode: false,
    highWaterMark: 1 << 20,
  });
}

/** One request; null when the object ends before its first byte. */
async function get(
  { sdk, client }: Connection,
  key: string,
  { position, end, etag }: Progress,
  subject: S3Subject,
): Promise<GetObjectCommandOutput | null> {
  const whole = position === 0 && end === null;
  try {
    return await client.send(
      new sdk.GetObjectCommand({
        Bucket: subject.bucket,
        Key: key,
        ...(whole ? {} : { Range: `bytes=${position}-${end === null ? '' : String(end - 1)}` }),
        // A resumed download must go on in the same object.
        ...(etag === null ? {} : { IfMatch: etag }),
      }),
    );
  } catch (error) {
    if (nameOf(error) === 'InvalidRange') return null;
    throw s3Failure(subject, error);
  }
}

/** The bytes of an object; a download that breaks off goes on where it stopped. */
async function* download(
  connection: Connection,
  key: string,
  progress: Progress,
  first: GetObjectCommandOutput,
  subject: S3Subject,
): AsyncGenerator<Buffer> {
  let { position } = progress;
  let body = bodyOf(first);
  let chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let failures = 0;
  try {
    for (;;) {
      const step = await next(chunks);
      if (step.error !== undefined) {
        if (++failures > RESUMES) throw s3Failure(subject, step.error);
        const again = await get(connection, key, { ...progress, position }, subject);
        if (again === null) return;
        body = bodyOf(again);
        chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
      } else if (step.chunk === null) {
        return;
      } else {
        failures = 0;
        position += step.chunk.length;
        yield step.chunk;
      }
    }
  } finally {
    body.destroy();
  }
}

function bodyOf({ Body }: GetObjectCommandOutput): Readable {
  return Body instanceof Readable ? Body : Readable.from([]);
}

/** The next chunk, null at the end; an error is handed back, so that only the server's own is caught. */
async function next(
  chunks: AsyncIterator<Buffer, undefined>,
): Promise<{ chunk: Buffer | null; error?: unknown }> {
  try {
    const { value } = await chunks.next();
    return { chunk: value ?? null };
  } catch (error) {
    return { chunk: null, error };
  }
}
