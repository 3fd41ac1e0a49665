import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readVerified, type VerifiedResult } from '../../src/backup/verify/verified-notes.js';
import { loadBackupCommand } from '../../src/commands/backup.js';
import { Failure } from '../../src/failure.js';
import { localArchive } from '../../src/stores/archive/local-archive.js';
import { backUp, flipped, onlyPair } from '../backup/verify/pair-files.js';
import { pairFiles } from '../backup/pair-files.js';
import { SAMPLE, STAMP } from '../backup/sample.js';
import { testContext } from '../support/context.js';
import { Lab } from '../support/lab.js';

let root: string;
let made: string;
let stamp: string;
const folders: string[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-command-'));
  made = join(root, 'made');
  const lab = await Lab.start();
  try {
    await lab.fill({ memories: 30, dim: 4 });
    stamp = await backUp(lab, made);
  } finally {
    await lab.stop();
  }
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function copyOf(folder: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'lifeboat-pairs-'));
  folders.push(copy);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

interface Ran {
  exitCode: number;
  out: string;
  err: string;
  lines: Record<string, unknown>[];
  failure: Failure | null;
}

/** A bucket at which nothing answers. */
const AWAY = {
  AUTOMEM_S3_BUCKET: 'nobodys',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
};

const lifeboat = (dir: string, ...args: string[]): Promise<Ran> => lifeboatWith({}, dir, ...args);

async function lifeboatWith(more: NodeJS.ProcessEnv, dir: string, ...args: string[]): Promise<Ran> {
  const env = { ...process.env, ...more, LIFEBOAT_STATE: join(root, 'state'), AUTOMEM_BACKUP_DIR: dir };
  const context = testContext({ env, cwd: root });
  const program = new Command('lifeboat').exitOverride();
  (await loadBackupCommand(args[0]))(program, context);
  let failure: Failure | null = null;
  try {
    await program.parseAsync(['backup', ...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    failure = error;
  }
  const lines = args.includes('--json')
    ? context.stdout
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  const exitCode = failure?.exitCode ?? context.exitCode;
  return { exitCode, out: context.stdout, err: context.stderr, lines, failure };
}

function halfOf(dir: string, store: 'falkordb' | 'qdrant'): string {
  return join(dir, store, readdirSync(join(dir, store))[0] ?? '');
}

function halfNamed(dir: string, timestamp: string): string {
  return join(dir, 'falkordb', `falkordb_${timestamp}.json.gz`);
}

function flipIn(path: string, at: (length: number) => number): void {
  const bytes = readFileSync(path);
  writeFileSync(path, flipped(bytes, at(bytes.length)));
}

async function noted(dir: string): Promise<VerifiedResult[]> {
  const archive = localArchive(dir);
  return readVerified(archive, await onlyPair(archive));
}

describe('backup verify', () => {
  it('proves the newest one, and keeps what came out while the files are the same', async () => {
    const dir = copyOf(made);
    const { exitCode, out } = await lifeboat(dir, 'verify');
    expect(exitCode).toBe(0);
    expect(out).toContain(`✓ ${stamp} in ${dir}: sound`);
    expect(out).toContain('counts and digests are the manifest’s');
    await lifeboat(dir, 'verify', stamp, '--quick');
    expect((await noted(dir)).map(({ level, ok }) => [level, ok])).toEqual([
      ['full', true],
      ['quick', true],
    ]);
    writeFileSync(halfOf(dir, 'qdrant'), 'something else');
    expect(await noted(dir)).toEqual([]);
  });

  it('keeps no more results than it needs, and begins notes anew that cannot be read', async () => {
    const dir = copyOf(made);
    for (let round = 0; round < 22; round++) await lifeboat(dir, 'verify', '--quick');
    expect(await noted(dir)).toHaveLength(20);
    writeFileSync(join(dir, `lifeboat_${stamp}.verified.json`), '{');
    expect(await noted(dir)).toEqual([]);
    await lifeboat(dir, 'verify', '--quick');
    expect(await noted(dir)).toHaveLength(1);
  });

  it('tells scripts of each backup, and of all of them at the end', async () => {
    const dir = copyOf(made);
    cpSync(SAMPLE, dir, { recursive: true });
    const { exitCode, lines } = await lifeboat(dir, 'verify', '--all', '--json');
    expect(exitCode).toBe(0);
    expect(lines.map(({ type, timestamp, ok }) => [type, timestamp, ok])).toEqual([
      ...[stamp, STAMP]
        .sort()
        .reverse()
        .map((timestamp) => ['backup-verified', timestamp, true]),
      ['verification', undefined, undefined],
    ]);
    expect(lines.at(-1)).toMatchObject({ outcome: 'sound', exitCode: 0, verified: 2, sound: 2 });
    expect((await lifeboat(dir, 'verify', STAMP, '--quick')).out).toContain(
      'Without a manifest nothing proves',
    );
  });

  it('says what is wrong where, what can be saved, and ends with 3', async () => {
    const dir = copyOf(made);
    flipIn(halfOf(dir, 'falkordb'), (length) => length >> 1);
    const { exitCode, out } = await lifeboat(dir, 'verify');
    expect(exitCode).toBe(3);
    expect(out).toContain('must not be restored as it is');
    expect(out).toMatch(
      /damaged in 1 of 1 block, which holds (\d+) of its \1 records; \d+ can still be read, up to the damage/,
    );
    expect(out).toMatch(/block 1, bytes 0 to \d+.*\(nodes 1 to \d+, relationships 1 to \d+\)/);
    expect(out).toContain(`lifeboat backup salvage ${stamp} --output FOLDER`);
    const { lines } = await lifeboat(dir, 'verify', '--json', '--quick');
    expect(lines.at(-1)).toMatchObject({ type: 'verification', outcome: 'not-sound', exitCode: 3 });
    expect((await noted(dir)).map(({ ok }) => ok)).toEqual([false, false]);
  });

  it('does not forget what it found wrong, where the file kept its size', async () => {
    const dir = copyOf(made);
    await lifeboat(dir, 'verify');
    flipIn(halfOf(dir, 'falkordb'), (length) => length >> 1);
    await lifeboat(dir, 'verify', '--quick');
    expect((await noted(dir)).map(({ level, ok }) => [level, ok])).toEqual([
      ['full', true],
      ['quick', false],
    ]);
    const list = await lifeboat(dir, 'list', '--json');
    expect(list.lines[0]).toMatchObject({
      complete: false,
      verified: { level: 'quick', ok: false, problems: 1, passed: null, before: { level: 'full' } },
    });
    expect((await lifeboat(dir, 'list')).out).toMatch(/FAILED, \d+s ago/);
    const { out } = await lifeboat(dir, 'show');
    expect(out).toMatch(/NOT SOUND .* \(1 problem\); full .*: sound, before that/);
    expect(out).toContain(`lifeboat backup salvage ${stamp} --output FOLDER`);
  });

  it('does not take a sound pair away for one that it found damaged', async () => {
    const dir = copyOf(made);
    for (const [path, content] of Object.entries(pairFiles('20200101_000000'))) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), content);
    }
    await lifeboat(dir, 'verify', '--all', '--quick');
    flipIn(halfNamed(dir, stamp), (length) => length >> 1);
    await lifeboat(dir, 'verify', '--quick');
    const none = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'].flatMap((rule) => [
      `--keep-${rule}`,
      '0',
    ]);
    const { lines } = await lifeboat(dir, 'prune', '--keep-last', '1', ...none, '--minimum', '1', '--json');
    const removed = lines.filter(({ action }) => action === 'remove').map(({ timestamp }) => timestamp);
    expect(removed).toEqual([]);
    expect(lines.find(({ timestamp }) => timestamp === '20200101_000000')).toMatchObject({ action: 'keep' });
  });

  it('verifies what can be reached where another place cannot, and tells that one', async () => {
    const dir = copyOf(made);
    const ran = await lifeboatWith(AWAY, dir, 'verify', '--quick', '--json');
    expect(ran.exitCode).toBe(10);
    expect(ran.lines[0]).toMatchObject({ type: 'backup-verified', timestamp: stamp, ok: true });
    expect(ran.lines.at(-1)).toMatchObject({ outcome: 'incomplete', exitCode: 10, verified: 1, sound: 1 });
    expect(ran.err).toContain('s3://nobodys');
    flipIn(halfOf(dir, 'falkordb'), (length) => length >> 1);
    expect((await lifeboatWith(AWAY, dir, 'verify', '--quick')).exitCode).toBe(3);
    expect((await lifeboatWith(AWAY, dir, 'verify', '20200101_000000')).exitCode).toBe(10);
  });

  it('ends with 4 where there is none', async () => {
    expect((await lifeboat(join(root, 'nowhere'), 'verify')).failure).toMatchObject({
      exitCode: 4,
      code: 'backup-none',
    });
    expect((await lifeboat(made, 'verify', '20200101_000000')).failure).toMatchObject({ exitCode: 4 });
  });

  it('says where no result can be kept: a folder stands in its place', async () => {
    const dir = copyOf(made);
    mkdirSync(join(dir, `lifeboat_${stamp}.verified.json`));
    const { exitCode, err } = await lifeboat(dir, 'verify');
    expect(exitCode).toBe(0);
    expect(err).toContain('The result is not kept');
  });

  it(
    'restores it into engines of its own, and finds there what the files hold',
    { timeout: 120_000 },
    async () => {
      const dir = copyOf(made);
      const scratch = mkdtempSync(join(tmpdir(), 'lifeboat-scratch-'));
      folders.push(scratch);
      vi.stubEnv('TMPDIR', scratch);
      const { exitCode, lines } = await lifeboat(dir, 'verify', '--deep', '--json');
      expect(lines[0]).toMatchObject({ level: 'deep', ok: true, problems: [] });
      expect(exitCode).toBe(0);
      expect((await noted(dir)).at(-1)).toMatchObject({ level: 'deep', ok: true });
      expect(readdirSync(scratch)).toEqual([]);
    },
  );
});

describe('backup show', () => {
  it('fits a screen of 24 lines and 80 columns, and gives the whole manifest where it is asked for', async () => {
    const dir = copyOf(made);
    await lifeboat(dir, 'verify');
    await lifeboat(dir, 'pin', '--reason', 'before the migration of everything to the new host', stamp);
    const { out } = await lifeboat(dir, 'show');
    const lines = out.trimEnd().split('\n');
    expect(lines.reduce((sum, line) => sum + Math.ceil(line.length / 80), 0)).toBeLessThanOrEqual(24);
    for (const text of [
      /^Holds +31 memories, 60 relationships, 30 points, /m,
      /^Verified +full .*: sound$/m,
      /^Labels +Entity \d+, Memory 30, .*and 2 more$/m,
      /^Relations +[A-Z_]+ \d+, /m,
      /^Collection +4 dimensions, Cosine, /m,
      /^Written +by .* in .*; nothing was written meanwhile$/m,
      new RegExp(`^All of it +lifeboat backup show ${stamp} --manifest$`, 'm'),
    ])
      expect(out).toMatch(text);
    expect(out).not.toContain('sha256');
    const whole = (await lifeboat(dir, 'show', '--manifest')).out;
    expect(whole.split('\n').length).toBeGreaterThan(100);
    expect(whole).toContain(lines[0]?.slice(0, 20));
    expect(whole).toMatch(/sha256: [0-9a-f]{64}/);
    const { lines: json } = await lifeboat(dir, 'show', '--json');
    expect(json[0]).toMatchObject({ type: 'backup', timestamp: stamp, manifest: { timestamp: stamp } });
  });

  it('knows what a backup of AutoMem holds, once it was read', async () => {
    const dir = copyOf(SAMPLE);
    const memories = async (): Promise<unknown> =>
      (await lifeboat(dir, 'list', '--json')).lines[0]?.['memories'];
    expect(await memories()).toBeNull();
    await lifeboat(dir, 'verify', '--quick');
    expect(await memories()).toBeNull();
    await lifeboat(dir, 'verify');
    expect((await lifeboat(dir, 'list', '--json')).lines[0]).toMatchObject({
      ...{ memories: 60, relationships: 336, points: 59, hasManifest: false },
    });
    expect((await lifeboat(dir, 'show')).out).toMatch(/^Holds +60 memories, 336 relationships, 59 points, /m);
    utimesSync(halfOf(dir, 'qdrant'), new Date(), new Date());
    expect(await memories()).toBeNull();
  });
});

describe('backup salvage', () => {
  it('writes what is readable, and says what is lost', async () => {
    const dir = copyOf(made);
    writeFileSync(halfOf(dir, 'falkordb'), readFileSync(halfOf(dir, 'falkordb')).subarray(0, 2_000));
    const output = join(copyOf(made), 'saved');
    const { exitCode, out } = await lifeboat(dir, 'salvage', stamp, '--output', output);
    expect(exitCode).toBe(3);
    expect(out).toMatch(/points: 30 saved, 0 lost/);
    const verified = await lifeboat(output, 'verify');
    expect(verified.exitCode).toBe(0);
    const says = new RegExp(`SALVAGED: .*relationships of ${stamp} were lost before it was written`);
    expect(verified.out).toMatch(says);
    const list = (await lifeboat(output, 'list')).out;
    expect(list).toContain(`${stamp}* `);
    expect(list).toMatch(says);
    expect((await lifeboat(output, 'show')).out).toMatch(says);
    const again = await lifeboat(dir, 'salvage', stamp, '--output', output);
    expect(again.failure).toMatchObject({ exitCode: 2, code: 'salvage-output' });
  });

  it('of a whole one saves all, of nothing readable says so', async () => {
    const dir = copyOf(made);
    const all = await lifeboat(
      dir,
      'salvage',
      'latest',
      '--output',
      join(dir, '..', `${stamp}-out`),
      '--json',
    );
    folders.push(join(dir, '..', `${stamp}-out`));
    expect(all.lines[0]).toMatchObject({ type: 'salvage', exitCode: 0, complete: true });
    for (const store of ['falkordb', 'qdrant'] as const) writeFileSync(halfOf(dir, store), 'no backup');
    const none = await lifeboat(dir, 'salvage', stamp, '--output', join(dir, 'none'));
    expect(none.exitCode).toBe(4);
    expect(none.out).toContain('nothing in it is readable');
    expect(existsSync(join(dir, 'none'))).toBe(false);
  });
});
