import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Engines, ensureEngines } from '../../src/sandbox/engines.js';
import { startFalkordb } from '../../src/sandbox/falkordb-server.js';
import { missingLibraryFailure } from '../../src/sandbox/libraries.js';
import { sleep, startTimeOf } from '../../src/sandbox/processes.js';
import { enginesFolder } from '../../src/sandbox/provision.js';
import { onFreePort } from '../../src/sandbox/server-process.js';
import { officialImage, startEngines, type TestEngines } from '../support/engines.js';

let folder: string;
let engines: Engines;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-engines-'));
  engines = await ensureEngines({ env: process.env });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function withRedis<T>(
  address: { host: string; port: number; password?: string | undefined },
  work: (redis: Redis) => Promise<T>,
): Promise<T> {
  const { password, ...rest } = address;
  const redis = new Redis({
    ...rest,
    ...(password === undefined ? {} : { password }),
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined); // Also rejects the command that meets it.
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** The rows of a graph query. */
async function rows(address: TestEngines['graph'], query: string): Promise<unknown[]> {
  const reply = await withRedis(address, (redis) => redis.call('GRAPH.QUERY', 'memories', query));
  return (reply as [unknown, unknown[]])[1];
}

async function qdrant(
  vectors: TestEngines['vectors'],
  method: string,
  path: string,
  body?: object,
): Promise<Response> {
  return await fetch(`${vectors.url}${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(vectors.apiKey === undefined ? {} : { 'api-key': vectors.apiKey }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function untilGone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 100 && startTimeOf(pid) !== null; tries++) await sleep(50);
  return startTimeOf(pid) === null;
}

describe('the engines, with a password and an API key', () => {
  const password = 'a "quoted" \\ pass\'word$';
  let running: TestEngines;
  beforeAll(async () => {
    running = await startEngines({ password, apiKey: 'key-7f3a', aof: true, moduleArgs: officialImage });
  });
  afterAll(() => running.stop());

  it('take no one in without them', async () => {
    const { host, port } = running.graph;
    await expect(withRedis({ host, port }, (redis) => redis.ping())).rejects.toThrow(/NOAUTH/);
    await expect(withRedis({ host, port, password: 'x' }, (redis) => redis.ping())).rejects.toThrow();
    expect(await withRedis(running.graph, (redis) => redis.ping())).toBe('PONG');
    expect((await qdrant({ url: running.vectors.url }, 'GET', '/collections')).ok).toBe(false);
    expect((await qdrant({ url: running.vectors.url, apiKey: 'x' }, 'GET', '/collections')).ok).toBe(false);
    expect((await qdrant(running.vectors, 'GET', '/collections')).status).toBe(200);
  });

  it('show them in no list of processes and in no log', () => {
    for (const { pid } of [running.servers.graph, running.servers.vectors]) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      expect(commandLine).not.toMatch(/pass'word|key-7f3a/);
    }
    for (const log of ['falkordb/falkordb.log', 'qdrant/qdrant.log']) {
      expect(readFileSync(join(running.folder, log), 'utf8')).not.toMatch(/pass'word|key-7f3a/);
    }
  });

  it('cut results as the official image does', async () => {
    expect(await rows(running.graph, 'UNWIND range(1, 12000) AS n RETURN n')).toHaveLength(10_000);
  });

  it('keep their data through kill -9', async () => {
    await rows(running.graph, "CREATE (:Memory {id: 'kept'})-[:RELATES_TO]->(:Memory {id: 'too'})");
    await qdrant(running.vectors, 'PUT', '/collections/memories', {
      vectors: { size: 3, distance: 'Cosine' },
    });
    const id = '3f2b8a52-5f0e-4e7a-9d8e-1f6b1a0c9d11';
    const points = [{ id, vector: [1, 0, 0], payload: { content: 'kept' } }];
    const upsert = await qdrant(running.vectors, 'PUT', '/collections/memories/points?wait=true', { points });
    expect(upsert.status).toBe(200);
    await sleep(1100); // The AOF is synced every second.

    await Promise.all([running.servers.graph.kill(), running.servers.vectors.kill()]);
    await expect(withRedis(running.graph, (redis) => redis.ping())).rejects.toThrow();
    await Promise.all([running.restartGraph(), running.restartVectors()]);

    expect(await rows(running.graph, 'MATCH (a)-[:RELATES_TO]->(b) RETURN a.id, b.id')).toEqual([
      ['kept', 'too'],
    ]);
    const count = await qdrant(running.vectors, 'POST', '/collections/memories/points/count', {
      exact: true,
    });
    expect(await count.json()).toMatchObject({ result: { count: 1 } });
  });
});

describe('starting FalkorDB', () => {
  const start = (name: string, options: Partial<Parameters<typeof startFalkordb>[1]> = {}) =>
    startFalkordb(engines, {
      dataDir: join(folder, name),
      port: 0,
      aof: false,
      life: 'child',
      env: process.env,
      ...options,
    });

  it('says which port is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start('taken', { port })).rejects.toMatchObject({
      code: 'port-in-use',
      subject: `127.0.0.1:${port}`,
    });
    holder.close();
  });

  it('tries another free port when one is taken between choice and use', async () => {
    const tried: number[] = [];
    const port = await onFreePort('FalkorDB', 0, (candidate) => {
      tried.push(candidate);
      return Promise.resolve(tried.length < 3 ? null : candidate);
    });
    expect(tried).toHaveLength(3);
    expect(port).toBe(tried[2]);
  });

  it('shows the end of the log of a server that ended', async () => {
    await expect(start('wrong', { settings: { 'no-such-setting': '1' } })).rejects.toMatchObject({
      code: 'engine-died',
      reason: expect.stringContaining('no-such-setting') as string,
    });
  });

  it('takes settings of the server', async () => {
    const server = await start('settings', { settings: { maxmemory: '64mb', save: '""' } });
    const values = await withRedis(server, (redis) => redis.config('GET', 'maxmemory'));
    expect(values).toEqual(['maxmemory', String(64 * 1024 * 1024)]);
    await server.stop();
    expect(startTimeOf(server.pid)).toBeNull();
  });

  it('keeps what was saved without AOF when AOF is asked for later', async () => {
    const before = await start('later');
    await rows(before, "CREATE (:Memory {id: 'old'})");
    await before.stop();
    const after = await start('later', { aof: true });
    expect(await rows(after, 'MATCH (m) RETURN m.id')).toEqual([['old']]);
    expect(await withRedis(after, (redis) => redis.config('GET', 'appendonly'))).toEqual([
      'appendonly',
      'yes',
    ]);
    await rows(after, "CREATE (:Memory {id: 'new'})");
    await sleep(1100);
    await after.kill();
    const again = await start('later', { aof: true });
    expect(await rows(again, 'MATCH (m) RETURN m.id ORDER BY m.id')).toEqual([['new'], ['old']]);
    await again.kill();
  });

  it('names a library that the system lacks, and the command that installs it', () => {
    const log =
      '# Module falkordb.so failed to load: libgomp.so.1: cannot open shared object file: No such file';
    expect(missingLibraryFailure(log)).toMatchObject({
      code: 'library-missing',
      hint: expect.stringContaining('apt-get install -y libgomp1') as string,
    });
    expect(missingLibraryFailure('Ready to accept connections')).toBeNull();
  });
});

describe('engines of a process that is killed', () => {
  it('end with it', async () => {
    const script = join(import.meta.dirname, 'start-child.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, 'start', join(folder, 'orphans')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { pids } = JSON.parse(line) as { pids: number[] };
    expect(pids.map((pid) => startTimeOf(pid) !== null)).toEqual([true, true]);
    child.kill('SIGKILL');
    expect(await Promise.all(pids.map(untilGone))).toEqual([true, true]);
  });
});

describe('the choice of programs', () => {
  // What is remembered of the programs of a test does not belong into the cache of all.
  let cache: string;
  beforeAll(() => {
    cache = join(folder, 'cache');
    mkdirSync(join(cache, 'engines'), { recursive: true });
    const real = enginesFolder(process.env);
    for (const name of readdirSync(real).filter((entry) => /-py[\d.]+$|^openmp-/.test(entry))) {
      symlinkSync(join(real, name), join(cache, 'engines', name));
    }
  });

  const find = async (programs: Record<string, string>): Promise<Engines & { messages: string[] }> => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    for (const [name, script] of Object.entries(programs)) {
      if (script.startsWith('/')) symlinkSync(script, join(bin, name));
      else {
        writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
        chmodSync(join(bin, name), 0o755);
      }
    }
    const messages: string[] = [];
    const env = { ...process.env, PATH: `${bin}:/usr/bin:/bin`, LIFEBOAT_CACHE: cache };
    return { ...(await ensureEngines({ env, onProgress: (message) => messages.push(message) })), messages };
  };

  it('takes a server on the PATH that loads the module, and a qdrant', async () => {
    const found = await find({ 'valkey-server': engines.redisServer, qdrant: 'exit 0' });
    expect(found.redisServer).toMatch(/bin-.*valkey-server$/);
    expect(found.qdrant).toMatchObject({
      kind: 'binary',
      command: expect.stringMatching(/qdrant$/) as string,
    });
  });

  it('passes over a server that is too old', async () => {
    const found = await find({
      'redis-server': 'echo "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc bits=64"',
    });
    expect(realpathSync(found.redisServer)).toBe(realpathSync(engines.redisServer));
    expect(found.qdrant.kind).toBe('embedded');
  });

  it('passes over a server that is new enough but does not load the module, and says so', async () => {
    const script = '[ "$1" = --version ] && echo "Redis server v=8.0.1 sha=0:0" && exit; exit 1';
    const found = await find({ 'redis-server': script });
    expect(realpathSync(found.redisServer)).toBe(realpathSync(engines.redisServer));
    expect(found.messages).toEqual([expect.stringContaining('does not load')]);
  });
});
