import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli.js';
import { Lab, type CommandRun } from '../support/lab.js';
import { startMoto, type Moto } from '../support/moto.js';
import { startS3Front, type S3Front } from '../support/s3-front.js';

const BUCKET = 'memory-backups';

let lab: Lab;
let moto: Moto;
let front: S3Front;
let client: S3Client;
let stamp: string;

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
  const made = await backup('create', '--to', 's3');
  stamp = (made.events.at(-1) as unknown as { timestamp: string }).timestamp;
});
afterAll(async () => {
  client.destroy();
  await front.stop();
  await Promise.all([moto.stop(), lab.stop()]);
});
beforeEach(() => void (front.decide = () => null));

/** The bucket is the only place with backups. */
const env = (): Record<string, string> => ({
  AUTOMEM_S3_BUCKET: BUCKET,
  AUTOMEM_BACKUP_DIR: join(lab.folder, 'no-folder'),
  AWS_ENDPOINT_URL_S3: front.endpoint,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
});

function backup(...args: string[]): Promise<CommandRun> {
  return lab.run(['backup', ...args, '--json'], { env: env() });
}

async function notes(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.flatMap(({ Key = '' }) => (Key.endsWith('.verified.json') ? [Key] : []));
}

const output = (): string => join(lab.folder, 'saved');

/** Files that a salvage wrote. */
function saved(): string[] {
  if (!existsSync(output())) return [];
  const entries = readdirSync(output(), { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : []));
}

/** Both commands, with what each needs besides. */
const BOTH: [string, () => string[]][] = [
  ['verify', () => [stamp]],
  ['salvage', () => [stamp, '--output', output()]],
];

describe('a backup in a bucket', () => {
  it.each(BOTH)('%s ends with 10 where the bucket cannot be reached', async (command, args) => {
    front.decide = () => 'cut';
    const { failure } = await backup(command, ...args());
    expect(failure).toMatchObject({ exitCode: 10 });
    expect(failure?.message).toContain(BUCKET);
    expect([saved(), await notes()]).toEqual([[], []]);
  });

  it.each(BOTH)('%s ends with 10 where it goes away midway, and blames no backup', async (command, args) => {
    front.decide = ({ method, url }) => (method === 'GET' && url.includes('/qdrant/') ? 'cut' : null);
    const { exitCode, stdout } = await backup(command, ...args());
    expect(exitCode).toBe(10);
    expect(stdout).not.toContain('"backup-verified"');
    expect([saved(), await notes()]).toEqual([[], []]);
  });

  it.each(BOTH)('%s ends with 130 at SIGINT, and leaves nothing', async (command, args) => {
    let child: ChildProcess | null = null;
    // Asked again a moment later, it is not asked any more.
    front.decide = ({ method, url }) => {
      if (method !== 'GET' || !url.includes('/qdrant/qdrant_')) return null;
      // A second one would end it at once.
      if (child?.killed === false) child.kill('SIGINT');
      return { status: 503, code: 'SlowDown' };
    };
    child = spawn(process.execPath, [CLI, 'backup', command, ...args()], {
      env: { PATH: process.env['PATH'], ...lab.env, ...env() },
      cwd: lab.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    const says = 'Stopping; nothing unfinished is left behind. The same again ends it at once.\n';
    expect([code, said]).toEqual([130, says]);
    expect([saved(), await notes()]).toEqual([[], []]);
  });

  it('is restored into engines of its own, and the result is kept beside it', async () => {
    // The engines are looked for as always.
    const { PATH = '', HOME = '' } = process.env;
    const { exitCode, events } = await lab.run(['backup', 'verify', 'latest', '--deep', '--json'], {
      env: { ...env(), PATH, HOME },
    });
    expect(events[0]).toMatchObject({
      level: 'deep',
      ok: true,
      problems: [],
      place: `s3://${BUCKET}/automem-backups`,
    });
    expect(exitCode).toBe(0);
    expect(await notes()).toEqual([`automem-backups/lifeboat_${stamp}.verified.json`]);
    expect((await backup('list')).events[0]).toMatchObject({ verified: { level: 'deep', ok: true } });
  });
});
