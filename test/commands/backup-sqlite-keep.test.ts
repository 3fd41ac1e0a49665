import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { backUpSqlite } from '../../src/backup/sqlite/back-up-sqlite.js';
import { loadBackupCommand } from '../../src/commands/backup.js';
import { Failure } from '../../src/failure.js';
import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import { hoursBefore, pairFiles } from '../backup/pair-files.js';
import { rowsOf, writeStore } from '../backup/sqlite/store.js';
import { testContext } from '../support/context.js';
import { startMoto, type Moto } from '../support/moto.js';

const NOW = new Date();
const at = (hours: number): string => hoursBefore(NOW, hours);

let moto: Moto;
let client: S3Client;
let root = '';
let count = 0;
beforeAll(async () => {
  moto = await startMoto();
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  client = new S3Client({ endpoint: moto.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-keep-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
afterAll(async () => {
  client.destroy();
  await moto.stop();
});

async function s3(): Promise<Record<string, string>> {
  const bucket = `sqlite-${++count}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    ...{ AUTOMEM_S3_BUCKET: bucket, AWS_ENDPOINT_URL_S3: moto.endpoint, AWS_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' },
  };
}

interface Ended {
  exitCode: number;
  stdout: string;
  failure: Failure | null;
  lines: Record<string, unknown>[];
}

async function run(words: string, env: Record<string, string> = {}): Promise<Ended> {
  const args = words.split(' ');
  const context = testContext({
    cwd: root,
    env: {
      ...{ HOME: root, AUTOMEM_BACKUP_DIR: 'backups', LIFEBOAT_STATE: join(root, 'state') },
      ...{ FALKORDB_HOST: '127.0.0.1', FALKORDB_PORT: '1', FALKORDB_GRAPH: 'memories', ...env },
    },
  });
  const program = new Command('lifeboat').exitOverride();
  (await loadBackupCommand(args[0]))(program, context);
  const failure = await program.parseAsync(['backup', ...args], { from: 'user' }).then(
    () => null,
    (error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    },
  );
  const { stdout } = context;
  const isJson = args.includes('--json');
  const lines = (isJson ? stdout.split('\n').filter(Boolean) : []).map(
    (line) => JSON.parse(line) as Record<string, unknown>,
  );
  return { exitCode: failure?.exitCode ?? context.exitCode, stdout, failure, lines };
}

/** Backs a store of the folder up, so many hours ago. */
async function backUp(name: string, hours: number): Promise<void> {
  const source = join(root, name);
  const targets = [{ archive: writableLocalArchive(join(root, 'backups')), failure: null }];
  const startedAt = new Date(NOW.getTime() - hours * 3_600_000);
  await backUpSqlite({ source, targets, recipients: [], scratch: root, startedAt, tool: 'test' });
}

function pair(hours: number): void {
  for (const [path, content] of Object.entries(pairFiles(at(hours)))) {
    const full = join(root, 'backups', path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }
}

const memories = (name: string): unknown =>
  rowsOf(join(root, name), 'SELECT count(*) AS n FROM memories')[0]?.['n'];
const files = (): string[] =>
  readdirSync(join(root, 'backups'), { recursive: true, encoding: 'utf8' }).filter((name) => /\d/.test(name));

describe('backups of SQLite stores', () => {
  it('are encrypted to both places, listed, verified at each, and restored with the identity', async () => {
    const key = await generateIdentity();
    writeFileSync(join(root, 'key.txt'), `${key}\n`);
    const env = { ...(await s3()), LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(key) };
    const keyed = { ...env, LIFEBOAT_AGE_IDENTITY: join(root, 'key.txt') };
    writeStore(join(root, 'memory.db'), { memories: 40 });
    const made = await run('create --source sqlite:memory.db --encrypt --to both --json', env);
    expect(made.lines).toMatchObject([
      { kind: 'sqlite', store: join(root, 'memory.db'), outcome: 'done', encryption: 'age' },
    ]);
    const path = /sqlite\/.*/.exec(String(made.lines[0]?.['path']))?.[0] ?? '';
    expect(readFileSync(join(root, 'backups', path)).toString('latin1', 0, 18)).toBe('age-encryption.org');
    const verified = await run('verify --deep --json', keyed);
    expect(verified.lines).toMatchObject([
      { type: 'backup-verified', kind: 'sqlite', level: 'deep', ok: true, tables: { memories: 40 } },
      { type: 'backup-verified', kind: 'sqlite', level: 'deep', ok: true },
      { type: 'verification', outcome: 'sound', verified: 2, sound: 2 },
    ]);
    expect((await run('verify --source sqlite --json', env)).exitCode).toBe(3);
    const { lines } = await run('list --json', env);
    expect(lines).toMatchObject([
      {
        ...{ kind: 'sqlite', store: join(root, 'memory.db'), encrypted: true, complete: true, memories: 40 },
        verified: { level: 'quick', ok: true, passed: 'deep' },
        places: [{ prunable: true }, { prunable: true }],
      },
      { type: 'backups', backups: 1, verified: 1 },
    ]);
    truncateSync(join(root, 'memory.db'), 3000);
    const restore = 'restore --source sqlite:memory.db --confirm memory.db';
    expect((await run(restore, env)).failure).toMatchObject({ code: 'backup-key' });
    expect(await run(restore, keyed)).toMatchObject({ exitCode: 0, failure: null });
    expect(memories('memory.db')).toBe(40);
  });

  it('are listed and shown beside the pairs, by the store that they are of', async () => {
    writeStore(join(root, 'memory.db'), { memories: 7 });
    expect((await run('list')).stdout).toContain('There are no backups yet.');
    await backUp('memory.db', 2);
    pair(30);
    const { stdout } = await run('list');
    expect(stdout).toMatch(new RegExp(`^${at(2)} +sqlite:memory.db +2h .* 7 +0 +7 +never +local +`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${at(30)} +automem `, 'm'));
    expect((await run('list --source sqlite:memory.db --json')).lines.at(-1)).toMatchObject({ backups: 1 });
    expect((await run('list --source sqlite:other.db --json')).lines.at(-1)).toMatchObject({ backups: 0 });
    // What "latest" always meant.
    expect((await run('show --json')).lines).toMatchObject([{ kind: 'automem', timestamp: at(30) }]);
    const shown = await run('show --source sqlite');
    for (const text of [`Store       ${join(root, 'memory.db')}`, '7 vectors', 'Tables', 'never, as it lies'])
      expect(shown.stdout).toContain(text);
    expect((await run(`show ${at(2)} --json`)).lines).toMatchObject([
      { kind: 'sqlite', manifest: { tables: { memories: 7 } } },
    ]);
    expect((await run(`salvage ${at(2)} --output saved`)).failure).toMatchObject({
      code: 'backup-of-sqlite',
    });
    expect((await run('verify --json')).lines.at(-2)).toMatchObject({ kind: 'automem' });
    expect((await run('verify --all --quick --json')).lines.at(-1)).toMatchObject({ verified: 2 });
  });

  it('are pruned by the store that they are of: no store pushes out the backups of another', async () => {
    for (const name of ['one.db', 'two.db']) writeStore(join(root, name), { memories: 3 });
    for (const hours of [1, 2, 3, 4]) pair(hours);
    for (const hours of [50, 51, 52]) await backUp('one.db', hours);
    for (const hours of [70, 71, 72]) await backUp('two.db', hours);
    expect((await run(`pin ${at(72)} --reason keep`)).stdout).toContain(`of sqlite:${join(root, 'two.db')}`);
    await run(`verify ${at(51)} --quick`);
    const last = '--keep-last 1 --keep-hourly 0 --keep-daily 0 --keep-weekly 0 --keep-monthly 0 --minimum 1';
    const alone = await run(`prune ${last} --source sqlite:one.db --dry-run --json`);
    expect(alone.lines.at(-1)).toMatchObject({ kept: 2, removed: 1 });
    const other = await run(`prune ${last} --source sqlite:one.db --confirm two.db`);
    expect(other.failure?.hint).toContain('--confirm one.db');
    const named = await run(`prune ${last} --source sqlite:one.db --confirm one.db --json`);
    expect(named.lines.at(-1)).toMatchObject({ kept: 2, removed: 1 });
    expect(files().some((name) => name.includes(at(52)))).toBe(false);
    const { lines } = await run(`prune ${last} --confirm memories --json`);
    const gone = lines.filter(({ action }) => action === 'remove').map(({ timestamp }) => timestamp);
    expect(gone).toEqual([2, 3, 4, 71].map(at));
    expect(lines.find(({ timestamp }) => timestamp === at(51))).toMatchObject({
      ...{ kind: 'sqlite', store: join(root, 'one.db') },
      reasons: [{ rule: 'newest-verified', says: 'the newest verified backup' }],
    });
    expect(files().filter((name) => gone.some((timestamp) => name.includes(String(timestamp))))).toEqual([]);
    expect(files().filter((name) => name.includes(at(72)))).toHaveLength(3);
    expect((await run(`unpin ${at(72)}`)).stdout).toContain('✓ unpinned');
    expect((await run(`prune --dry-run ${last}`)).stdout).toContain('sqlite:two.db');
  });

  it('are restored to the store that they are of, and no other one by chance', async () => {
    writeStore(join(root, 'one.db'), { memories: 11 });
    writeStore(join(root, 'two.db'), { memories: 22 });
    await backUp('one.db', 5);
    await backUp('two.db', 1);
    await run('restore --source sqlite:one.db --confirm one.db');
    expect(memories('one.db')).toBe(11);
    const other = await run('restore --source sqlite:new.db --confirm new.db');
    expect(other.failure).toMatchObject({ code: 'backup-ambiguous', exitCode: 2 });
    const named = await run(`restore ${at(1)} --source sqlite:new.db --confirm new.db`);
    expect(named.stdout).toContain(`the backup is of another store: ${join(root, 'two.db')}`);
    expect(memories('new.db')).toBe(22);
  });

  it('are restored from the place that has a sound copy, and it is said which was passed over', async () => {
    const env = await s3();
    writeStore(join(root, 'memory.db'), { memories: 9 });
    const [made] = (await run('create --source sqlite:memory.db --to both --json', env)).lines;
    const file = String(made?.['path']);
    truncateSync(join(root, 'backups', file), 200);
    const restore = 'restore --source sqlite:memory.db --dry-run';
    const { lines } = await run(`${restore} --json`, env);
    expect(lines).toMatchObject([
      {
        place: expect.stringMatching(/^s3:/) as unknown,
        passedOver: [{ timestamp: made?.['timestamp'], place: join(root, 'backups') }],
      },
    ]);
    expect((await run(restore, env)).stdout).toMatch(/\n {2}passed over: \d{8}_\d{6} in .*200 bytes where/);
    expect((await run(`${restore} --at local`, env)).failure).toMatchObject({ exitCode: 4 });
    expect(await run(`${restore} --at s3`, env)).toMatchObject({ exitCode: 0, failure: null });
  });

  it('keep what a full verification proved, though a quick one cannot prove it without a manifest', async () => {
    writeStore(join(root, 'memory.db'), { memories: 3 });
    for (const hours of [1, 30, 60]) await backUp('memory.db', hours);
    rmSync(join(root, 'backups', `lifeboat_${at(1)}.sqlite.manifest.json`));
    expect((await run(`verify ${at(1)} --source sqlite --json`)).exitCode).toBe(0);
    expect((await run(`verify ${at(1)} --source sqlite --quick --json`)).exitCode).toBe(3);
    const { lines } = await run('list --json');
    expect(lines[0]).toMatchObject({
      timestamp: at(1),
      complete: true,
      verified: { level: 'full', ok: true },
    });
  });

  it('have one line each in the table, whatever the store is called', async () => {
    writeStore(join(root, 'a\nb.db'));
    await backUp('a\nb.db', 1);
    expect((await run('list')).stdout.split('\n')[1]).toContain('sqlite:a b.db');
  });

  it('are told from a pair of the same second', async () => {
    writeStore(join(root, 'memory.db'));
    await backUp('memory.db', 3);
    pair(3);
    expect((await run(`pin ${at(3)}`)).failure).toMatchObject({ code: 'backup-ambiguous', exitCode: 2 });
    expect((await run(`verify ${at(3)}`)).failure).toMatchObject({ code: 'backup-ambiguous' });
    await run(`pin ${at(3)} --source sqlite`);
    expect((await run('list --json')).lines.slice(0, 2)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'sqlite', pinned: expect.anything() as unknown }),
        expect.objectContaining({ kind: 'automem', pinned: null }),
      ]),
    );
  });
});
