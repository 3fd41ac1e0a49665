import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { catalogue } from '../../src/backup/catalogue.js';
import { isSealed } from '../../src/backup/create/write-manifest.js';
import { verifyPair } from '../../src/backup/pair/verify-pair.js';
import { parseJson } from '../../src/memory/json.js';
import { isMap, type Value, type ValueMap } from '../../src/memory/values.js';
import { localArchive } from '../../src/stores/archive/local-archive.js';
import { redisLease } from '../../src/stores/lease/redis-lease.js';
import { GRAPH, Lab, TIMESTAMP } from '../support/lab.js';
import { startProxy } from '../support/proxy.js';
import { startWriter } from '../support/writer.js';
import { CLI } from '../support/cli.js';

interface Created {
  timestamp: string;
  outcome: string;
  exitCode: number;
  memories: number;
  relationships: number;
  points: number;
  files: Record<string, { bytes: number; sha256: string; digest: string }>;
  writesMeanwhile: { graph: boolean | null; vectors: boolean | null; relationships_not_in_backup: number };
  places: { place: string; failure: { code: string } | null }[];
}

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  await lab.keep();
});
afterAll(() => lab.stop());
beforeEach(() => lab.reset());

async function create(args: string[] = [], env: Record<string, string> = {}): Promise<Created> {
  const run = await lab.run(['backup', 'create', '--json', ...args], { env });
  if (run.failure !== null) throw run.failure;
  return run.events.at(-1) as unknown as Created;
}

function files(): string[] {
  return readdirSync(lab.backups, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

function half(created: Created, name: 'falkordb' | 'qdrant'): ValueMap {
  const path = join(lab.backups, name, `${name}_${created.timestamp}.json.gz`);
  return parseJson(gunzipSync(readFileSync(path)).toString()) as ValueMap;
}

function records(file: ValueMap, list: string): ValueMap[] {
  return (file[list] as Value[]).filter(isMap);
}

describe('a backup', () => {
  it('holds everything, is found as the newest, and proves itself', async () => {
    const created = await create();
    const archive = localArchive(lab.backups);
    const [newest] = await catalogue(archive);
    expect(newest?.timestamp).toBe(created.timestamp);
    if (newest === undefined) throw new Error('it is not found');
    const found = await verifyPair(archive, newest, { excludedTypes: new Set(['MetaPattern']) });
    expect(found.problems).toEqual([]);
    expect(found.counts).toMatchObject({
      memories: created.memories,
      relationships: created.relationships,
      points: created.points,
    });
    expect(created.memories).toBe(await lab.value('MATCH (m:Memory) RETURN count(m)'));
    expect(created.writesMeanwhile).toMatchObject({ graph: false, vectors: false });
    const manifest = readFileSync(join(lab.backups, `lifeboat_${created.timestamp}.manifest.json`), 'utf8');
    expect(isSealed(manifest)).toBe(true);
    expect(parseJson(manifest)).toMatchObject({
      graph: { name: GRAPH, nodes: found.counts.nodes },
      collection: { config: { params: { vectors: { size: 8, distance: 'Cosine' } } } },
      embedding: { provider: 'auto' },
    });
  });

  it('has the content, and so the digest, of the next one, and is never written over', async () => {
    const [one, two] = [await create(), await create()];
    expect(two.timestamp).not.toBe(one.timestamp);
    const digests = ({ files: made }: Created): string[] => Object.values(made).map(({ digest }) => digest);
    expect(digests(two)).toEqual(digests(one));
    await lab.query('MATCH (m:Memory) WITH m ORDER BY m.id LIMIT 1 SET m.importance = 0.123');
    expect(digests(await create())[0]).not.toBe(digests(one)[0]);
  });

  it('restores to what was there, to the last relationship', async () => {
    const before = await lab.snapshot();
    const created = await create();
    await lab.damage('both-lost');
    const { summary } = await lab.recover(['restore-backup', '--backup', created.timestamp]);
    expect(summary).toMatchObject({ plan: 'restore-backup', quarantined: 0, losses: [] });
    expect(await lab.differences(before)).toEqual([]);
    await before.close();
  });

  it('writes numbers and texts exactly as they are stored', async () => {
    await lab.query(
      `CREATE (:Memory {id: 'odd', whole: 1.0, one: 1, big: 9007199254740993, text: 'ä\\u2028"\\\\\\n😀', list: [1.0, 2.5], \`a key\`: true})`,
    );
    const created = await create();
    const path = join(lab.backups, 'falkordb', `falkordb_${created.timestamp}.json.gz`);
    const text = gunzipSync(readFileSync(path)).toString('latin1');
    expect(text).toContain('"whole": 1.0,');
    expect(text).toContain('"one": 1,');
    expect(text).toContain('"big": 9007199254740993,');
    expect(text).toContain('"list": [1.0, 2.5]');
    expect(text).toContain('\\ud83d\\ude00');
    expect(text).not.toMatch(/[^\n -~]/);
  });

  it('says of vectors that it cannot restore that it cannot', async () => {
    await lab.qdrant('DELETE', `/collections/${GRAPH}`);
    await lab.qdrant('PUT', `/collections/${GRAPH}`, {
      vectors: { text: { size: 2, distance: 'Cosine' } },
    });
    await lab.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, {
      points: [{ id: 9007199254740991, vector: { text: [0.6, 0.8] }, payload: { type: 'Memory' } }],
    });
    const created = (await create()) as Created & { warnings: string[] };
    expect(created.warnings.join()).toContain('1 of 1 points have named, sparse or several vectors');
    expect(records(half(created, 'qdrant'), 'points')[0]).toMatchObject({
      vector: { text: expect.anything() as Value },
    });
  });

  it('of one store alone leaves the other, and says so in its manifest', async () => {
    const created = await create(['--only', 'graph']);
    expect(created.points).toBeNull();
    expect(files().filter((name) => name.includes(created.timestamp))).toEqual([
      `falkordb_${created.timestamp}.json.gz`,
      `lifeboat_${created.timestamp}.manifest.json`,
    ]);
  });

  it('is encrypted for a recipient, and restored with the key alone', async () => {
    const identity = await generateIdentity();
    const recipients = { LIFEBOAT_AGE_RECIPIENTS: await identityToRecipient(identity) };
    const created = await create(['--encrypt'], recipients);
    const name = `qdrant/qdrant_${created.timestamp}.json.gz.age`;
    expect(readFileSync(join(lab.backups, name), 'latin1').slice(0, 22)).toBe('age-encryption.org/v1\n');
    // Without the key nothing speaks against it; only its records stay unseen.
    const verified = await lab.run(['backup', 'verify', created.timestamp, '--json']);
    expect(verified.exitCode).toBe(3);
    const list = await lab.run(['backup', 'list', '--json']);
    const listed = (list.events as unknown as { timestamp: string }[]).find(
      ({ timestamp }) => timestamp === created.timestamp,
    );
    expect(listed).toMatchObject({ complete: true, verified: { level: 'quick' } });
    await lab.damage('both-lost');
    const args = ['restore-backup', '--backup', created.timestamp];
    const locked = await lab.recover(args);
    expect(locked.exitCode).toBe(2);
    expect(JSON.stringify(locked.summary)).toContain('LIFEBOAT_AGE_IDENTITY');
    const keyFile = join(lab.folder, 'key.txt');
    writeFileSync(keyFile, `# a key\n${identity}\n`, { mode: 0o600 });
    const { summary } = await lab.recover(args, { env: { LIFEBOAT_AGE_IDENTITY: keyFile } });
    expect(summary).toMatchObject({ plan: 'restore-backup', quarantined: 0, losses: [] });
  });
});

describe('a service that goes on writing', () => {
  it('leaves a pair whose relationships all have their ends, and says that it wrote', async () => {
    const writer = await startWriter(lab.stores, { seed: 3, perSecond: 200 });
    try {
      const made: Created[] = [];
      for (let round = 0; round < 3; round++) made.push(await create());
      expect(made.some(({ writesMeanwhile }) => writesMeanwhile.graph === true)).toBe(true);
      for (const created of made) {
        const graph = half(created, 'falkordb');
        const ids = new Set(records(graph, 'nodes').map(({ id }) => id));
        expect(ids.size).toBe(records(graph, 'nodes').length);
        for (const { source_id: from, target_id: to } of records(graph, 'relationships'))
          expect([ids.has(from as Value), ids.has(to as Value)]).toEqual([true, true]);
      }
    } finally {
      await writer.stop();
    }
  });
});

describe('nothing bears the name of a backup', () => {
  it.each([
    ['graph-lost', 'backup-source-empty'],
    ['graph-empty', 'backup-source-empty'],
    ['vectors-lost', 'backup-source-empty'],
    ['vectors-empty', 'backup-source-empty'],
  ])('after %s: there is nothing worth keeping', async (damage, code) => {
    await lab.damage(damage);
    const before = files();
    const run = await lab.run(['backup', 'create', '--json']);
    expect(run.failure).toMatchObject({ code, exitCode: 3 });
    expect(files()).toEqual(before);
  });

  it('when the operator stops it', async () => {
    const before = files();
    const run = lab.run(['backup', 'create', '--json'], {
      onEvent: (_, context) => context.interrupt(),
    });
    // Small stores are read before the first progress is told: then it was in time.
    await run.catch(() => undefined);
    const after = files().filter((name) => !before.includes(name));
    expect([0, 3]).toContain(after.length);
  });

  it('when it is killed at any moment', { timeout: 60_000 }, async () => {
    const before = files();
    for (const delay of [0, 15, 30, 60, 120]) {
      const child = spawn(process.execPath, [CLI, 'backup', 'create', '--json'], {
        env: { PATH: process.env['PATH'], ...lab.env },
        cwd: lab.folder,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const exited = once(child, 'exit');
      // From the moment at which it has a file of its own.
      while (child.exitCode === null && !files().some((name) => name.endsWith('.partial')))
        await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill('SIGKILL');
      await exited;
      const left = files().filter((name) => !before.includes(name) && !name.endsWith('.partial'));
      const manifests = left.filter((name) => name.endsWith('.manifest.json'));
      // A manifest stands for a pair: it comes last.
      for (const name of manifests) {
        const timestamp = /\d{8}_\d{6}/.exec(name)?.[0] ?? '';
        expect(left.filter((other) => other.includes(timestamp))).toHaveLength(3);
      }
      for (const name of files().filter((other) => other.endsWith('.partial')))
        rmSync(
          join(
            lab.backups,
            name.includes('falkordb') ? 'falkordb' : name.includes('qdrant') ? 'qdrant' : '.',
            name,
          ),
          { force: true },
        );
    }
  });

  it.each([
    ['while a recovery is at work', 'before'],
    ['where a recovery came while it was read', 'meanwhile'],
    ['where a recovery came and went while it was read', 'gone'],
  ])('%s', async (_, when) => {
    const before = files();
    const store = redisLease(lab.engines.graph, GRAPH);
    const now = new Date().toISOString();
    const claim = {
      run: '20261121-120000-abc123',
      command: 'recover',
      owner: 'ops@elsewhere',
      host: 'elsewhere',
      pid: 1,
      processStarted: null,
      processSpace: null,
      since: now,
      heartbeat: now,
      ttlSeconds: 30,
    };
    const proxy = await startProxy(lab.engines.graph);
    const come = async (): Promise<void> => {
      const taken = await store.take(claim, null);
      if (when === 'gone') await store.release(taken?.version ?? '');
    };
    if (when === 'before') await come();
    // The nodes were read by then.
    else proxy.when(/MATCH \(a\)-\[r\]/, come);
    const run = await lab.run(['backup', 'create', '--json'], {
      env: { FALKORDB_PORT: String(proxy.port) },
    });
    await proxy.stop();
    const held = await store.read();
    if (held !== null) await store.release(held.version);
    store.close();
    expect(run.failure).toMatchObject({ code: 'lease-held', exitCode: 11 });
    if (when !== 'gone') expect(run.failure?.message).toContain('20261121-120000-abc123');
    expect(files()).toEqual(before);
  });

  it('where the folder takes no file, and the message names it', async () => {
    const folder = join(lab.folder, 'file-in-the-way');
    mkdirSync(dirname(folder), { recursive: true });
    writeFileSync(folder, '');
    const run = await lab.run(['backup', 'create', '--json'], { env: { AUTOMEM_BACKUP_DIR: folder } });
    expect(run.failure?.exitCode).toBe(1);
    expect(run.failure?.message).toContain(folder);
    chmodSync(folder, 0o600);
  });
});

describe('what was asked for in the wrong way', () => {
  it.each([
    [['--to', 's3'], 'no-bucket'],
    [['--encrypt'], 'no-recipient'],
  ])('%s', async (args, code) => {
    const run = await lab.run(['backup', 'create', '--json', ...args]);
    expect(run.failure).toMatchObject({ code, exitCode: 2 });
    expect(files().some((name) => name.includes(TIMESTAMP))).toBe(true);
  });

  it('a secret key where the public one belongs is not repeated', async () => {
    const identity = await generateIdentity();
    const env = { LIFEBOAT_AGE_RECIPIENTS: identity };
    const run = await lab.run(['backup', 'create', '--json', '--encrypt'], { env });
    expect(run.failure).toMatchObject({ code: 'age-recipient', exitCode: 2 });
    expect(run.failure?.message).toBe(
      'Could not encrypt the backup (LIFEBOAT_AGE_RECIPIENTS): a secret key where a recipient (age1…) must stand',
    );
  });
});
