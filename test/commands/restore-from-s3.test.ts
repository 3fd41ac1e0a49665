import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { backupPaths } from '../../src/sandbox/fill-backup.js';
import { GRAPH, Lab, TIMESTAMP, type CommandRun } from '../support/lab.js';
import { startMoto, type Moto } from '../support/moto.js';
import { startS3Front, type S3Front } from '../support/s3-front.js';

const BUCKET = 'backups';
const PREFIX = 'automem-backups/';
const OLDER = '20261031_030000';

type Half = 'graph' | 'vectors';

let lab: Lab;
let moto: Moto;
let front: S3Front;
let client: S3Client;
let before: GraphSnapshot;
let vectorsBefore: VectorSnapshot;
/** The files of the pairs that the filling took, by their keys in the bucket. */
const pairs = new Map<string, Buffer>();

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
  await lab.fill({ memories: 300, olderTimestamps: [OLDER] });
  before = await lab.snapshot();
  vectorsBefore = await readVectors(lab.stores.vectors);
  for (const timestamp of [TIMESTAMP, OLDER])
    for (const half of ['graph', 'vectors'] as const)
      pairs.set(keyOf(half, timestamp), readFileSync(backupPaths(lab.backups, timestamp)[half]));
  rmSync(lab.backups, { recursive: true });
});

afterAll(async () => {
  await Promise.all([before.close(), vectorsBefore.close()]);
  client.destroy();
  await front.stop();
  await Promise.all([moto.stop(), lab.stop()]);
});

beforeEach(async () => {
  for (const key of await keys()) await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
  for (const [key, content] of pairs) await put(key, content);
  await lab.damage('both-lost');
});

/** As AutoMem names it. */
function keyOf(half: Half, timestamp: string): string {
  const store = half === 'graph' ? 'falkordb' : 'qdrant';
  return `${PREFIX}${store}/${store}_${timestamp}.json.gz`;
}

async function put(Key: string, Body: Buffer): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.map(({ Key = '' }) => Key).sort();
}

/** What the bucket holds, to the byte. */
async function bucket(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const Key of await keys()) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    found[Key] = createHash('sha256')
      .update((await Body?.transformToByteArray()) ?? '')
      .digest('hex');
  }
  return found;
}

/** Recovers with the bucket alone: the folder of the settings is not there. */
function recover(args: string[] = []): Promise<CommandRun> {
  const env = {
    AUTOMEM_S3_BUCKET: BUCKET,
    AWS_ENDPOINT_URL_S3: front.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'geheim-of-the-test',
  };
  return lab.recover(args, { env });
}

async function expectAsBefore(): Promise<void> {
  expect(await lab.differences(before)).toEqual([]);
  const now = await readVectors(lab.stores.vectors);
  try {
    const { equal, settings, examples } = await compareVectors(vectorsBefore, now);
    expect({ equal, settings, examples }).toEqual({ equal: true, settings: [], examples: [] });
  } finally {
    await now.close();
  }
}

/** Both stores are as before; the backups are older than the objective, which exit code 5 says. */
async function expectRestored(run: CommandRun): Promise<void> {
  expect(run.summary.failure).toBeUndefined();
  expect(run.summary).toMatchObject({
    plan: 'restore-backup',
    outcome: 'recovered',
    exitCode: 5,
    quarantined: 0,
    losses: [],
  });
  expect(run.summary.validation.map(({ status }) => status)).toEqual(Array(5).fill('pass'));
  await expectAsBefore();
}

const findings = (run: CommandRun): string =>
  run.events.flatMap((event) => (event.type === 'finding' ? [event.finding.message] : [])).join('\n');

const secondsSince = (time: string): number => (Date.now() - Date.parse(time)) / 1000;

describe('both stores lost, and the backups only in a bucket', () => {
  it('come back to the last property; nothing is written into the bucket', async () => {
    const held = await bucket();
    const run = await recover();
    await expectRestored(run);
    expect(run.summary.restored).toMatchObject({
      nodes: before.nodes,
      relationships: before.relationships,
      vectors: vectorsBefore.points.size,
    });
    expect(run.summary.assessment?.backups).toMatchObject({ newest: TIMESTAMP, pairs: 2 });
    expect(await bucket()).toEqual(held);
    expect(run.stdout).not.toContain('geheim-of-the-test');
    expect(await lab.leftovers()).toEqual([]);
  });
});

/** Sound as a gzip file, and damaged in what it holds: found only by reading it to its end. */
const spoiledInside = (content: Buffer): Buffer => {
  const text = gunzipSync(content).toString();
  const last = text.lastIndexOf('"payload": {');
  return gzipSync(`${text.slice(0, last)}"payload": {{${text.slice(last + '"payload": {'.length)}`);
};
const cutShort = (content: Buffer): Buffer => content.subarray(0, content.length / 2);

async function spoil(half: Half, timestamp: string, how: (content: Buffer) => Buffer): Promise<void> {
  const key = keyOf(half, timestamp);
  await put(key, how(pairs.get(key) ?? Buffer.of()));
}

describe('the newest pair in the bucket cannot be used', () => {
  const spoilt: [string, Half, (content: Buffer) => Buffer, (run: CommandRun) => string, RegExp][] = [
    [
      'its vectors are damaged inside',
      'vectors',
      spoiledInside,
      findings,
      /is passed over: .*qdrant_20261101/,
    ],
    [
      'its graph half broke off when it was uploaded',
      'graph',
      cutShort,
      findings,
      /cannot be used: it ends early/,
    ],
  ];
  it.each(spoilt)('%s: the one before takes its place, and it is said', async (_, half, how, words, said) => {
    await spoil(half, TIMESTAMP, how);
    const run = await recover();
    await expectRestored(run);
    expect(words(run)).toMatch(said);
    expect(run.summary.rpo?.measuredSeconds).toBeGreaterThan(secondsSince('2026-10-31T03:00:00Z') - 600);
  });

  it('nor the one before: nothing is touched, and both are named', async () => {
    for (const timestamp of [TIMESTAMP, OLDER]) await spoil('vectors', timestamp, spoiledInside);
    const held = await bucket();
    const run = await recover();
    expect(run.exitCode).toBe(4);
    expect(run.summary.failure).toMatchObject({ code: 'backup-unsound' });
    for (const timestamp of [TIMESTAMP, OLDER]) expect(run.summary.failure?.message).toContain(timestamp);
    expect(await bucket()).toEqual(held);
    expect(await lab.keys()).not.toContain(GRAPH);
    expect(await lab.leftovers()).toEqual([]);
    await expect(lab.points()).rejects.toThrow('404');
  });
});

describe('a folder whose only pair cannot be used', () => {
  afterEach(() => rmSync(lab.backups, { recursive: true }));

  it('does not hide the bucket, and is named', async () => {
    for (const half of ['graph', 'vectors'] as const)
      lab.writeBackup(half, cutShort(pairs.get(keyOf(half, TIMESTAMP)) ?? Buffer.of()));
    const run = await recover();
    await expectRestored(run);
    expect(findings(run)).toContain(`None of the backups in ${lab.backups} can be used`);
  });

  it('gives way to whole pairs where it has vectors alone', async () => {
    lab.writeBackup('vectors', pairs.get(keyOf('vectors', TIMESTAMP)) ?? Buffer.of());
    await expectRestored(await recover());
  });
});
