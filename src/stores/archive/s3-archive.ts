import { Readable } from 'node:stream';

import type { GetObjectCommandOutput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';

import {
  BESIDE_PREFIX,
  changedFile,
  STORE_FOLDERS,
  type Archive,
  type ArchiveEntry,
  type ByteRange,
} from './archive.js';
import { S3Bucket, type S3Place, type S3Waits } from './s3-client.js';
import { nameOf } from './s3-failures.js';

/** How often a download that broke off is taken up again without a single byte of progress. */
const RESUMES = 3;

/**
 * Backups in an S3 bucket, under `<prefix>/<store>/` and `<store>/`, with what lies beside these folders. The SDK is
 * loaded with the first call: loading takes longer than most commands run.
 */
export function s3Archive(place: S3Place, waits?: S3Waits): Archive {
  return readBucket(new S3Bucket(place, waits));
}

/** The read side of a bucket whose connection others use too. */
export function readBucket(bucket: S3Bucket): Archive {
  return {
    place: bucket.name,
    list: () => listBucket(bucket),
    open: (path, range, version) => openObject(bucket, path, range, version),
  };
}

async function listBucket(bucket: S3Bucket): Promise<ArchiveEntry[]> {
  const bases = bucket.base === '' ? [''] : [bucket.base, ''];
  const entries: ArchiveEntry[] = [];
  for (const base of bases) {
    entries.push(...(await listKeys(bucket, `${base}${BESIDE_PREFIX}`, '/')));
    for (const store of STORE_FOLDERS) entries.push(...(await listKeys(bucket, `${base}${store}/`)));
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** @param delimiter where names end that lead into folders, which are left out */
async function listKeys(bucket: S3Bucket, prefix: string, delimiter?: string): Promise<ArchiveEntry[]> {
  const { sdk, client } = await bucket.connected();
  const entries: ArchiveEntry[] = [];
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client
      .send(
        new sdk.ListObjectsV2Command({
          Bucket: bucket.bucket,
          Prefix: prefix,
          ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      )
      .catch((error: unknown) => {
        throw bucket.failure('list', error);
      });
    for (const { Key, Size, LastModified, ETag } of page.Contents ?? []) {
      // A key that ends in "/" is how consoles show a folder.
      if (Key === undefined || Key.endsWith('/')) continue;
      const modified = (LastModified ?? new Date(0)).toISOString();
      const version = ETag === undefined ? {} : { version: bareTag(ETag) };
      entries.push({ path: Key, bytes: Size ?? 0, modified, ...version });
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && token === undefined) {
      throw bucket.failure('list', new Error('the listing was cut off and cannot be continued'));
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

/** Not every store writes an ETag in a listing as it does beside the object. */
function bareTag(etag: string): string {
  return etag.replace(/^W\//, '').replaceAll('"', '');
}

async function openObject(
  bucket: S3Bucket,
  key: string,
  range: ByteRange | undefined,
  version: string | undefined,
): Promise<Readable> {
  if (range?.length === 0) return Readable.from([]);
  const position = range?.start ?? 0;
  const progress = {
    position,
    end: range?.length === undefined ? null : position + range.length,
    etag: null,
  };
  const first = await get(bucket, key, progress);
  if (first === null) return Readable.from([]);
  if (version !== undefined && first.ETag !== undefined && bareTag(first.ETag) !== version) {
    bodyOf(first).destroy();
    throw changedFile(`${bucket.name}: ${key}`);
  }
  return Readable.from(download(bucket, key, { ...progress, etag: first.ETag ?? null }, first), {
    objectMode: false,
    highWaterMark: 1 << 20,
  });
}

/** One request; null when the object ends before its first byte. */
async function get(
  bucket: S3Bucket,
  key: string,
  { position, end, etag }: Progress,
): Promise<GetObjectCommandOutput | null> {
  const { sdk, client } = await bucket.connected();
  const whole = position === 0 && end === null;
  try {
    return await client.send(
      new sdk.GetObjectCommand({
        Bucket: bucket.bucket,
        Key: key,
        ...(whole ? {} : { Range: `bytes=${position}-${end === null ? '' : String(end - 1)}` }),
        // A resumed download must go on in the same object.
        ...(etag === null ? {} : { IfMatch: etag }),
      }),
    );
  } catch (error) {
    if (nameOf(error) === 'InvalidRange') return null;
    throw bucket.failure('read', error, key);
  }
}

/** The bytes of an object; a download that breaks off goes on where it stopped. */
async function* download(
  bucket: S3Bucket,
  key: string,
  progress: Progress,
  first: GetObjectCommandOutput,
): AsyncGenerator<Buffer> {
  let { position } = progress;
  let body = bodyOf(first);
  let chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  let failures = 0;
  try {
    for (;;) {
      const step = await next(chunks);
      if (step.error !== undefined) {
        if (++failures > RESUMES) throw bucket.failure('read', step.error, key);
        const again = await get(bucket, key, { ...progress, position });
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
