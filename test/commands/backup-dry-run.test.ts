import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { redisLease } from '../../src/stores/lease/redis-lease.js';
import { GRAPH, Lab, type CommandRun } from '../support/lab.js';
import { startMoto, type Moto } from '../support/moto.js';

interface Preview {
  type: string;
  outcome: string;
  exitCode: number;
  memories: number | null;
  points: number | null;
  bytes: number;
  estimate: { bytes: number; seconds: number; from: string | null };
  files: string[];
  checks: { check: string; subject: string; ok: boolean; says: string; failure: { code: string } | null }[];
}

let lab: Lab;
let moto: Moto;
let client: S3Client;

beforeAll(async () => {
  [lab, moto] = await Promise.all([Lab.start(), startMoto()]);
  await lab.fill({ memories: 120 });
  client = new S3Client({
    endpoint: moto.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await client.send(new CreateBucketCommand({ Bucket: 'dry-run' }));
});

afterAll(async () => {
  client.destroy();
  await Promise.all([lab.stop(), moto.stop()]);
});

const S3 = (): Record<string, string> => ({
  ...{ AUTOMEM_S3_BUCKET: 'dry-run', AWS_ENDPOINT_URL_S3: moto.endpoint, AWS_REGION: 'us-east-1' },
  ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' },
});

async function dryRun(
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<CommandRun & { preview: Preview }> {
  const run = await lab.run(['backup', 'create', '--dry-run', '--json', ...args], { env });
  return { ...run, preview: run.events.at(-1) as unknown as Preview };
}

/** Everything in the folder of the backups, with times. */
const everything = (): string[] =>
  readdirSync(lab.backups, { recursive: true, encoding: 'utf8' })
    .map((name) => `${name} ${statSync(join(lab.backups, name)).mtimeMs}`)
    .sort();

const failed = ({ preview }: { preview: Preview }): (string | undefined)[] =>
  preview.checks.filter(({ ok }) => !ok).map(({ check, failure }) => `${check} ${failure?.code ?? ''}`);

it('says what would be written, and writes nothing', async () => {
  const before = everything();
  const folder = join(lab.folder, 'not', 'there', 'yet');
  const first = await dryRun([], { AUTOMEM_BACKUP_DIR: folder });
  expect(first).toMatchObject({ exitCode: 0, preview: { outcome: 'ready', estimate: { from: null } } });
  expect(existsSync(join(lab.folder, 'not'))).toBe(false);
  expect(first.preview.checks.at(-1)).toMatchObject({ ok: true, warning: true });
  const words = await lab.run(['backup', 'create', '--dry-run'], { env: { AUTOMEM_BACKUP_DIR: folder } });
  expect(words.stdout).toContain(`  ! ${folder}: it is not there; it would be made (`);
  const { preview } = await dryRun();
  expect(everything()).toEqual(before);
  expect(preview.checks.map(({ check, ok }) => [check, ok])).toEqual(
    ['lease', 'graph', 'vectors', 'place'].map((check) => [check, true]),
  );
  expect(preview.files.map((path) => path.replace(/\d{8}_\d{6}/, 'T'))).toEqual(
    ['falkordb/falkordb_T.json.gz', 'qdrant/qdrant_T.json.gz'].concat('lifeboat_T.manifest.json'),
  );
  const made = (await lab.run(['backup', 'create', '--json'])).events.at(-1) as unknown as Preview & {
    timestamp: string;
  };
  expect(preview).toMatchObject({ memories: made.memories, points: made.points });
  expect(first.preview.estimate.bytes).toBeGreaterThan(made.bytes / 4);
  expect(first.preview.estimate.bytes).toBeLessThan(made.bytes * 4);
  const next = (await dryRun()).preview;
  expect(next.estimate).toMatchObject({ bytes: made.bytes, from: made.timestamp });
  const graph = (await dryRun(['--only', 'graph'])).preview;
  expect(graph).toMatchObject({ points: null });
  expect(graph.estimate.bytes).toBeLessThan(made.bytes);
  const { stdout } = await lab.run(['backup', 'create', '--dry-run']);
  expect(stdout).toMatch(
    /^Dry run: nothing is written.\n {2}✓ lease [^]*✓ .* free\n[^]*manifest\.json\nNothing is in its way/,
  );
});

it('begins no upload in a bucket that stays, and knows one that is not there', async () => {
  const run = await dryRun(['--to', 's3'], S3());
  expect(run).toMatchObject({ exitCode: 0, preview: { outcome: 'ready' } });
  const listed = await client.send(new ListObjectsV2Command({ Bucket: 'dry-run' }));
  const pending = await client.send(new ListMultipartUploadsCommand({ Bucket: 'dry-run' }));
  expect([listed.KeyCount, pending.Uploads ?? []]).toEqual([0, []]);
  const away = await dryRun([], { ...S3(), AUTOMEM_S3_BUCKET: 'nobodys' });
  expect(away).toMatchObject({ exitCode: 1, preview: { outcome: 'not-ready' } });
  expect(away.preview.checks.filter(({ check }) => check === 'place').map(({ ok }) => ok)).toEqual([
    true,
    false,
  ]);
  const down = await dryRun(['--to', 's3'], { ...S3(), AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' });
  expect(down.exitCode).toBe(10);
});

it('tells everything that is in the way at once, and ends as the backup would', async () => {
  const file = join(lab.folder, 'in-the-way');
  writeFileSync(file, '');
  const all = await dryRun(['--encrypt'], {
    ...{ AUTOMEM_BACKUP_DIR: join(file, 'backups'), FALKORDB_PORT: '1', QDRANT_COLLECTION: 'another' },
  });
  expect(all.exitCode).toBe(2);
  expect(failed(all).map((text) => text?.split(' ')[0])).toEqual(['encryption', 'graph', 'vectors', 'place']);
  const codes: [string[], Record<string, string>, number, string][] = [
    [[], { FALKORDB_PORT: '1' }, 10, 'graph'],
    [[], { FALKORDB_GRAPH: 'another' }, 3, 'graph'],
    [['--only', 'vectors'], { QDRANT_COLLECTION: 'another' }, 3, 'vectors'],
    [[], { AUTOMEM_BACKUP_DIR: join(file, 'backups') }, 1, 'place'],
    // Nothing is free there, whoever asks.
    [[], { AUTOMEM_BACKUP_DIR: '/proc/backups' }, 1, 'place'],
    [['--encrypt'], { LIFEBOAT_AGE_RECIPIENTS: 'age1nobody' }, 2, 'encryption'],
  ];
  for (const [args, env, exitCode, check] of codes) {
    const run = await dryRun(args, env);
    expect([env, run.exitCode, failed(run)[0]?.split(' ')[0]]).toEqual([env, exitCode, check]);
    expect((await lab.run(['backup', 'create', '--json', ...args], { env })).exitCode).toBe(exitCode);
  }
  const recipients = { LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(await generateIdentity()) };
  const encrypted = await dryRun(['--encrypt'], recipients);
  expect(encrypted.preview.files[0]).toMatch(/\.age$/);
  expect(encrypted.preview.checks[0]?.says).toContain('no key is set here that opens it again');
  expect((await dryRun(['--to', 's3'])).failure).toMatchObject({ exitCode: 2, code: 'no-bucket' });
});

it('sees a recovery that is at work', async () => {
  const lease = redisLease(lab.engines.graph, GRAPH);
  const time = new Date().toISOString();
  const taken = await lease.take(
    {
      ...{ run: 'run-there', command: 'recover', owner: 'ada@there', host: 'there', pid: 1 },
      ...{ processStarted: null, processSpace: null, since: time, heartbeat: time, ttlSeconds: 60 },
    },
    null,
  );
  const run = await dryRun();
  await lease.release(taken?.version ?? '');
  lease.close();
  expect(run.exitCode).toBe(11);
  expect(failed(run)).toEqual(['lease lease-held']);
});
