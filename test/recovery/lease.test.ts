import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { Failure } from '../../src/failure.js';
import { isGone, thisProcess } from '../../src/recovery/holder.js';
import { acquireLease, type Lease, type LeaseOptions } from '../../src/recovery/lease.js';
import { fileLease } from '../../src/stores/lease/file-lease.js';
import type { LeaseClaim, LeaseStore } from '../../src/stores/lease/lease-store.js';
import { leaseKey, redisLease } from '../../src/stores/lease/redis-lease.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startProxy } from '../support/proxy.js';
import { unprivileged } from '../support/unprivileged.js';

const CHILD = fileURLToPath(new URL('../support/lease-child.ts', import.meta.url));

let engines: TestEngines;
let redis: Redis;
beforeAll(async () => {
  engines = await startEngines();
  redis = new Redis(engines.graph);
});
afterAll(async () => {
  redis.disconnect();
  await engines.stop();
});

let folder: string;
let notices: string[];
let leases: Lease[];
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-lease-'));
  notices = [];
  leases = [];
  children = [];
});
afterEach(async () => {
  await Promise.all(leases.map((lease) => lease.release()));
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const inFolder = (): LeaseStore => fileLease(folder, 'lease');
const onServer = (graph: string): LeaseStore => redisLease(engines.graph, graph);

async function acquire(run: string, options: Partial<LeaseOptions> = {}): Promise<Lease> {
  const lease = await acquireLease({
    stores: [inFolder()],
    run,
    command: 'recover',
    notice: (message) => notices.push(message),
    ...options,
  });
  leases.push(lease);
  return lease;
}

async function failure(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Failure)) throw error;
  return error;
}

/** A lease of a process on a host that nobody can look at. */
const elsewhere = (run: string, ttlSeconds: number): LeaseClaim => ({
  ...thisProcess(),
  run,
  command: 'drill',
  owner: 'ann@ship',
  host: 'ship',
  pid: 4711,
  since: '2026-11-21T12:00:00.000Z',
  heartbeat: '2026-11-21T12:00:00.000Z',
  ttlSeconds,
});

interface Child {
  process: ChildProcess;
  /** The next line that it prints with this field. */
  next(field: string): Promise<Record<string, unknown>>;
  ask(): void;
}

function startChild(run: string, ttlMs: number, ...more: string[]): Child {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, folder, run, String(ttlMs), ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const said: Record<string, unknown>[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => said.push(JSON.parse(line) as Record<string, unknown>));
  return {
    process: child,
    next: async (field) => {
      for (;;) {
        const index = said.findIndex((line) => field in line);
        if (index >= 0) return said.splice(index, 1)[0] ?? {};
        await once(lines, 'line');
      }
    },
    ask: () => child.stdin.write('\n'),
  };
}

describe('one recovery at a time', () => {
  it('tells the second who holds the lease, since when, and what to do', async () => {
    const now = (): Date => new Date('2026-11-21T12:34:56.789Z');
    await acquire('run-1', { now });
    const error = await failure(acquire('run-2', { command: 'drill' }));
    expect(error).toMatchObject({ exitCode: 11, code: 'lease-held', subject: join(folder, 'lease.*.json') });
    const { owner } = thisProcess();
    expect(error.reason).toMatch(
      /^another recovery is under way: run run-1 \(recover\) by .+, since 2026-11-21T12:34:56\.789Z, last heartbeat 1 s ago$/,
    );
    expect(error.reason).toContain(`by ${owner}, process ${process.pid} on ${hostname()}`);
    expect(error.hint).toMatch(/runs out in (?:29|30) s/);
    expect(error.hint).toContain('`lifeboat runs resume run-1`');
    expect(error.hint).toContain('--take-over');
    expect(notices).toEqual([]);
  });

  it('frees the lease with its release, and tokens grow', async () => {
    const tokens: number[] = [];
    for (const run of ['run-1', 'run-2', 'run-3']) {
      const lease = await acquire(run);
      tokens.push(lease.token);
      await lease.check();
      await lease.release();
      await lease.release();
      expect(await failure(lease.check())).toMatchObject({ code: 'lease-lost' });
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    expect(notices).toEqual([]);
  });

  it.each(['folder', 'server'])('is won by one of eight at the same instant (%s)', async (place) => {
    const stores = (): LeaseStore[] => [place === 'folder' ? inFolder() : onServer('eight')];
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => acquire(`run-${i}`, { stores: stores() })),
    );
    const lost = all.flatMap((one) => (one.status === 'rejected' ? [one.reason as Failure] : []));
    expect(lost.map(({ code, exitCode }) => [code, exitCode])).toEqual(Array(7).fill(['lease-held', 11]));
  });

  it('is won by one of eight processes', async () => {
    const racers = Array.from({ length: 8 }, (_, i) => startChild(`run-${i}`, 30_000, 'wait'));
    await Promise.all(racers.map((racer) => racer.next('ready')));
    const ends = racers.map((racer) =>
      Promise.race([
        racer.next('token').then(() => 'won'),
        once(racer.process, 'exit').then(([code]) => code as number),
      ]),
    );
    for (const racer of racers) racer.ask();
    expect((await Promise.all(ends)).sort()).toEqual([...Array<number>(7).fill(11), 'won']);
  });
});

describe('heartbeat', () => {
  it('keeps the lease for longer than its time', async () => {
    const lease = await acquire('run-1', { ttlMs: 800, heartbeatMs: 80 });
    await sleep(1_500);
    expect(lease.lost.aborted).toBe(false);
    expect(await failure(acquire('run-2'))).toMatchObject({ code: 'lease-held' });
    await lease.check();
  });

  it('takes no part in what the clock of this machine does', async () => {
    let hours = 0;
    const now = (): Date => new Date(Date.now() + hours * 3_600_000);
    const lease = await acquire('run-1', { stores: [onServer('jump')], ttlMs: 800, heartbeatMs: 80, now });
    for (hours of [1000, -1000]) {
      await sleep(900);
      await lease.check();
      const held = await failure(acquire('run-2', { stores: [onServer('jump')], now: () => new Date(0) }));
      expect(held.code).toBe('lease-held');
    }
  });

  it('finds out, on its own, that another has the lease', async () => {
    const stores = (): LeaseStore[] => [onServer('robbed')];
    const lease = await acquire('run-1', { stores: stores(), heartbeatMs: 50 });
    const thief = await acquire('run-2', { stores: stores(), takeOver: true });
    expect(thief.token).toBeGreaterThan(lease.token);
    expect(notices).toEqual([
      expect.stringMatching(/^Took the lease over from run run-1 \(recover\) .*: as you asked\.$/),
    ]);
    await once(lease.lost, 'abort');
    expect(lease.lost.reason).toMatchObject({ code: 'lease-lost', exitCode: 11 });
    const error = await failure(lease.check());
    expect(error.reason).toMatch(/run run-2 \(recover\) by .+, process \d+, has taken it over/);
    await lease.release();
    await thief.check();
  });

  it('gives the lease up when its place is silent for the whole time, not before', async () => {
    const proxy = await startProxy(engines.graph);
    const store = redisLease(proxy, 'silent', { connectMs: 500, answerMs: 500 });
    const lease = await acquire('run-1', { stores: [store], ttlMs: 1_500, heartbeatMs: 150 });
    await lease.check();
    proxy.drop();
    await lease.check();
    proxy.freeze();
    const since = performance.now();
    expect(await failure(lease.check())).toMatchObject({ code: 'lease-lost', exitCode: 11 });
    expect(performance.now() - since).toBeGreaterThan(1_000);
    expect(lease.lost.aborted).toBe(true);
    await proxy.stop();
  });

  it('says why, where the place answers and cannot keep it', async () => {
    const policy = await redis.config('GET', 'maxmemory-policy');
    const lease = await acquire('run-1', { stores: [onServer('full')], ttlMs: 800, heartbeatMs: 100 });
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.config('SET', 'maxmemory', '1mb');
    try {
      const { reason, hint } = await failure(lease.check());
      expect(reason).toMatch(/ran out after 0\.8 s: the server has no memory left: .*OOM/);
      expect(hint).toMatch(/^Raise maxmemory/);
      expect(hint).not.toContain('Nothing more is changed');
    } finally {
      await redis.config('SET', 'maxmemory', '0');
      await redis.config('SET', 'maxmemory-policy', policy[1] ?? 'noeviction');
    }
  });

  it('is asked for anew before a request, unless that was a moment ago', async () => {
    const lease = await acquire('run-1', { stores: [onServer('held')], ttlMs: 5_000 });
    const { confirmedAt } = lease;
    await lease.hold();
    expect(lease.confirmedAt).toBe(confirmedAt);
    const thief = await acquire('run-2', { stores: [onServer('held')], takeOver: true });
    // As a process sees it that slept: by its clock the lease lasts, and no timer of it has run.
    const until = performance.now() + 600;
    while (performance.now() < until) continue;
    expect(await failure(lease.hold())).toMatchObject({ code: 'lease-lost', exitCode: 11 });
    await thief.hold();
  });

  it('counts a record that is gone as lost: what the server forgot, it may have forgotten of others too', async () => {
    const lease = await acquire('run-1', { stores: [onServer('forgotten')] });
    await redis.del(leaseKey('forgotten'));
    expect(await failure(lease.check())).toMatchObject({ code: 'lease-lost' });
    expect(await redis.exists(leaseKey('forgotten'))).toBe(0);
  });

  it('knows its own writes again whose answers were lost', async () => {
    const store = inFolder();
    const lossy = (lost: number): LeaseStore => ({
      place: store.place,
      read: () => store.read(),
      take: async (claim, over) => {
        const result = await store.take(claim, over);
        return lost-- > 0 ? null : result;
      },
      renew: async (version, record) => {
        const result = await store.renew(version, record);
        return lost-- > 0 ? null : result;
      },
      release: (version) => store.release(version),
      close: () => store.close(),
    });
    const lease = await acquire('run-1', { stores: [lossy(2)] });
    await lease.check();
    await lease.check();
    await lease.release();
    expect(await store.read()).toBeNull();
  });
});

describe('taking over', () => {
  it('happens at once where the process of the holder was killed', async () => {
    const child = startChild('run-1', 30_000);
    const { token } = await child.next('token');
    expect(await failure(acquire('run-2'))).toMatchObject({ code: 'lease-held' });
    child.process.kill('SIGKILL');
    await once(child.process, 'exit');
    const lease = await acquire('run-2');
    expect(lease.token).toBeGreaterThan(Number(token));
    expect(notices).toEqual([
      expect.stringMatching(/^Took the lease over from run run-1 .*: its process is gone\.$/),
    ]);
  });

  it('fences out a holder that hung and woke up', async () => {
    const child = startChild('run-1', 1_500);
    await child.next('token');
    child.ask();
    expect(await child.next('check')).toEqual({ check: 'held', lost: false });
    child.process.kill('SIGSTOP');
    expect(await failure(acquire('run-2'))).toMatchObject({ code: 'lease-held' });
    await sleep(1_700);
    const lease = await acquire('run-2');
    const { pid } = child.process;
    expect(notices).toEqual([
      expect.stringMatching(/: there was no sign of life for \d s\.$/),
      expect.stringContaining(`Process ${pid} is stopped, not dead: end it (kill -9 ${pid})`),
    ]);
    child.ask();
    child.process.kill('SIGCONT');
    expect(await child.next('check')).toEqual({ check: 'lease-lost', lost: true });
    await lease.check();
  });

  it('does not happen on demand while the process is merely stopped', async () => {
    const child = startChild('run-1', 30_000);
    await child.next('token');
    const { pid } = child.process;
    const stopped = (is: boolean): Promise<void> =>
      vi.waitFor(() => expect(readFileSync(`/proc/${pid ?? 0}/stat`, 'utf8').includes(') T ')).toBe(is), {
        timeout: 10_000,
      });
    child.process.kill('SIGSTOP');
    await stopped(true);
    const error = await failure(acquire('run-2', { takeOver: true }));
    expect(error).toMatchObject({ code: 'lease-held', exitCode: 11 });
    expect(error.reason).toContain('it is stopped, not dead');
    expect(error.hint).toContain(`kill -9 ${pid}`);
    child.process.kill('SIGCONT');
    await stopped(false);
    await acquire('run-2', { takeOver: true });
    expect(notices).toEqual([expect.stringContaining('as you asked')]);
  });

  it('waits for the end of a lease whose process cannot be looked at', async () => {
    await inFolder().take(elsewhere('run-1', 1), null);
    const error = await failure(acquire('run-2'));
    expect(error.reason).toContain('run run-1 (drill) by ann@ship, process 4711 on ship');
    await sleep(1_100);
    await acquire('run-2');
    expect(notices).toEqual([expect.stringMatching(/by ann@ship, process 4711: there was no sign of life/)]);
  });
});

describe('isGone', () => {
  it('needs proof', async () => {
    const here = thisProcess();
    expect(isGone(here)).toBe(false);
    expect(isGone({ ...here, processStarted: '1' })).toBe(true);
    expect(isGone({ ...here, processStarted: null })).toBe(false);
    const child = spawn('true');
    await once(child, 'exit');
    const gone = { ...here, pid: child.pid ?? 0 };
    expect(isGone(gone)).toBe(true);
    expect(isGone({ ...gone, host: 'ship' })).toBe(false);
    expect(isGone({ ...gone, processSpace: 'another boot' })).toBe(false);
  });
});

describe('places', () => {
  it('goes on to the next where the graph server gives no right to the keys', async () => {
    await redis.call('ACL', 'SETUSER', 'guest', 'on', '>pw', '~memories', '+@all');
    const guest = { ...engines.graph, username: 'guest', password: 'pw' };
    const lease = await acquire('run-1', { stores: [redisLease(guest, 'memories'), inFolder()] });
    expect(lease.place).toBe(inFolder().place);
    expect(notices[0]).toMatch(/^The lease cannot be kept in the graph server .*lifeboat-lease: NOPERM/);
    expect(notices[1]).toBe(`The lease is kept in ${lease.place}.`);
    const second = acquire('run-2', { stores: [redisLease(guest, 'memories'), inFolder()] });
    expect(await failure(second)).toMatchObject({ code: 'lease-held' });
  });

  it('sees a run that had to go on to another place', async () => {
    const down = redisLease({ host: '127.0.0.1', port: 1 }, 'down');
    const first = await acquire('run-1', { stores: [down, inFolder()] });
    const stores = (): LeaseStore[] => [onServer('down'), inFolder()];
    expect(await failure(acquire('run-2', { stores: stores() }))).toMatchObject({ code: 'lease-held' });
    expect(await redis.exists(leaseKey('down'))).toBe(0);
    await first.check();
    // And takes it from there, if it is to.
    const second = await acquire('run-2', { stores: stores(), takeOver: true });
    expect(second.place).toBe(onServer('down').place);
    expect(await failure(first.check())).toMatchObject({ code: 'lease-lost' });
    await second.check();
  });

  it('does not pass over a record that it cannot read', async () => {
    await redis.set(leaseKey('odd'), 'what is this');
    const error = await failure(acquire('run-1', { stores: [onServer('odd'), inFolder()] }));
    expect(error).toMatchObject({ code: 'lease-unreadable', exitCode: 1 });
    expect(error.hint).toContain(`DEL '{odd}:lifeboat-lease'`);
    expect(await inFolder().read()).toBeNull();

    writeFileSync(join(folder, 'lease.1.json'), '{');
    const below = await failure(acquire('run-1', { stores: [onServer('even'), inFolder()] }));
    expect(below).toMatchObject({ code: 'lease-unreadable', subject: join(folder, 'lease.1.json') });
    expect(await redis.exists(leaseKey('even'))).toBe(0);
  });

  it('ends where no place can keep the lease', async () => {
    chmodSync(folder, 0o555);
    await unprivileged(async () => {
      const down = redisLease({ host: '127.0.0.1', port: 1 }, 'down');
      const error = await failure(acquire('run-1', { stores: [down, inFolder()] }));
      expect(error).toMatchObject({ code: 'lease-nowhere', exitCode: 1 });
      expect(error.reason).toMatch(/nothing listens on 127\.0\.0\.1:1.*EACCES/s);
    });
  });
});
