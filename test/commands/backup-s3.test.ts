import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../src/failure.js';
import { Lab } from '../support/lab.js';
import { startMoto, type Moto } from '../support/moto.js';
import { startS3Front, type S3Front } from '../support/s3-front.js';

const BUCKET = 'memory-backups';

interface Created {
  timestamp: string;
  outcome: string;
  places: { place: string; failure: { code: string } | null }[];
}

let lab: Lab;
let moto: Moto;
let front: S3Front;
let client: S3Client;

beforeAll(async () => {
  [lab, moto] = await Promise.all([Lab.start(), startMoto()]);
  front = await startS3Front(moto.endpoint);
  client = new S3Client({
    endpoint: moto.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await lab.fill({ memories: 60 });
});
afterAll(async () => {
  client.destroy();
  await front.stop();
  await Promise.all([moto.stop(), lab.stop()]);
});
beforeEach(async () => {
  front.decide = () => null;
  for (const key of await keys()) await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
});

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.map(({ Key }) => Key ?? '').sort();
}

async function unfinishedUploads(): Promise<number> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  return Uploads.length;
}

async function create(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ created: Created; exitCode: number; failure: Failure | null }> {
  const run = await lab.run(['backup', 'create', '--json', ...args], {
    env: {
      AUTOMEM_S3_BUCKET: BUCKET,
      AWS_ENDPOINT_URL_S3: front.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      ...env,
    },
  });
  return { created: run.events.at(-1) as unknown as Created, exitCode: run.exitCode, failure: run.failure };
}

describe('a backup to a bucket', () => {
  it('lies there whole, under the keys that AutoMem uses, and is restored from there', async () => {
    const { created, exitCode } = await create(['--to', 's3']);
    expect(exitCode).toBe(0);
    const { timestamp } = created;
    expect(await keys()).toEqual([
      `automem-backups/falkordb/falkordb_${timestamp}.json.gz`,
      `automem-backups/lifeboat_${timestamp}.manifest.json`,
      `automem-backups/qdrant/qdrant_${timestamp}.json.gz`,
    ]);
    expect(await unfinishedUploads()).toBe(0);
    expect(existsSync(join(lab.backups, 'falkordb', `falkordb_${timestamp}.json.gz`))).toBe(false);
    const before = await lab.snapshot();
    await lab.damage('both-lost');
    const env = {
      AUTOMEM_S3_BUCKET: BUCKET,
      AWS_ENDPOINT_URL_S3: front.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AUTOMEM_BACKUP_DIR: join(lab.folder, 'no-folder'),
    };
    const { summary } = await lab.recover(['restore-backup'], { env });
    expect(summary).toMatchObject({ plan: 'restore-backup', quarantined: 0, losses: [] });
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });

  it.each<[string, (url: string) => boolean]>([
    ['at its first request', () => true],
    ['while the graph half goes up', (url) => url.includes('falkordb')],
    ['before the manifest', (url) => url.includes('manifest')],
  ])(
    'that breaks off %s leaves nothing in the bucket, and is told; the folder has its pair',
    async (_, hits) => {
      front.decide = ({ method, url }) =>
        (method === 'PUT' || method === 'POST') && hits(url) ? { status: 500, code: 'InternalError' } : null;
      const { created, exitCode } = await create(['--to', 'both']);
      expect(exitCode).toBe(1);
      expect(created.outcome).toBe('incomplete');
      expect(created.places.map(({ failure }) => failure === null)).toEqual([true, false]);
      expect(await keys()).toEqual([]);
      expect(readdirSync(lab.backups).filter((name) => name.includes(created.timestamp))).toHaveLength(1);
    },
  );

  it('fails where S3 is the only place, and names what to mend', async () => {
    const missing = await create(['--to', 's3'], { AUTOMEM_S3_BUCKET: 'no-such-bucket' });
    expect(missing.failure).toMatchObject({ exitCode: 1 });
    expect(missing.failure?.message).toMatch(/^Could not write the backup \(s3:\/\/no-such-bucket /);
    const env = { AWS_ENDPOINT_URL_S3: front.endpoint, AWS_REGION: 'us-east-1' };
    const keysOf = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    const listed = await lab.run(['backup', 'list', '--json'], {
      env: { ...env, ...keysOf, AUTOMEM_S3_BUCKET: 'no-such-bucket' },
    });
    expect(listed.exitCode).toBe(10);
    front.decide = ({ method }) => (method === 'POST' ? { status: 403, code: 'ExpiredToken' } : null);
    const expired = await create(['--to', 's3']);
    expect(expired.failure?.message).toMatch(/expired/);
    expect(await keys()).toEqual([]);
  });
});
