import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';

import { daemonMetrics } from '../../src/daemon/metrics.js';
import type { Keys } from '../../src/daemon/http/access.js';
import { parseListen, refuseOpenListen } from '../../src/daemon/http/listen-address.js';
import { limitedAs } from '../../src/daemon/http/rate-limit.js';
import { startServer, type RunningServer } from '../../src/daemon/http/server.js';
import { BackupWatch } from '../../src/daemon/newest-backup.js';
import type { BackupRequest } from '../../src/daemon/jobs.js';
import { ExitCode, Failure } from '../../src/failure.js';
import { SchedulerLab } from './scheduler-lab.js';

const READ = 'read-key-of-the-test';
const WRITE = 'write-key-of-the-test';
const KEYS: Keys = { read: READ, write: WRITE };

let server: RunningServer | null = null;
let now = 0;
let asked: BackupRequest[] = [];
let answer: string | null = 'backup-1';
let stopping = false;
let troubles: string[] = [];
let warnings: string[] = [];

afterEach(async () => {
  await server?.close();
  server = null;
  now = 0;
  asked = [];
  answer = 'backup-1';
  troubles = [];
  warnings = [];
  stopping = false;
});

async function start(keys: Keys, host = '127.0.0.1'): Promise<void> {
  const lab = new SchedulerLab({ start: '2026-11-16T00:00:00Z', until: '2026-11-17T00:00:00Z' });
  server = await startServer({
    listen: { host, port: 0 },
    keys,
    now: () => now,
    redact: (text) => text.replaceAll('s3cret', '***'),
    served: {
      troubles: () => troubles,
      warnings: () => warnings,
      status: () => ({ jobs: {} }),
      metrics: daemonMetrics('0.0.0', () => ({
        view: lab.scheduler.view(),
        now: lab.clock.now(),
        newest: null,
        isHealthy: true,
      })),
      listBackups: () => Promise.resolve({ backups: [{ timestamp: '20261116_000000' }] }),
      listRuns: () => {
        throw new Failure({
          operation: 'list runs',
          subject: 's3cret',
          reason: 'it is away',
          hint: 'Look.',
          exitCode: ExitCode.unreachable,
          code: 'away',
        });
      },
      checkBackup: ({ to }) => {
        if (to === 's3') throw new TypeError('secret detail');
      },
      requestBackup: (request) => {
        asked.push(request);
        return answer;
      },
      isStopping: () => stopping,
    },
  });
}

interface Got {
  status: number;
  headers: Record<string, unknown>;
  body: Record<string, unknown>;
  text: string;
}

interface Ask {
  method?: string;
  key?: string;
  headers?: Record<string, string>;
  body?: string;
}

function ask(path: string, { method = 'GET', key, headers = {}, body }: Ask = {}): Promise<Got> {
  const [, port = ''] = /:(\d+)$/.exec(server?.address ?? '') ?? [];
  const json: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const bearer: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      { host: '127.0.0.1', port, path, method, agent: false, headers: { ...json, ...bearer, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = response.headers['content-type']?.startsWith('application/json') === true;
          const parsed = isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed, text });
        });
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

describe('who may do what', () => {
  it('lets keys read and write, from either header, and never from the address', async () => {
    await start(KEYS);
    const status = '/api/backup/status';
    expect(await ask(status, { key: READ })).toMatchObject({ status: 200, body: { status: 'ok', jobs: {} } });
    expect((await ask(status, { headers: { 'x-api-key': READ } })).status).toBe(200);
    expect((await ask('/api/backup/list', { key: WRITE })).body['backups']).toHaveLength(1);
    expect(await ask(status)).toMatchObject({ status: 401, body: { status: 'error', code: 'key-missing' } });
    expect((await ask(`${status}?key=${READ}&api_key=${READ}`)).status).toBe(401);
    const wrong = await ask(status, { key: `${READ}x` });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'key-wrong' } });
    expect(wrong.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(await ask('/api/backup/now', { method: 'POST', key: READ })).toMatchObject({
      status: 403,
      body: { code: 'key-may-only-read' },
    });
    expect(asked).toEqual([]);
  });

  it('keeps paths closed whose key is not set, also on the loopback address', async () => {
    await start({ read: null, write: null });
    const closed = await ask('/api/backup/list');
    expect(closed).toMatchObject({ status: 403, body: { code: 'key-not-set' } });
    expect(closed.body['message']).toContain('LIFEBOAT_READ_KEY');
    expect((await ask('/api/backup/now', { method: 'POST' })).body['message']).toContain(
      'LIFEBOAT_WRITE_KEY',
    );
    expect((await ask('/api/backup/status', { key: '' })).status).toBe(403);
    expect((await ask('/metrics')).status).toBe(200);
    await server?.close();
    await start({ read: READ, write: null });
    expect((await ask('/metrics')).status).toBe(401);
    expect((await ask('/metrics', { key: READ })).status).toBe(200);
    expect((await ask('/api/backup/now', { method: 'POST', key: READ })).status).toBe(403);
  });

  it('does not listen to an address after ten wrong keys in a minute', async () => {
    await start(KEYS);
    for (let i = 0; i < 10; i++) expect((await ask('/api/runs', { key: `wrong-${i}` })).status).toBe(401);
    const blocked = await ask('/api/runs', { key: READ });
    expect(blocked).toMatchObject({ status: 429, body: { code: 'too-many-wrong-keys' } });
    expect(blocked.headers['retry-after']).toBe('60');
    expect((await ask('/healthz')).status).toBe(200);
    now += 60_001;
    expect((await ask('/api/backup/status', { key: READ })).status).toBe(200);
  });
});

describe('limits', () => {
  it('answers 60 requests a minute and 6 POST requests, and says when to come back', async () => {
    await start(KEYS);
    const post = (): Promise<Got> => ask('/api/backup/now', { method: 'POST', key: WRITE });
    for (let i = 0; i < 6; i++) expect((await post()).status).toBe(202);
    const seventh = await post();
    expect(seventh).toMatchObject({ status: 429, body: { code: 'too-many-requests' } });
    expect(seventh.headers['retry-after']).toBe('10');
    for (let i = 7; i < 60; i++) expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/healthz')).headers['retry-after']).toBe('1');
    now += 10_000;
    expect((await post()).status).toBe(202);
  });

  it('knows an IPv6 network as one, and an IPv4 address in either form', () => {
    expect(limitedAs('::ffff:10.0.0.1')).toBe('10.0.0.1');
    expect(limitedAs('2001:db8:1:2:3:4:5:6')).toBe(limitedAs('2001:db8:1:2::9'));
    expect(limitedAs('2001:db8:1:3::9')).not.toBe(limitedAs('2001:db8:1:2::9'));
    expect(limitedAs('::1')).toBe('0:0:0:0::/64');
  });

  it('takes a body of 16 KiB and no more, whether its length was told or not', async () => {
    await start(KEYS);
    const post = (body: string, headers: Record<string, string> = {}): Promise<Got> =>
      ask('/api/backup/now', { method: 'POST', key: WRITE, body, headers });
    expect((await post(`{}${' '.repeat(16 * 1024 - 2)}`)).status).toBe(202);
    expect((await post(`{}${' '.repeat(16 * 1024 - 1)}`)).body['code']).toBe('body-too-large');
    const chunked = await post(' '.repeat(17 * 1024), { 'transfer-encoding': 'chunked' });
    expect(chunked).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
  });
});

describe('requests', () => {
  it('take a backup with what was asked, and refuse what makes no sense', async () => {
    await start(KEYS);
    const post = async (body: string, type = 'application/json'): Promise<Got> => {
      now += 60_000;
      return ask('/api/backup/now', { method: 'POST', key: WRITE, body, headers: { 'content-type': type } });
    };
    expect(await post('')).toMatchObject({ status: 202, body: { status: 'accepted', id: 'backup-1' } });
    expect((await post('{"to":"local","only":"graph"}')).status).toBe(202);
    expect(asked).toEqual([
      { to: null, only: null },
      { to: 'local', only: 'graph' },
    ]);
    for (const body of ['{', '[]', '{"to":"nowhere"}', '{"extra":1}', '"both"'])
      expect((await post(body)).status).toBe(400);
    expect((await post('to=local', 'application/x-www-form-urlencoded')).status).toBe(415);
    answer = null;
    expect(await post('{}')).toMatchObject({ status: 409, body: { code: 'backup-under-way' } });
    stopping = true;
    expect(await post('{}')).toMatchObject({ status: 503, body: { code: 'stopping' } });
  });

  it('get 404, 405 with what is allowed, and errors without secrets', async () => {
    await start(KEYS);
    expect(await ask('/api')).toMatchObject({ status: 404, body: { status: 'error', code: 'not-found' } });
    expect((await ask('/api/backup/now', { key: WRITE })).headers['allow']).toBe('POST');
    const put = await ask('/healthz', { method: 'PUT' });
    expect([put.status, put.headers['allow']]).toEqual([405, 'GET, HEAD']);
    const head = await ask('/healthz', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    const away = await ask('/api/runs', { key: READ });
    expect(away).toMatchObject({ status: 503, body: { code: 'away' } });
    expect(away.body['message']).toBe('Could not list runs (***): it is away. Look.');
    const bug = await ask('/api/backup/now', { method: 'POST', key: WRITE, body: '{"to":"s3"}' });
    expect(bug).toMatchObject({ status: 500, body: { code: 'internal' } });
    expect(bug.text).not.toContain('secret detail');
    expect(bug.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });

  it('under another name than a loopback one are turned away', async () => {
    await start(KEYS);
    for (const host of ['evil.example', 'evil.example:8787', '127.0.0.1.evil.example'])
      expect(await ask('/metrics', { key: READ, headers: { host } })).toMatchObject({
        status: 403,
        body: { code: 'host-not-local' },
      });
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:8787', '[::1]:8787'])
      expect((await ask('/healthz', { headers: { host } })).status).toBe(200);
    expect(await raw('GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
    await server?.close();
    await start(KEYS, '0.0.0.0');
    expect((await ask('/healthz', { headers: { host: 'backup.example' } })).status).toBe(200);
  });

  it('that are none get 400, and headers without an end 431', async () => {
    await start(KEYS);
    expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"code":"bad-request"/s);
    expect(await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('for health are told what is wrong, with no key', async () => {
    await start(KEYS);
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
    warnings = ['the last verification of a backup failed'];
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok', warnings } });
    troubles = ['the last backup failed'];
    expect(await ask('/healthz')).toMatchObject({
      status: 503,
      body: { code: 'unhealthy', reasons: troubles, troubles },
    });
    expect(await ask('/api/backup/status', { key: READ })).toMatchObject({
      ...{ status: 200, body: { status: 'unhealthy' } },
    });
  });
});

describe('metrics', () => {
  it('begin with counters at 0 for each job, and change with what happens', async () => {
    let fails = false;
    const lab = new SchedulerLab({
      start: '2026-11-16T00:00:00Z',
      until: '2026-11-16T12:02:40Z',
      schedules: { backup: '6h', drift: 'hourly' },
      work: (job) => {
        fails = job === 'backup' && lab.times('backup').length > 1;
        if (fails) return { ok: false, summary: 'the bucket is away' };
        return job === 'backup'
          ? { ok: true, summary: '', bytes: 4321 }
          : { ok: true, summary: '', driftPercent: 0.25 };
      },
    });
    const watch = new BackupWatch(() => Promise.reject(new Error('away')), lab.clock);
    const facts = { isHealthy: true, now: () => lab.clock.now() };
    const metrics = daemonMetrics('1.2.3', () => ({
      view: lab.scheduler.view(),
      now: facts.now(),
      newest: watch.newest(lab.state),
      isHealthy: facts.isHealthy,
    }));
    const before = await metrics.text();
    for (const job of ['backup', 'verify', 'prune', 'drift', 'drill']) {
      expect(before).toContain(`lifeboat_job_runs_total{job="${job}"} 0\n`);
      expect(before).toContain(`lifeboat_job_failures_total{job="${job}"} 0\n`);
      expect(before).toContain(`lifeboat_job_postponed_total{job="${job}"} 0\n`);
    }
    expect(before).toContain('# TYPE lifeboat_job_failures_total counter');
    expect(before).toContain('lifeboat_backup_last_success_timestamp_seconds 0\n');
    expect(before).toContain('lifeboat_build_info{version="1.2.3"} 1\n');
    expect(before).toContain('lifeboat_backup_age_seconds 0\n');
    expect(before).not.toMatch(/^lifeboat_drift_percent/m);
    await lab.run();
    facts.isHealthy = false;
    const after = await metrics.text();
    expect(after).toContain('lifeboat_job_runs_total{job="backup"} 2\n');
    expect(after).toContain('lifeboat_job_failures_total{job="backup"} 1\n');
    expect(after).toContain('lifeboat_job_runs_total{job="drift"} 12\n');
    expect(after).toContain('lifeboat_drift_percent 0.25\n');
    expect(after).toContain('lifeboat_backup_size_bytes 4321\n');
    expect(after).toContain('lifeboat_backup_duration_seconds 120\n');
    expect(after).toContain('lifeboat_healthy 0\n');
    // Made at 06:02:30, asked at 12:02:50.
    expect(after).toContain(`lifeboat_backup_age_seconds ${6 * 3600 + 20}\n`);
    expect(await metrics.text()).toBe(after);
  });
});

describe('addresses', () => {
  it('are refused where others can reach them without a long key', () => {
    const listen = { host: '0.0.0.0', port: 8787 };
    const long = 'a-key-of-16-chars';
    expect(() => refuseOpenListen(listen, { read: null, write: long })).toThrow(/no read key is set/);
    expect(() => refuseOpenListen(listen, { read: 'short', write: null })).toThrow(
      /LIFEBOAT_READ_KEY is shorter/,
    );
    expect(() => refuseOpenListen(listen, { read: long, write: 'short' })).toThrow(
      /LIFEBOAT_WRITE_KEY is shorter/,
    );
    refuseOpenListen(listen, { read: long, write: null });
    for (const host of ['127.0.0.1', '::1', 'localhost', '127.9.9.9'])
      refuseOpenListen({ host, port: 1 }, { read: null, write: null });
  });

  it('are HOST:PORT', () => {
    expect(parseListen('[::1]:8787')).toEqual({ host: '::1', port: 8787 });
    expect(parseListen('0.0.0.0:0')).toEqual({ host: '0.0.0.0', port: 0 });
    for (const text of [
      '',
      '8787',
      ':8787',
      'host',
      'host:65536',
      '::1:8787',
      '[nope]:1',
      'a b:1',
      'http://h:1',
    ])
      expect(parseListen(text)).toBeNull();
  });

  it('that are taken are named', async () => {
    await start(KEYS);
    const port = Number(server?.address.split(':')[1]);
    const again = startServer({
      listen: { host: '127.0.0.1', port },
      keys: KEYS,
      redact: (text) => text,
      served: {} as never,
    });
    await expect(again).rejects.toThrow(/something else listens there already/);
  });
});

function raw(text: string): Promise<string> {
  const port = Number(server?.address.split(':')[1]);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}
