import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { catalogue } from '../../src/backup/catalogue.js';
import type { S3Place } from '../../src/stores/archive/s3-client.js';
import { partSize } from '../../src/stores/archive/s3-parts.js';
import { writableS3Archive } from '../../src/stores/archive/s3-writer.js';
import type { WritableArchive } from '../../src/stores/archive/writable.js';
import { startMoto, type Moto } from '../support/moto.js';
import { startS3Front, type S3Fate, type S3Front, type S3Request } from '../support/s3-front.js';
import { contentOf, paths, put, writeContract } from './archive-write-contract.js';

const BASE = 'automem-backups/';
const GRAPH = `${BASE}falkordb/falkordb_20261121_110916.json.gz`;
const NOTE = `${BASE}lifeboat_20261121_110916.pinned.json`;
const PART = Buffer.alloc(9 * 1024 * 1024, 'part');
const SMALL = Buffer.from('small');

let moto: Moto;
let front: S3Front;
let client: S3Client;
let bucket = '';
let count = 0;

beforeAll(async () => {
  moto = await startMoto();
  front = await startS3Front(moto.endpoint);
  client = new S3Client({
    endpoint: moto.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
});

afterEach(() => {
  front.decide = () => null;
  front.ignoreConditions = false;
  front.requests.length = 0;
});

afterAll(async () => {
  client.destroy();
  await front.stop();
  await moto.stop();
});

const place = (changes: Partial<S3Place> = {}): S3Place => ({
  bucket,
  prefix: 'automem-backups',
  endpoint: front.endpoint,
  region: null,
  profile: null,
  credentials: { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: null },
  ...changes,
});

/** An archive in a bucket of its own. */
async function fresh(options: { ObjectLockEnabledForBucket?: boolean } = {}): Promise<WritableArchive> {
  bucket = `backups-${++count}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket, ...options }));
  return writableS3Archive(place());
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key = '' }) => Key);
}

/** Uploads that were begun and not ended. */
async function unfinished(): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ Key = '' }) => Key);
}

const everything = async (): Promise<string[]> => [...(await keys()), ...(await unfinished())];

type Kind = 'begin' | 'part' | 'complete' | 'put' | 'look' | 'abort' | 'uploads' | 'other';

function kindOf({ method, url }: S3Request): Kind {
  if (method === 'HEAD') return 'look';
  if (url.includes('partNumber=')) return 'part';
  if (url.includes('uploadId=')) return method === 'POST' ? 'complete' : 'abort';
  if (/[?&]uploads/.test(url)) return method === 'POST' ? 'begin' : 'uploads';
  return method === 'PUT' ? 'put' : 'other';
}

/** From now on, requests of a kind suffer this, after some were let through, some times. */
function suffers(kind: Kind, fate: S3Fate, { after = 0, times = Infinity } = {}): void {
  let seen = 0;
  front.decide = (request) => {
    if (kindOf(request) !== kind) return null;
    const turn = seen++ - after;
    return turn >= 0 && turn < times ? fate : null;
  };
}

const asked = (kind: Kind): S3Request[] => front.requests.filter((request) => kindOf(request) === kind);

writeContract('a bucket', async () => {
  const archive = await fresh();
  return { archive, where: JSON.stringify(place()), everything };
});

describe('a bucket that is written to', () => {
  it('gets small files in one request, and large ones in parts, all with checksums and under no other name', async () => {
    const archive = await fresh();
    await put(archive, NOTE, SMALL, true);
    expect(front.requests.map(kindOf)).toEqual(['put', 'look']);
    expect(asked('put')[0]?.headers['x-amz-checksum-crc32']).toBe('dUXqEw==');
    await put(archive, GRAPH, PART);
    expect(asked('part').map(({ headers }) => headers['content-length'])).toEqual(['8388608', '1048576']);
    for (const { headers } of asked('part')) expect(headers['x-amz-checksum-crc32']).toHaveLength(8);
    expect(asked('complete')[0]?.headers['if-none-match']).toBe('*');
    const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: GRAPH }));
    expect(found.ContentType).toBe('application/gzip');
    expect(found.ContentEncoding).toBeUndefined();
    expect(await catalogue(archive)).toMatchObject([{ graph: { path: GRAPH, bytes: PART.length } }]);
  });

  it('takes files of more than 100 GiB within the 10,000 parts that S3 allows, in parts that it allows', () => {
    const sizes = Array.from({ length: 10_000 }, (_, index) => partSize(index + 1));
    const GIB = 2 ** 30;
    expect(sizes.reduce((sum, size) => sum + size, 0) / GIB).toBeGreaterThan(100);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(5 * 1024 * 1024);
    // Some stores want all parts alike: at least up to 30 GB they are.
    expect(new Set(sizes.slice(0, Math.ceil(30e9 / partSize(1)))).size).toBe(1);
  });

  it('proves with the first file, before any work, that it can be written to', async () => {
    const archive = await fresh();
    suffers('begin', { status: 403, code: 'AccessDenied' });
    const create = archive.create(GRAPH);
    await expect(create).rejects.toMatchObject({ code: 'archive-write-denied', exitCode: 1 });
    await expect(create).rejects.toThrow(/Could not write the backup file \(s3:\/\/.*falkordb_20261121/);
    front.decide = () => null;
    await (await archive.create(GRAPH)).abandon();
    expect(await everything()).toEqual([]);
  });

  it('says that it is not there, before any work', async () => {
    const archive = writableS3Archive(place({ bucket: 'none-of-that-name' }));
    await expect(archive.create(GRAPH)).rejects.toMatchObject({ code: 's3-no-such-bucket' });
    const nowhere = writableS3Archive(place({ endpoint: 'http://127.0.0.1:1' }));
    await expect(nowhere.create(GRAPH)).rejects.toMatchObject({ code: 's3-unreachable', exitCode: 10 });
    await expect(nowhere.remove(GRAPH)).rejects.toMatchObject({ code: 's3-unreachable' });
    await expect(nowhere.lockedUntil(GRAPH)).rejects.toMatchObject({ code: 's3-unreachable' });
  });

  it.each([
    [403, 'InvalidAccessKeyId', 's3-wrong-credentials'],
    [400, 'ExpiredToken', 's3-expired-credentials'],
    [404, 'NoSuchUpload', 'archive-unwritable'],
    [400, 'BadDigest', 'archive-write-damaged'],
    [400, 'EntityTooLarge', 'archive-file-too-large'],
    [403, 'QuotaExceeded', 'archive-full'],
    [507, 'XMinioStorageFull', 'archive-full'],
    [400, 'SomethingElse', 'archive-unwritable'],
  ])('that answers %i %s fails the backup and keeps nothing', async (status, code, expected) => {
    const archive = await fresh();
    const file = await archive.create(GRAPH);
    suffers('put', { status, code });
    await file.write(SMALL);
    await expect(file.commit()).rejects.toMatchObject({ name: 'Failure', code: expected });
    expect(await everything()).toEqual([]);
  });

  it('that fails in the middle says so with one of the next pieces, and keeps nothing', async () => {
    const archive = await fresh();
    suffers('part', { status: 403, code: 'AccessDenied' });
    const file = await archive.create(GRAPH);
    const failed = { name: 'Failure', code: 'archive-write-denied' };
    const all = async (): Promise<void> => {
      for (let piece = 0; piece < 9; piece++) await file.write(PART);
    };
    await expect(all()).rejects.toMatchObject(failed);
    await expect(file.commit()).rejects.toMatchObject(failed);
    expect(asked('part').length).toBeLessThan(5);
    expect(await everything()).toEqual([]);
  });
});

describe('a bucket that cannot be relied on', () => {
  it('is given time where it asks for it, and named where it goes on', async () => {
    const archive = await fresh();
    suffers('part', { status: 503, code: 'SlowDown' }, { times: 2 });
    await put(archive, GRAPH, PART);
    expect((await contentOf(archive, GRAPH)).equals(PART)).toBe(true);
    suffers('begin', { status: 503, code: 'SlowDown' });
    await expect(writableS3Archive(place(), undefined, 2).create(`${GRAPH}.age`)).rejects.toMatchObject({
      code: 's3-throttled',
      reason: expect.stringContaining('SlowDown') as string,
    });
  });

  it('may go down midway: the backup failed, and nothing of it is seen', async () => {
    const archive = await fresh();
    const file = await archive.create(GRAPH);
    await file.write(PART);
    front.decide = () => 'cut';
    await expect(
      (async () => {
        await file.write(PART);
        await file.commit();
      })(),
    ).rejects.toMatchObject({ code: 's3-unreachable', exitCode: 10 });
    await file.abandon();
    front.decide = () => null;
    expect(await keys()).toEqual([]);
    // The next attempt removes what could not be removed.
    await put(archive, GRAPH, SMALL);
    await put(writableS3Archive(place()), `${GRAPH}.age`, SMALL);
    expect(await everything()).toEqual([GRAPH, `${GRAPH}.age`]);
  });

  it.each([
    ['put', SMALL],
    ['complete', PART],
  ] as const)('may lose the answer to the last request (%s): the file counts', async (kind, content) => {
    const archive = await fresh();
    suffers(kind, 'lose', { times: 1 });
    expect(await put(archive, GRAPH, content)).toBe(content.length);
    expect(asked(kind).length).toBeGreaterThan(1);
    expect(await everything()).toEqual([GRAPH]);
  });

  it('may hold something else afterwards than what was sent: that is a failed backup, and removed', async () => {
    const archive = await fresh();
    for (const [content, length] of [
      [SMALL, '3'],
      [PART, '8388608'],
    ] as const) {
      suffers('look', { status: 200, headers: { 'content-length': length } }, { after: 2 });
      const failed = { code: 'archive-write-damaged', reason: expect.stringContaining(length) as string };
      await expect(put(archive, GRAPH, content)).rejects.toMatchObject(failed);
      expect(await everything()).toEqual([]);
    }
  });

  it('may refuse a look at what was written: that proves nothing', async () => {
    const archive = await fresh();
    suffers('look', { status: 403 });
    await expect(put(archive, GRAPH, SMALL)).rejects.toMatchObject({
      code: 'archive-write-denied',
      hint: expect.stringContaining('s3:GetObject') as string,
    });
    expect(await everything()).toEqual([]);
  });

  it('may pass over the condition of writes: what is there stays', async () => {
    const archive = await fresh();
    const late = await archive.create(GRAPH);
    await late.write(PART);
    await put(archive, GRAPH, SMALL);
    front.ignoreConditions = true;
    await expect(late.commit()).rejects.toMatchObject({ code: 'archive-file-exists' });
    expect((await contentOf(archive, GRAPH)).equals(SMALL)).toBe(true);
  });

  it('may know neither checksums nor conditions: it is asked once, then written to without', async () => {
    const archive = await fresh();
    front.decide = ({ headers }) => {
      const isNew = ['x-amz-checksum-crc32', 'x-amz-checksum-algorithm', 'if-none-match'].some(
        (name) => headers[name] !== undefined,
      );
      return isNew ? { status: 501, code: 'NotImplemented' } : null;
    };
    await put(archive, GRAPH, PART);
    await put(archive, NOTE, SMALL);
    expect((await contentOf(archive, GRAPH)).equals(PART)).toBe(true);
    expect([asked('begin').length, asked('part').length, asked('complete').length]).toEqual([2, 2, 2]);
    for (const { headers } of [...asked('part'), ...asked('put')])
      expect(headers['content-md5']).toHaveLength(24);
  });

  it('may lie in another region: the first answer shows where, and all that follows goes there', async () => {
    const archive = await fresh();
    front.decide = ({ headers }) =>
      headers.authorization?.includes('/eu-west-1/') === true
        ? null
        : { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } };
    await put(archive, GRAPH, PART);
    const lost = front.requests.filter(({ headers }) => headers.authorization?.includes('/us-east-1/'));
    expect(lost.map(kindOf)).toEqual(['look']);
  });

  it('has its own time: a machine whose clock is off writes nevertheless', async () => {
    const archive = await fresh();
    const OFF = 3_600_000;
    front.decide = ({ headers }) => {
      const stamp = String(headers['x-amz-date']).replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5');
      const isNear = Math.abs(Date.parse(stamp) - Date.now() - OFF) < 900_000;
      const date = new Date(Date.now() + OFF).toUTCString();
      return isNear ? null : { status: 403, code: 'RequestTimeTooSkewed', headers: { date } };
    };
    // An answer to HEAD cannot say what is wrong, the one to the next request does.
    await put(archive, GRAPH, SMALL);
    expect(await keys()).toEqual([GRAPH]);
    front.decide = () => ({ status: 403, code: 'RequestTimeTooSkewed' });
    await expect(writableS3Archive(place()).create(`${GRAPH}.age`)).rejects.toMatchObject({
      code: 's3-clock',
    });
  });
});

describe('uploads that were killed', () => {
  const OTHERS = [`${BASE}falkordb/notes.json.gz`, 'falkordb/falkordb_20261121_110916.json.gz'];
  const begin = async (...names: string[]): Promise<void> => {
    for (const Key of names) await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
  };

  it('are ended after a day, those of others are not', async () => {
    const archive = await fresh();
    // moto says of every upload that it is years old.
    await begin(GRAPH, NOTE, ...OTHERS);
    await put(archive, `${GRAPH}.age`, SMALL);
    expect((await unfinished()).sort()).toEqual([...OTHERS].sort());
  });

  it('go on while they are younger, by the clock of the store', async () => {
    const archive = await fresh();
    await begin(GRAPH);
    const now = Date.UTC(2040, 0, 1);
    const upload = `<Upload><Key>${GRAPH}</Key><UploadId>1</UploadId><Initiated>${new Date(now - 80_000_000).toISOString()}</Initiated></Upload>`;
    const body = `<ListMultipartUploadsResult>${upload}</ListMultipartUploadsResult>`;
    suffers('uploads', { status: 200, headers: { date: new Date(now).toUTCString() }, body });
    await put(archive, `${GRAPH}.age`, SMALL);
    expect(asked('uploads')).toHaveLength(1);
    expect(asked('abort').filter(({ url }) => !url.includes('.age'))).toEqual([]);
  });

  it('may not be listed: that stops no backup', async () => {
    const archive = await fresh();
    suffers('uploads', { status: 403, code: 'AccessDenied' });
    await put(archive, GRAPH, SMALL);
    expect(await keys()).toEqual([GRAPH]);
  });
});

describe('removing from a bucket', () => {
  it('says until when a file is locked, and leaves it', async () => {
    const archive = await fresh({ ObjectLockEnabledForBucket: true });
    const [Bucket, Key] = [bucket, GRAPH];
    await put(archive, GRAPH, SMALL);
    const retain = (until: Date): Promise<unknown> =>
      client.send(
        new PutObjectRetentionCommand({
          ...{ Bucket, Key, BypassGovernanceRetention: true },
          Retention: { Mode: 'GOVERNANCE', RetainUntilDate: until },
        }),
      );
    await retain(new Date('2040-01-01T00:00:00Z'));
    expect(await archive.lockedUntil(GRAPH)).toBe('2040-01-01T00:00:00.000Z');
    await expect(archive.remove(GRAPH)).rejects.toMatchObject({
      code: 'archive-file-locked',
      reason: 'Object Lock keeps it until 2040-01-01T00:00:00.000Z',
    });
    const hold = (Status: 'ON' | 'OFF'): Promise<unknown> =>
      client.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status } }));
    await hold('ON');
    expect(await archive.lockedUntil(GRAPH)).toBe('hold');
    await expect(archive.remove(GRAPH)).rejects.toMatchObject({ reason: 'it is under a legal hold' });
    expect(await keys()).toEqual([GRAPH]);
    await hold('OFF');
    await retain(new Date('2020-01-01T00:00:00Z'));
    expect(await archive.lockedUntil(GRAPH)).toBeNull();
    await archive.remove(GRAPH);
    expect(await keys()).toEqual([]);
  });

  it('says that it may not', async () => {
    const archive = await fresh();
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: GRAPH, Body: SMALL }));
    front.decide = ({ method }) => (method === 'DELETE' ? { status: 403, code: 'AccessDenied' } : null);
    await expect(archive.remove(GRAPH)).rejects.toMatchObject({
      operation: 'remove the backup file',
      code: 'archive-write-denied',
      hint: expect.stringContaining('s3:DeleteObject') as string,
    });
    expect(await paths(archive)).toEqual([GRAPH]);
  });

  it('reaches what lies under the other layout', async () => {
    const archive = await fresh();
    const other = GRAPH.slice(BASE.length);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: other, Body: SMALL }));
    expect(await paths(archive)).toEqual([other]);
    await archive.remove(other);
    expect(await keys()).toEqual([]);
  });
});
