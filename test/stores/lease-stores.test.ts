import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { chmod, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { Failure } from '../../src/failure.js';
import { fileLease } from '../../src/stores/lease/file-lease.js';
import {
  leaseName,
  parseEntry,
  printEntry,
  type LeaseClaim,
  type LeaseStore,
  type TakenLease,
} from '../../src/stores/lease/lease-store.js';
import { leaseKey, redisLease, watchLease } from '../../src/stores/lease/redis-lease.js';
import { s3Lease } from '../../src/stores/lease/s3-lease.js';
import type { S3Place } from '../../src/stores/archive/s3-client.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startMoto, type Moto } from '../support/moto.js';
import { startProxy } from '../support/proxy.js';
import { startS3Front, type S3Front } from '../support/s3-front.js';
import { unprivileged } from '../support/unprivileged.js';

/** Holds a process back where real ones are stopped too seldom to wait for. */
const hooks = vi.hoisted(() => ({ beforeLink: () => Promise.resolve() }));
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  const link: typeof FileSystem.link = async (...names) => {
    await hooks.beforeLink();
    await real.link(...names);
  };
  return { ...real, link };
});

const BUCKET = 'backups';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: null };

let engines: TestEngines;
let redis: Redis;
let moto: Moto;
let front: S3Front;
let s3: S3Client;
let root: string;

beforeAll(async () => {
  [engines, moto] = await Promise.all([startEngines(), startMoto()]);
  redis = new Redis(engines.graph);
  front = await startS3Front(moto.endpoint);
  s3 = new S3Client({
    endpoint: moto.endpoint,
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  root = mkdtempSync(join(tmpdir(), 'lifeboat-lease-'));
  await chmod(root, 0o755);
});

afterAll(async () => {
  redis.disconnect();
  s3.destroy();
  await Promise.all([engines.stop(), front.stop().then(() => moto.stop())]);
  rmSync(root, { recursive: true, force: true });
});

const opened: LeaseStore[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const store of opened.splice(0)) store.close();
});

function keep(store: LeaseStore): LeaseStore {
  opened.push(store);
  return store;
}

const s3Place = (bucket = BUCKET): S3Place => ({
  bucket,
  prefix: 'automem-backups',
  endpoint: front.endpoint,
  region: null,
  profile: null,
  credentials,
});

const claim = (run: string, ttlSeconds = 30): LeaseClaim => ({
  run,
  command: 'recover',
  owner: 'ann@ship',
  host: 'ship',
  pid: 4711,
  processStarted: '123',
  processSpace: 'boot pid:[1]',
  since: '2026-11-21T12:00:00.000Z',
  heartbeat: '2026-11-21T12:00:00.000Z',
  ttlSeconds,
});

async function taken(store: LeaseStore, run: string, ttlSeconds?: number): Promise<TakenLease> {
  const lease = await store.take(claim(run, ttlSeconds), null);
  if (lease === null) throw new Error('it is not free');
  return lease;
}

async function isFree(store: LeaseStore): Promise<boolean> {
  const held = await store.read();
  return held === null || held.expiresInMs <= 0;
}

async function failure(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    (value) => new Error(`it succeeded: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Failure)) throw error;
  return error;
}

const beat = (lease: TakenLease, heartbeat = new Date().toISOString()): TakenLease['record'] => ({
  ...lease.record,
  heartbeat,
});

interface Backend {
  /** Opens the same lease once more, as another process would. */
  open: (name: string) => LeaseStore;
  /** Puts a text where the lease belongs. */
  plant: (name: string, text: string) => Promise<unknown>;
  /** Part of the command that removes the lease. */
  remove: RegExp;
  rounds: number;
  /** Heartbeats of 150 ms, for longer than it takes to see that a lease of 0.8 s has run out. */
  beats: number;
}

const backends: Record<string, Backend> = {
  'the graph server': {
    open: (name) => keep(redisLease(engines.graph, name)),
    plant: (name, text) => redis.set(leaseKey(name), text),
    remove: /redis-cli -h 127\.0\.0\.1 -p \d+ DEL '\{garbage\}:lifeboat-lease'/,
    rounds: 10,
    beats: 7,
  },
  'S3 (moto)': {
    open: (name) => keep(s3Lease(s3Place(), name)),
    plant: (name, text) =>
      s3.send(
        new PutObjectCommand({
          Bucket: BUCKET,
          Key: `automem-backups/lifeboat/lease-${name}.json`,
          Body: Buffer.from(text),
        }),
      ),
    remove: /aws s3 rm s3:\/\/backups\/automem-backups\/lifeboat\/lease-garbage\.json --endpoint-url http/,
    rounds: 3,
    beats: 20,
  },
  'a folder': {
    open: (name) => keep(fileLease(join(root, 'state', 'leases'), name)),
    plant: async (name, text) => {
      await mkdir(join(root, 'state', 'leases'), { recursive: true });
      writeFileSync(join(root, 'state', 'leases', `${name}.7.json`), text);
    },
    remove: /rm '\/.*\/garbage\.7\.json'/,
    rounds: 10,
    beats: 7,
  },
};

describe.each(Object.entries(backends))(
  '%s keeps the contract of a lease',
  (_, { open, plant, remove, rounds, beats }) => {
    it('gives a free lease to one, and shows the others who it is', async () => {
      const [mine, other] = [open('one'), open('one')];
      expect(await mine.read()).toBeNull();
      const lease = await taken(mine, 'run-1');
      expect(lease.record).toEqual({ ...claim('run-1'), token: lease.record.token });
      expect(await other.take(claim('run-2'), null)).toBeNull();
      const held = await other.read();
      expect(held).toMatchObject({ record: lease.record, version: lease.version });
      expect(held?.ageMs).toBeLessThan(5_000);
      expect(held?.expiresInMs).toBeGreaterThan(25_000);
      expect(held?.expiresInMs).toBeLessThanOrEqual(31_000);
    });

    it('gives out tokens that grow, also over a release and a taking over', async () => {
      const store = open('tokens');
      const tokens: number[] = [];
      for (let run = 0; run < 3; run++) {
        const lease = await taken(store, `run-${run}`);
        const over = await open('tokens').take(claim('thief'), lease.version);
        if (over === null) throw new Error('it was not taken over');
        tokens.push(lease.record.token, over.record.token);
        expect(await store.release(over.version)).toBe(true);
      }
      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    });

    it('changes nothing for one who has an old version', async () => {
      const [mine, other] = [open('versions'), open('versions')];
      const lease = await taken(mine, 'run-1');
      const version = await mine.renew(lease.version, beat(lease));
      expect(version).not.toBeNull();
      expect(version).not.toBe(lease.version);
      expect(await mine.renew(lease.version, beat(lease, 'stale'))).toBeNull();
      expect(await mine.release(lease.version)).toBe(false);
      expect(await other.take(claim('run-2'), lease.version)).toBeNull();
      const held = await other.read();
      expect(held?.version).toBe(version);
      expect(held?.record.heartbeat).not.toBe('stale');
    });

    it('fences out the one from whom it was taken over', async () => {
      const [mine, other] = [open('fence'), open('fence')];
      const lease = await taken(mine, 'run-1');
      const over = await other.take(claim('run-2'), lease.version);
      expect(over).not.toBeNull();
      expect(await mine.renew(lease.version, beat(lease))).toBeNull();
      expect(await mine.release(lease.version)).toBe(false);
      expect(await mine.take(claim('run-1'), lease.version)).toBeNull();
      expect((await mine.read())?.record).toEqual(over?.record);
    });

    it('is free after a release, once', async () => {
      const [mine, other] = [open('release'), open('release')];
      const lease = await taken(mine, 'run-1');
      expect(await mine.release(lease.version)).toBe(true);
      expect(await mine.release(lease.version)).toBe(false);
      expect(await mine.renew(lease.version, beat(lease))).toBeNull();
      expect(await other.read()).toBeNull();
      expect(await other.take(claim('run-2'), null)).not.toBeNull();
    });

    it('runs out without heartbeats, and not with them', async () => {
      const [mine, other] = [open('expiry'), open('expiry')];
      const lease = await taken(mine, 'run-1', 0.8);
      let { version } = lease;
      for (let i = 0; i < beats; i++) {
        await sleep(150);
        const next = await mine.renew(version, beat(lease));
        if (next === null) throw new Error(`lost at heartbeat ${i}`);
        version = next;
        expect(await isFree(other)).toBe(false);
      }
      const since = performance.now();
      while (!(await isFree(other))) await sleep(20);
      const seconds = (performance.now() - since) / 1000;
      expect(seconds).toBeGreaterThan(0.5);
      expect(seconds).toBeLessThan(5);
      const over = await other.take(claim('run-2'), (await other.read())?.version ?? null);
      expect(over?.record.token).toBeGreaterThan(lease.record.token);
      expect(await mine.renew(version, beat(lease))).toBeNull();
    });

    it('is won by one of eight at the same instant, free or taken over', async () => {
      for (let round = 0; round < rounds; round++) {
        const stores = Array.from({ length: 8 }, () => open(`race-${round}`));
        const race = async (over: string | null): Promise<TakenLease> => {
          const all = await Promise.all(stores.map((store, i) => store.take(claim(`run-${i}`), over)));
          const [winner, ...more] = all.filter((lease) => lease !== null);
          expect(more).toEqual([]);
          if (winner === undefined) throw new Error('nobody won');
          expect((await stores[0]?.read())?.record).toEqual(winner.record);
          return winner;
        };
        const first = await race(null);
        const second = await race(first.version);
        expect(second.record.token).toBeGreaterThan(first.record.token);
        for (const store of stores) store.close();
      }
    });

    it('measures time by its own clock, whatever the clock of this machine says', async () => {
      const store = open('clock');
      const lease = await taken(store, 'run-1');
      for (const hours of [48, -48]) {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 3_600_000 });
        const held = await open('clock').read();
        expect(held?.expiresInMs).toBeGreaterThan(20_000);
        expect(held?.expiresInMs).toBeLessThanOrEqual(31_000);
        vi.useRealTimers();
      }
      // Tokens grow, too, where the clock goes back.
      vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000_000_000 });
      const over = await store.take(claim('run-2'), lease.version);
      expect(over?.record.token).toBeGreaterThan(lease.record.token);
    });

    it('says how to remove what is no lease', async () => {
      const half = printEntry({ ...claim('x'), token: 1 }).slice(0, 90);
      for (const text of ['', 'null', '{"run":"x"}', '\u0000\u0001', half]) {
        await plant('garbage', text);
        const error = await failure(open('garbage').read());
        expect(error).toMatchObject({ code: 'lease-unreadable', exitCode: 1 });
        expect(error.hint).toMatch(remove);
        const outcome: unknown = await open('garbage')
          .take(claim('run-1'), null)
          .catch((reason: unknown) => reason);
        if (outcome !== null) expect(outcome).toMatchObject({ code: 'lease-unreadable' });
        expect((await failure(open('garbage').read())).code).toBe('lease-unreadable');
      }
    });
  },
);

describe('the graph server', () => {
  const store = (graph: string): LeaseStore => keep(redisLease(engines.graph, graph));

  it('passes the lease over where the user has no right to its keys', async () => {
    await redis.call('ACL', 'SETUSER', 'reader', 'on', '>pw', '~memories', '+@all');
    const user = { ...engines.graph, username: 'reader', password: 'pw' };
    const error = await failure(keep(redisLease(user, 'memories')).read());
    expect(error).toMatchObject({ code: 'forbidden', exitCode: 1, operation: 'keep the lease' });
    // Seeing it is not enough.
    await redis.call('ACL', 'SETUSER', 'reader', 'resetkeys', '%R~*');
    const looking = keep(redisLease(user, 'memories'));
    expect(await looking.read()).toBeNull();
    expect(await failure(looking.take(claim('run-1'), null))).toMatchObject({ code: 'forbidden' });
    expect(await redis.exists(leaseKey('memories'))).toBe(0);
  });

  it('needs no more rights than it says', async () => {
    const commands = ['get', 'set', 'del', 'pttl', 'watch', 'unwatch', 'multi', 'exec', 'ping'];
    const rights = commands.map((name) => `+${name}`);
    await redis.call('ACL', 'SETUSER', 'keeper', 'on', '>pw', '~{rights}:lifeboat-*', ...rights);
    const keeper = keep(redisLease({ ...engines.graph, username: 'keeper', password: 'pw' }, 'rights'));
    const lease = await taken(keeper, 'run-1');
    expect(await keeper.take(claim('run-2'), null)).toBeNull();
    const version = await keeper.renew(lease.version, beat(lease));
    expect(await keeper.release(version ?? '')).toBe(true);
  });

  it('passes the lease over on a read-only replica, and still shows who holds it', async () => {
    const lease = await taken(store('replica'), 'run-1');
    await redis.call('REPLICAOF', '127.0.0.1', '1');
    try {
      expect((await store('replica').read())?.record.run).toBe('run-1');
      for (const over of [lease.version, null]) {
        const graph = over === null ? 'replica-free' : 'replica';
        expect(await failure(store(graph).take(claim('run-2'), over))).toMatchObject({ code: 'read-only' });
      }
    } finally {
      await redis.call('REPLICAOF', 'NO', 'ONE');
    }
  });

  it('refuses a key of another kind, and a lease that would never run out', async () => {
    await redis.rpush(leaseKey('list'), 'x');
    expect(await failure(store('list').read())).toMatchObject({ code: 'lease-unreadable' });
    await taken(store('forever'), 'run-1');
    await redis.persist(leaseKey('forever'));
    const error = await failure(store('forever').read());
    expect(error).toMatchObject({ code: 'lease-unreadable' });
    expect(error.reason).toMatch(/never run out/);
  });

  it('gives out greater tokens also after the server lost everything', async () => {
    const mine = store('wiped');
    const lease = await taken(mine, 'run-1');
    await redis.del(leaseKey('wiped'), '{wiped}:lifeboat-fence');
    expect(await mine.renew(lease.version, beat(lease))).toBeNull();
    await sleep(2);
    expect((await taken(store('wiped'), 'run-2')).record.token).toBeGreaterThan(lease.record.token);
  });

  it('connects again after its connection broke', async () => {
    const proxy = await startProxy(engines.graph);
    const mine = keep(redisLease(proxy, 'broken'));
    const lease = await taken(mine, 'run-1');
    proxy.drop();
    await sleep(50);
    const outcome = await mine.renew(lease.version, beat(lease)).catch((error: unknown) => error);
    if (outcome instanceof Failure) expect(outcome).toMatchObject({ exitCode: 10 });
    expect((await mine.read())?.record.token).toBe(lease.record.token);
    await proxy.stop();
  });

  it('lets a transaction of another connection hold only while the lease does', async () => {
    const mine = store('swap');
    const lease = await taken(mine, 'run-1');
    const own = new Redis(engines.graph);
    expect(await watchLease(own, 'swap', lease.record.token)).toBe(true);
    expect(await own.multi().set('swapped', 'by run-1').exec()).not.toBeNull();

    expect(await watchLease(own, 'swap', lease.record.token)).toBe(true);
    const over = await store('swap').take(claim('run-2'), lease.version);
    expect(await own.multi().set('swapped', 'too late').exec()).toBeNull();
    expect(await redis.get('swapped')).toBe('by run-1');

    expect(await watchLease(own, 'swap', lease.record.token)).toBe(false);
    await own.unwatch();
    await store('swap').release(over?.version ?? '');
    expect(await watchLease(own, 'swap', lease.record.token)).toBe(false);
    own.disconnect();
  });

  it('counts a lease that ran out as no longer held, also between WATCH and EXEC', async () => {
    const lease = await taken(store('short'), 'run-1', 0.2);
    const own = new Redis(engines.graph);
    expect(await watchLease(own, 'short', lease.record.token)).toBe(true);
    await sleep(300);
    expect(await own.multi().set('swapped', 'too late').exec()).toBeNull();
    own.disconnect();
  });
});

describe('S3', () => {
  it('is passed over where the store ignores conditions, and nothing of a lease is left there', async () => {
    front.ignoreConditions = true;
    try {
      const store = keep(s3Lease(s3Place(), 'careless'));
      const error = await failure(store.take(claim('run-1'), null));
      expect(error).toMatchObject({ code: 's3-lease', exitCode: 1 });
      expect(error.reason).toMatch(/passes over the conditions/);
      expect(await store.read()).toBeNull();
    } finally {
      front.ignoreConditions = false;
    }
  });

  it('shows its own write whose answer was lost', async () => {
    const store = keep(s3Lease(s3Place(), 'lost-answer'));
    const lease = await taken(store, 'run-1');
    front.loseAnswer = true;
    // The SDK writes again, and is told that the object changed: by its own first attempt.
    const record = beat(lease);
    expect(await store.renew(lease.version, record)).toBeNull();
    expect(await store.read()).toMatchObject({ record });
  });

  it('says what is wrong with the bucket', async () => {
    const error = await failure(keep(s3Lease(s3Place('none'), 'x')).take(claim('run-1'), null));
    expect(error).toMatchObject({ code: 's3-no-such-bucket', operation: 'keep the lease' });
    const nowhere = { ...s3Place(), endpoint: 'http://127.0.0.1:1' };
    expect(await failure(keep(s3Lease(nowhere, 'x')).read())).toMatchObject({ code: 's3-unreachable' });
  });
});

describe('a folder', () => {
  const folder = (): string => mkdtempSync(join(root, 'folder-'));

  it('keeps two files at most, and no drafts', async () => {
    const path = folder();
    const store = fileLease(path, 'lease');
    for (let run = 0; run < 4; run++) {
      const lease = await taken(store, `run-${run}`);
      const version = await store.renew(lease.version, beat(lease));
      expect((await store.read())?.record.run).toBe(`run-${run}`);
      expect(await store.release(version ?? '')).toBe(true);
    }
    expect(readdirSync(path).sort()).toEqual(['lease.3.json', 'lease.4.json']);
    expect(parseEntry(readFileSync(join(path, 'lease.4.json'), 'utf8'))?.released).toBe(true);
  });

  it('does not count what a process that slept makes below the others', async () => {
    const path = folder();
    const store = fileLease(path, 'lease');
    const lease = await taken(store, 'run-1');
    // While the sleeper is about to make generation 2, others go on to 5, and 2 is removed.
    let over: TakenLease = lease;
    hooks.beforeLink = async () => {
      hooks.beforeLink = () => Promise.resolve();
      for (let run = 2; run <= 5; run++) {
        const next = await fileLease(path, 'lease').take(claim(`run-${run}`), over.version);
        if (next === null) throw new Error(`run-${run} was not quicker`);
        over = next;
      }
    };
    expect(await store.take(claim('sleeper'), lease.version)).toBeNull();
    expect((await store.read())?.record).toEqual(over.record);
    expect(readdirSync(path).sort()).toEqual(['lease.4.json', 'lease.5.json']);
  });

  it('makes nothing where it only looks', async () => {
    const path = join(folder(), 'state', 'leases');
    expect(await fileLease(path, 'lease').read()).toBeNull();
    expect(() => readdirSync(path)).toThrow('ENOENT');
  });

  it('says that the folder cannot be written to', async () => {
    const path = folder();
    await chmod(path, 0o555);
    await unprivileged(async () => {
      const error = await failure(fileLease(path, 'lease').take(claim('run-1'), null));
      expect(error).toMatchObject({ code: 'lease-folder', subject: path });
      expect(error.hint).toMatch(/LIFEBOAT_STATE/);
    });
  });
});

describe('leaseName', () => {
  it('is fit for a file name, and differs where the parts do', () => {
    const parts = [['a', 'b_c'], ['a_b', 'c'], ['a/b', 'c'], ['../x', 'c'], ['ä'.repeat(300)], [6379, 'x']];
    const names = parts.map(leaseName);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) {
      expect(name).toMatch(/^[A-Za-z0-9._-]+$/);
      expect(name.length).toBeLessThan(120);
    }
    expect(leaseName(['127.0.0.1', 6379, 'memories'])).toMatch(/^127\.0\.0\.1_6379_memories-[0-9a-f]{8}$/);
  });
});
