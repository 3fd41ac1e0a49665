import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  CreateBucketCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { loadBackupCommand } from '../../src/commands/backup.js';
import { Failure } from '../../src/failure.js';
import { textWidth } from '../../src/report/text.js';
import { hoursBefore, notesAsSeen, pairFiles, type PairSpec } from '../backup/pair-files.js';
import { redisLease } from '../../src/stores/lease/redis-lease.js';
import { testContext, type TestContext } from '../support/context.js';
import { startEngines } from '../support/engines.js';
import { startMoto, type Moto } from '../support/moto.js';

const NOW = new Date();
const at = (hours: number): string => hoursBefore(NOW, hours);
const PREFIX = 'automem-backups/';

let moto: Moto;
let client: S3Client;
let root = '';
let bucket = '';
let count = 0;

beforeAll(async () => {
  moto = await startMoto();
  client = new S3Client({
    endpoint: moto.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-keep-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

afterAll(async () => {
  client.destroy();
  await moto.stop();
});

function local(hours: number, spec: PairSpec = {}): void {
  for (const [path, content] of Object.entries(pairFiles(at(hours), spec))) {
    const full = join(root, 'backups', path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }
  notesAsSeen(join(root, 'backups'));
}

async function freshBucket(options: { ObjectLockEnabledForBucket?: boolean } = {}): Promise<void> {
  bucket = `keep-${++count}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket, ...options }));
}

async function remote(hours: number, spec: PairSpec = {}): Promise<void> {
  for (const [Key, Body] of Object.entries(pairFiles(at(hours), { base: PREFIX, ...spec })))
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
}

const S3 = (): Record<string, string> => ({
  AUTOMEM_S3_BUCKET: bucket,
  AWS_ENDPOINT_URL_S3: moto.endpoint,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
});

interface Ended {
  context: TestContext;
  failure: Failure | null;
  lines: Record<string, unknown>[];
  exitCode: number;
}

/** Runs `lifeboat backup …`, and gives what it wrote and how it ended. */
async function run(args: string[], env: Record<string, string> = {}, columns?: number): Promise<Ended> {
  const stdout = { isTTY: true, columns } as unknown as NodeJS.WriteStream;
  const context = testContext({
    cwd: root,
    env: {
      ...{ HOME: root, AUTOMEM_BACKUP_DIR: 'backups', LIFEBOAT_STATE: join(root, 'state') },
      ...{ FALKORDB_HOST: '127.0.0.1', FALKORDB_PORT: '1', FALKORDB_GRAPH: 'memories', ...env },
    },
    ...(columns === undefined ? {} : { terminal: { stdin: process.stdin, stdout } }),
  });
  const program = new Command()
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.out(text), writeErr: (text) => context.err(text) });
  (await loadBackupCommand(args[0]))(program, context);
  const failure = await program.parseAsync(['backup', ...args], { from: 'user' }).then(
    () => null,
    (error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    },
  );
  const lines = args.includes('--json')
    ? context.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { context, failure, lines, exitCode: failure?.exitCode ?? context.exitCode };
}

const stamps = (): string[] =>
  [
    ...new Set(
      readdirSync(join(root, 'backups'), { recursive: true }).flatMap(
        (name) => /\d{8}_\d{6}/.exec(String(name))?.[0] ?? [],
      ),
    ),
  ].sort();

const actionsOf = ({ lines }: Ended): [unknown, unknown][] =>
  lines.filter(({ type }) => type === 'decision').map(({ timestamp, action }) => [timestamp, action]);

/** A run that was killed in the middle of a restore from a backup. */
function killedRun(backup: string): void {
  const folder = join(root, 'state', 'runs', 'run-killed');
  mkdirSync(folder, { recursive: true });
  const time = new Date(NOW.getTime() - 40 * 86_400_000).toISOString();
  const stores = { graph: 'a:1', graphName: 'memories', vectors: 'http://a:2', collection: 'memories' };
  const request = { plan: null, interactive: false, dryRun: false, confirm: null, confirmName: 'memories' };
  const lines = [
    { time, entry: 'run', run: 'run-killed', command: 'recover', version: '0', stores, request, options: {} },
    { time, entry: 'plan', plan: 'restore-backup', steps: ['restore-graph'], backup },
  ];
  writeFileSync(join(folder, 'journal.ndjson'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

const LAST_TWO = ['--keep-last', '2', '--keep-hourly', '0', '--keep-daily', '0', '--keep-weekly', '0'].concat(
  [...['--keep-monthly', '0', '--keep-yearly', '0', '--minimum', '1']],
);

describe('backup list', () => {
  it('shows folder and bucket in one table of 80 columns', async () => {
    await freshBucket();
    const verified = {
      level: 'full',
      ok: true,
      at: new Date(NOW.getTime() - 600_000).toISOString(),
    } as const;
    local(1, { verified });
    local(30, { pinned: 'before the move' });
    await remote(1, { verified });
    await remote(55, { without: 'graph' });
    await remote(80, { base: '' });
    const { context, exitCode } = await run(['list'], S3(), 80);
    const lines = context.stdout.trimEnd().split('\n');
    expect(exitCode).toBe(0);
    expect(lines.every((line) => textWidth(line) <= 80)).toBe(true);
    expect(lines[1]).toMatch(/^\d{8}_\d{6} +60m +\S+ k?B +120 +45 +full, 10m ago +both +\S+/);
    expect(lines[2]).toMatch(/ never +local +pinned \+\d$/);
    expect(lines.find((line) => line.startsWith(at(55)))).toMatch(/broken/);
    expect(lines.find((line) => line.startsWith('✗'))).toContain('the graph half is missing');
    expect(lines.at(-1)).toMatch(/^"\+N" under "kept by": so many other rules keep it too/);
    expect(context.stdout).not.toContain('enc.');
  });

  it('tells of each place how it was verified there, and counts a backup with one good copy as verified', async () => {
    await freshBucket();
    const ago = (minutes: number): string => new Date(NOW.getTime() - minutes * 60_000).toISOString();
    // The bad copy was looked at before the good one.
    local(1, { verified: { level: 'full', ok: true, at: ago(10) } });
    await remote(1, { verified: { level: 'full', ok: false, at: ago(20) } });
    local(2, { verified: { level: 'quick', ok: true, at: ago(10) } });
    await remote(2);
    const { stdout } = (await run(['list'], S3(), 120)).context;
    expect(stdout).toMatch(new RegExp(`^${at(1)} .* local full, 10m ago; s3 FAILED, 20m ago +both `, 'm'));
    expect(stdout).toMatch(new RegExp(`^${at(2)} .* local quick, 10m ago; s3 never +both `, 'm'));
    expect(stdout).toMatch(new RegExp(`^✗ ${at(1)} in s3://.*a verification of this copy did not pass`, 'm'));
    const { lines } = await run(['list', '--json'], S3());
    expect(lines[0]).toMatchObject({
      ...{ complete: true, verified: { ok: false } },
      places: [{ verified: { ok: true } }, { verified: { ok: false } }],
    });
    expect(lines.at(-1)).toMatchObject({ complete: 2, verified: 2 });
    const shown = (await run(['show', at(1)], S3())).context.stdout;
    expect(shown).toMatch(/^Verified +\S*backups: full .*: sound\n +s3:.*: NOT SOUND/m);
    expect(shown).toContain(`Next        copy its files from ${join(root, 'backups')}`);
    const kept = await run(['prune', '--dry-run', '--json', ...LAST_TWO, '--keep-last', '1'], S3());
    const rules = kept.lines.map(({ reasons }) =>
      (reasons as { rule: string }[] | undefined)?.map(({ rule }) => rule),
    );
    expect(rules[0]).toContain('newest-verified');
    // Of the bucket it is the newest that is whole there.
    expect(rules[1]).toContain('newest-complete');
  });

  it('drops columns in a narrow terminal, and never the timestamp', async () => {
    local(1);
    const { context } = await run(['list'], {}, 34);
    expect(context.stdout.split('\n')[0]).toMatch(/^timestamp +age +verified$/);
  });

  it('gives an object a pair and one of all', async () => {
    local(1, { verified: { level: 'deep', ok: true } });
    local(2);
    const { lines } = await run(['list', '--json']);
    expect(lines).toMatchObject([
      { type: 'backup', timestamp: at(1), memories: 120, verified: { level: 'deep', ok: true }, kept: true },
      { type: 'backup', timestamp: at(2), complete: true, pinned: null, verified: null },
      { type: 'backups', exitCode: 0, backups: 2, verified: 1, newest: at(1) },
    ]);
  });

  it('shows one place when the other cannot be reached, and says so', async () => {
    local(1);
    const env = { ...S3(), AUTOMEM_S3_BUCKET: 'nobodys', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' };
    const { context, exitCode } = await run(['list'], env);
    expect(exitCode).toBe(10);
    expect(context.stdout).toContain(at(1));
    expect(context.stderr).toContain('s3://nobodys');
  });

  it('reads a folder and an empty place', async () => {
    local(1);
    const elsewhere = await run(['list', '--file', 'backups', '--json'], { AUTOMEM_BACKUP_DIR: 'none' });
    expect(elsewhere.lines.map(({ timestamp }) => timestamp)).toEqual([at(1), undefined]);
    const { context, exitCode } = await run(['list'], { AUTOMEM_BACKUP_DIR: 'none' });
    expect(exitCode).toBe(0);
    expect(context.stdout).toContain('There are no backups yet.');
    expect(context.stdout).toContain('the folder is not there');
  });
});

describe('backup show', () => {
  it('tells everything that the manifest says', async () => {
    local(3, { pinned: 'why not', verified: { level: 'full', ok: true } });
    const { context } = await run(['show', 'latest', '--manifest']);
    for (const text of ['120 memories', 'sound', 'why not', 'collection: memories', 'sha256', 'nodes: 130'])
      expect(context.stdout).toContain(text);
    const { lines } = await run(['show', at(3), '--json']);
    expect(lines).toMatchObject([{ timestamp: at(3), manifest: { graph: { nodes: 130 } } }]);
  });

  it('says that there is none of that name', async () => {
    local(3);
    expect(await run(['show', '20200101_000000'])).toMatchObject({
      exitCode: 4,
      failure: { code: 'backup-none' },
    });
  });
});

describe('backup pin', () => {
  it('holds at each place against every limit, until it is taken away', async () => {
    await freshBucket();
    for (const hours of [1, 2, 3]) {
      local(hours);
      await remote(hours);
    }
    const pinned = await run(['pin', at(3), '--reason', 'the last of Ada', '--json'], S3());
    expect(pinned.lines).toMatchObject([
      { type: 'pinned', timestamp: at(3), places: [{ failure: null }, { failure: null }] },
    ]);
    const limits = ['--max-count', '1', ...LAST_TWO, '--confirm', 'memories', '--json'];
    const prune = await run(['prune', ...limits], S3());
    expect(prune.lines.find(({ timestamp }) => timestamp === at(3))).toMatchObject({
      action: 'keep',
      reasons: [{ rule: 'pinned', says: 'pinned: the last of Ada' }],
    });
    expect((await run(['unpin', at(3)], S3())).context.stdout).toContain('✓ unpinned in');
    const again = (await run(['unpin', at(3)], S3())).context.stdout;
    expect(again).toContain('it was not pinned in');
    expect(again).not.toContain('unpinned');
    expect(actionsOf(await run(['prune', ...limits], S3()))).toContainEqual([at(3), 'remove']);
    expect(stamps()).toEqual([at(1)]);
  });
});

describe('backup prune', () => {
  it('tells the same whether it is done or not, and does nothing unconfirmed', async () => {
    for (const hours of [1, 2, 30, 60]) local(hours);
    const dry = await run(['prune', '--dry-run', '--json', ...LAST_TWO]);
    expect(dry.exitCode).toBe(0);
    expect(dry.lines.at(-1)).toMatchObject({ type: 'prune', dryRun: true, kept: 2, removed: 2 });
    const unsure = await run(['prune', '--json', ...LAST_TWO]);
    expect(unsure).toMatchObject({ exitCode: 2, failure: { code: 'not-confirmed' } });
    expect(await run(['prune', '--confirm', 'others', ...LAST_TWO])).toMatchObject({ exitCode: 2 });
    expect(stamps()).toEqual([60, 30, 2, 1].map(at));
    const done = await run(['prune', '--confirm', 'memories', '--json', ...LAST_TWO]);
    expect(done.exitCode).toBe(0);
    expect(actionsOf(done)).toEqual(actionsOf(dry));
    expect(done.lines.at(-1)).toMatchObject({ dryRun: false, kept: 2, removed: 2 });
    expect(done.lines.at(-1)?.['bytesFreed']).toBe(dry.lines.at(-1)?.['bytesFreed']);
    expect(stamps()).toEqual([2, 1].map(at));
    const again = await run(['prune', ...LAST_TWO]);
    expect(again).toMatchObject({ exitCode: 0, failure: null });
  });

  it('keeps what a run can be resumed with, whatever its age', async () => {
    for (const hours of [1, 2, 30, 1000]) local(hours);
    killedRun(at(1000));
    const told = (await run(['prune', '--dry-run', ...LAST_TWO], {}, 60)).context.stdout;
    expect(told).toContain(`remove  ${at(30)}  `);
    expect(Math.max(...told.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
    const { context } = await run(['prune', '--confirm', 'memories', ...LAST_TWO]);
    expect(context.stdout).toContain(`removed  ${at(30)}  `);
    expect(stamps()).toEqual([1000, 2, 1].map(at));
    expect(context.stdout).toContain('in use by run-killed');
  });

  it('respects Object Lock, goes on at the other place, and leaves what is outside the prefix', async () => {
    await freshBucket({ ObjectLockEnabledForBucket: true });
    for (const hours of [1, 2, 30, 60]) await remote(hours);
    for (const hours of [1, 2, 30]) local(hours);
    await remote(90, { base: '' });
    for (const hours of [30, 60])
      await client.send(
        new PutObjectRetentionCommand({
          ...{ Bucket: bucket, Key: `${PREFIX}qdrant/qdrant_${at(hours)}.json.gz` },
          Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date('2040-01-01T00:00:00Z') },
        }),
      );
    const { lines, exitCode } = await run(['prune', '--confirm', 'memories', '--json', ...LAST_TWO], S3());
    expect(exitCode).toBe(0);
    expect(lines.find(({ timestamp }) => timestamp === at(30))).toMatchObject({
      action: 'remove',
      places: [{ outcome: 'removed' }, { outcome: 'locked', lockedUntil: '2040-01-01T00:00:00.000Z' }],
    });
    expect(lines.find(({ timestamp }) => timestamp === at(60))).toMatchObject({
      action: 'keep',
      reasons: [{ rule: 'locked' }],
    });
    expect(lines.at(-1)).toMatchObject({ leftAlone: 1 });
    const { lines: left } = await run(['list', '--json'], S3());
    expect(left.slice(0, -1).map(({ timestamp }) => timestamp)).toEqual([1, 2, 30, 60, 90].map(at));
    expect(stamps()).toEqual([2, 1].map(at));
  });

  it('leaves a place alone that cannot be reached, and prunes the other', async () => {
    for (const hours of [1, 2, 30]) local(hours);
    const env = { ...S3(), AUTOMEM_S3_BUCKET: 'nobodys', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' };
    const { lines, exitCode } = await run(['prune', '--confirm', 'memories', '--json', ...LAST_TWO], env);
    expect(exitCode).toBe(10);
    expect(lines.at(-1)).toMatchObject({ removed: 1, failures: [{ code: 's3-unreachable' }] });
    expect(stamps()).toEqual([2, 1].map(at));
  });

  it('waits for a recovery of another machine: which backup it uses cannot be seen from here', async () => {
    for (const hours of [1, 2, 30]) local(hours);
    const engines = await startEngines();
    const lease = redisLease({ host: '127.0.0.1', port: engines.graph.port, tls: false }, 'memories');
    try {
      const time = NOW.toISOString();
      const claim = {
        ...{ run: 'run-there', command: 'recover', owner: 'ada@there', host: 'there', pid: 1 },
        ...{ processStarted: null, processSpace: null, since: time, heartbeat: time, ttlSeconds: 60 },
      };
      const taken = await lease.take(claim, null);
      const env = { FALKORDB_PORT: String(engines.graph.port) };
      const refused = await run(['prune', '--confirm', 'memories', ...LAST_TWO], env);
      expect(refused).toMatchObject({ exitCode: 11, failure: { code: 'lease-held' } });
      expect(stamps()).toHaveLength(3);
      await lease.release(taken?.version ?? '');
      await run(['prune', '--confirm', 'memories', ...LAST_TWO], env);
      expect(stamps()).toHaveLength(2);
    } finally {
      lease.close();
      await engines.stop();
    }
  });

  it('takes the retention of a preset, and flags before it', async () => {
    for (const hours of [1, 24 * 6, 24 * 8, 24 * 9, 24 * 10, 24 * 20]) local(hours);
    const { lines } = await run(['prune', '--dry-run', '--json', '--preset', 'personal', '--minimum', '1']);
    expect(lines.at(-1)).toMatchObject({
      kept: 2,
      removed: 4,
      policy: { keepWithinSeconds: 604_800, minimum: 1 },
    });
  });
});

describe('backup plan', () => {
  it('compares what is set up with all presets, by the size of the newest backup', async () => {
    local(1);
    local(3);
    const { context, exitCode } = await run(['plan'], {}, 100);
    expect(exitCode).toBe(0);
    for (const name of ['settings', 'personal', 'team', 'production', 'enterprise'])
      expect(context.stdout).toMatch(new RegExp(`^${name} `, 'm'));
    expect(context.stdout).toContain(`as ${at(1)} has`);
    expect(context.stdout).toContain('Not counted: ');
  });

  it('counts with the prices of the settings, and says what it was asked', async () => {
    writeFileSync(join(root, 'lifeboat.config.yaml'), 'prices:\n  storageGbMonth: 1\n');
    const asked = ['plan', '--schedule', 'daily', '--keep-last', '10', '--bytes', '1GiB', '--json'];
    const none = ['--keep-hourly', '0', '--keep-daily', '0', '--keep-weekly', '0', '--keep-monthly', '0'];
    const { lines } = await run([...asked, ...none], { ...S3(), AUTOMEM_S3_BUCKET: 'any-bucket' });
    expect(lines).toHaveLength(2);
    const storage = (lines[0]?.['lines'] as Record<string, unknown>[])[0];
    expect(storage).toMatchObject({ item: 'storage', amount: 10, money: 10 });
    expect(lines[1]).toMatchObject({ sizeOf: null, ownPrices: ['storageGbMonth'] });
    const { context } = await run(['plan', '--preset', 'enterprise', '--bytes', '200MB']);
    expect(context.stdout).toContain('in the archive class');
  });

  it('asks for the size where there is no backup', async () => {
    expect(await run(['plan'])).toMatchObject({ exitCode: 2, failure: { code: 'backup-size-unknown' } });
  });
});
