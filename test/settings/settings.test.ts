import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { Command } from 'commander';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { addConfigCommand } from '../../src/commands/config.js';
import { loadSettings, type Settings } from '../../src/settings/settings.js';
import { VARIABLES, type Variable } from '../../src/settings/variables.js';
import { folderWith } from '../support/archive-files.js';
import { testContext } from '../support/context.js';

/** The newest folder of this test. */
let root = '';
let roots: string[] = [];
afterEach(() => {
  for (const folder of roots) rmSync(folder, { recursive: true, force: true });
  roots = [];
});

function inFolder(files: Record<string, string>): void {
  root = folderWith(files);
  roots.push(root);
}

async function load(env: Record<string, string>, files: Record<string, string> = {}): Promise<Settings> {
  inFolder(files);
  return loadSettings({ env, cwd: root, home: join(root, 'home') });
}

const origin = (settings: Settings, name: string): string | undefined =>
  settings.list.find((setting) => setting.name === name)?.origin;

describe('loadSettings', () => {
  it("has AutoMem's defaults", async () => {
    const settings = await load({});
    expect(settings.graph).toMatchObject({
      host: 'localhost',
      port: 6379,
      name: 'memories',
      password: null,
      tls: false,
    });
    expect(settings.graph.username).toBe('default');
    expect(settings.vectors).toMatchObject({
      url: 'http://localhost:6333',
      configured: false,
      collection: 'memories',
      size: 1024,
      sizeFromCollection: true,
      timeoutMs: null,
    });
    expect(settings.excludedTypes).toEqual(['MetaPattern']);
    expect(settings.backups).toEqual({
      dir: join(root, 'backups'),
      s3: null,
      to: null,
      encrypt: false,
      recipients: [],
      identityFile: null,
    });
    expect(settings.folders.state).toBe(join(root, 'home/.local/state/lifeboat'));
    expect(settings.retention).toEqual({
      keepLast: 7,
      keepWithinSeconds: null,
      hourly: 24,
      daily: 30,
      weekly: 12,
      monthly: 12,
      yearly: 0,
      maxCount: null,
      maxAgeSeconds: null,
      minimum: 3,
    });
    expect(settings.objectives).toEqual({ rtoSeconds: null, rpoSeconds: null });
    expect(settings.embedding.provider).toBe('auto');
  });

  it('takes the first source, and remembers it', async () => {
    const files = {
      '.env': 'FALKORDB_HOST=from-file\nFALKORDB_PORT=7000\n',
      'home/.config/automem/.env': 'FALKORDB_PORT=7001\nFALKORDB_GRAPH=home\n',
      'lifeboat.config.yaml': 'objectives:\n  rto: 5m\n',
    };
    const settings = await load({ FALKORDB_HOST: 'from-env' }, files);
    expect(settings.graph).toMatchObject({ host: 'from-env', port: 7000, name: 'home' });
    expect(settings.objectives.rtoSeconds).toBe(300);
    expect(origin(settings, 'FALKORDB_HOST')).toBe('the environment');
    expect(origin(settings, 'FALKORDB_PORT')).toBe('./.env line 2');
    expect(origin(settings, 'FALKORDB_GRAPH')).toBe('~/.config/automem/.env line 2');
    expect(origin(settings, 'FALKORDB_PASSWORD')).toBe('not set');
    expect(origin(settings, 'objectives.rto')).toBe('lifeboat.config.yaml line 2');
  });

  it('falls back as AutoMem does, and takes empty for not set', async () => {
    const railway = {
      FALKORDB_HOST: '',
      RAILWAY_PRIVATE_DOMAIN: 'graph.internal',
      RAILWAY_PUBLIC_DOMAIN: 'public',
    };
    const settings = await load({ ...railway, QDRANT_VECTOR_SIZE: '64', AWS_DEFAULT_REGION: 'eu-central-1' });
    expect(settings.graph.host).toBe('graph.internal');
    expect(origin(settings, 'FALKORDB_HOST')).toBe('RAILWAY_PRIVATE_DOMAIN in the environment');
    expect(settings.vectors.size).toBe(64);
    expect((await load({ VECTOR_SIZE: '768', QDRANT_VECTOR_SIZE: '64' })).vectors.size).toBe(768);
    // The empty one of the first source hides what a later source says, as in AutoMem.
    const hidden = await load({ QDRANT_API_KEY: '' }, { '.env': 'QDRANT_API_KEY=stale\n' });
    expect(hidden.vectors.apiKey).toBeNull();
    expect(origin(hidden, 'QDRANT_API_KEY')).toBe('not set (empty in the environment)');
    // Here empty means something: no type is excluded.
    expect((await load({ RECALL_EXCLUDED_TYPES: '' })).excludedTypes).toEqual([]);
    expect((await load({ RECALL_EXCLUDED_TYPES: ' A, ,B ' })).excludedTypes).toEqual(['A', 'B']);
  });

  // What qdrant-client makes of each; see schemas.ts.
  it.each([
    ['http://host', 'http://host:6333'],
    ['https://host', 'https://host:6333'],
    ['https://host/', 'https://host:6333'],
    ['https://host:443', 'https://host:443'],
    ['http://host:80/', 'http://host:80'],
    ['http://host:6333//', 'http://host:6333'],
    ['https://host/qdrant/', 'https://host:6333/qdrant'],
    ['https://host:8443/a/b?x=1#y', 'https://host:8443/a/b'],
    ['http://[::1]', 'http://[::1]:6333'],
    ['http://[::1]:1/', 'http://[::1]:1'],
    ['https://user:pw@host', 'https://host:6333'],
    ['HTTP://Host', 'http://host:6333'],
  ])('reads QDRANT_URL=%s as %s', async (text, url) => {
    const { vectors } = await load({ QDRANT_URL: text, QDRANT_HOST: 'other' });
    expect(vectors).toMatchObject({ url, configured: true });
  });

  it('makes the address of Qdrant from host and port', async () => {
    const settings = await load({ QDRANT_HOST: 'qdrant.internal', QDRANT_PORT: '7333' });
    expect(settings.vectors).toMatchObject({ url: 'http://qdrant.internal:7333', configured: true });
    expect(origin(settings, 'QDRANT_URL')).toBe('QDRANT_HOST in the environment');
    expect((await load({ QDRANT_HOST: '::1' })).vectors.url).toBe('http://[::1]:6333');
  });

  it.each([
    ['QDRANT_URL', 'localhost:6333', 'http:// or https://'],
    ['QDRANT_URL', 'grpc://host', 'http:// or https://'],
    ['QDRANT_URL', 'http://', 'http:// or https://'],
    ['QDRANT_URL', 'http://host:99999', 'http:// or https://'],
    ['QDRANT_URL', 'http://host:0', 'http:// or https://'],
    ['QDRANT_HOST', 'http://host', 'a host name or IP address'],
    ['FALKORDB_HOST', 'host:6379', 'without scheme and port'],
    ['FALKORDB_HOST', 'cafe:6379', 'without scheme and port'],
    ['FALKORDB_PORT', '0', 'from 1 to 65535'],
    ['FALKORDB_PORT', '65536', 'from 1 to 65535'],
    ['FALKORDB_PORT', '63x9', 'from 1 to 65535'],
    ['FALKORDB_GRAPH', 'a{b}', 'without braces'],
    ['FALKORDB_TLS', 'maybe', 'true or false'],
    ['QDRANT_COLLECTION', 'a/b', 'a collection name'],
    ['QDRANT_TIMEOUT_SECONDS', '-1', 'seconds above 0'],
    ['VECTOR_SIZE', '0', 'whole number above 0'],
    ['QDRANT_VECTOR_SIZE', '1e3', 'whole number above 0'],
    ['EMBEDDING_PROVIDER', 'cohere', 'auto, voyage, openai'],
    ['AUTOMEM_S3_BUCKET', 's3://x', 'the name of an S3 bucket'],
    ['HEALTH_MONITOR_DRIFT_THRESHOLD', '101', 'from 0 to 100'],
  ])('refuses %s=%s', async (name, value, expected) => {
    await expect(load({ [name]: value })).rejects.toMatchObject({
      name: 'Failure',
      exitCode: 2,
      subject: name,
      reason: expect.stringContaining(`${name} is ${JSON.stringify(value)} in the environment`) as string,
    });
    await expect(load({ [name]: value })).rejects.toThrow(expected);
  });

  it('names everything that is wrong at once, and no password', async () => {
    const files = { '.env': 'FALKORDB_PORT=x\n' };
    const failure = load({ QDRANT_URL: 'ftp://u:hunter2@h', HEALTH_MONITOR_WEBHOOK: 'hunter3' }, files);
    await expect(failure).rejects.toThrow(
      /FALKORDB_PORT is "x" in \.\/\.env line 1.*QDRANT_URL.*HEALTH_MONITOR_WEBHOOK/,
    );
    await expect(failure).rejects.not.toThrow(/hunter/);
  });

  it('cannot be changed', async () => {
    const settings = await load({});
    expect(
      Object.isFrozen(settings) && Object.isFrozen(settings.graph) && Object.isFrozen(settings.list),
    ).toBe(true);
  });

  it('reads its own defaults, and never takes what is no port', () => {
    const all: [string, Variable][] = Object.entries(VARIABLES);
    for (const [name, { schema, default: fallback }] of all) {
      if (fallback !== null) expect([name, schema.safeParse(fallback).success]).toEqual([name, true]);
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.float().map(String)), (text) => {
        const result = VARIABLES.FALKORDB_PORT.schema.safeParse(text);
        if (!result.success) return;
        expect(result.data).toBe(Number(text.trim()));
        expect(result.data >= 1 && result.data <= 65_535 && Number.isInteger(result.data)).toBe(true);
      }),
    );
  });

  it('reads S3 from the same sources', async () => {
    const env = {
      AUTOMEM_S3_BUCKET: 'b-u.c',
      AUTOMEM_S3_PREFIX: '/a/b/',
      AWS_ENDPOINT_URL: 'http://s3:9000/',
    };
    const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'sss' };
    const { backups, secrets } = await load({ ...env, ...keys });
    expect(backups.s3).toEqual({
      bucket: 'b-u.c',
      prefix: 'a/b',
      endpoint: 'http://s3:9000',
      region: null,
      profile: null,
      credentials: { accessKeyId: 'AKIA', secretAccessKey: 'sss', sessionToken: null },
    });
    expect(secrets).toContain('sss');
  });

  it('respects the XDG folders', async () => {
    const xdg = { XDG_STATE_HOME: '/var/x', XDG_CACHE_HOME: 'relative' };
    const { folders } = await load(xdg);
    expect(folders).toEqual({ state: '/var/x/lifeboat', cache: join(root, 'home/.cache/lifeboat') });
    expect((await load({ ...xdg, LIFEBOAT_STATE: 'here' })).folders.state).toBe(join(root, 'here'));
    expect((await load({ LIFEBOAT_CACHE: '~/c' })).folders.cache).toBe(join(root, 'home/c'));
  });
});

describe('lifeboat config', () => {
  async function run(args: string[], env: Record<string, string>): Promise<string> {
    inFolder({ '.env': 'QDRANT_API_KEY=k3y#part\n' });
    let text = '';
    const program = new Command('lifeboat')
      .exitOverride()
      .configureOutput({ writeOut: (out) => (text += out) });
    const context = testContext({ env: { HOME: join(root, 'home'), ...env }, cwd: root });
    addConfigCommand(program, context);
    await program.parseAsync(['config', ...args], { from: 'user' });
    return text + context.stdout;
  }

  const env = {
    FALKORDB_PASSWORD: 'hunter22',
    QDRANT_URL: 'https://u:pazz@q/',
    FALKORDB_GRAPH: 'x-hunter22',
  };

  it('prints a table without a secret', async () => {
    const text = await run([], env);
    expect(text).toMatch(/^NAME +VALUE +FROM\n/);
    expect(text).toMatch(/\nFALKORDB_PASSWORD +‹redacted› +the environment\n/);
    expect(text).toMatch(/\nQDRANT_API_KEY +‹redacted› +\.\/\.env line 1\n/);
    expect(text).toMatch(/\nQDRANT_URL +https:\/\/q:6333 +the environment\n/);
    expect(text).not.toMatch(/hunter22|pazz|k3y/);
  });

  it('prints JSON', async () => {
    const text = await run(['--json'], env);
    const { settings } = JSON.parse(text) as { settings: { name: string; value: string | null }[] };
    expect(settings.find(({ name }) => name === 'FALKORDB_GRAPH')?.value).toBe('x-‹redacted›');
    expect(settings.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(VARIABLES)));
    expect(text).not.toMatch(/hunter22|pazz|k3y/);
  });

  it('lists its exit codes in the help, and fails with 2 on a wrong value', async () => {
    await expect(run([], { QDRANT_PORT: 'x' })).rejects.toMatchObject({
      exitCode: 2,
      subject: 'QDRANT_PORT',
    });
    let help = '';
    const program = new Command('lifeboat')
      .exitOverride()
      .configureOutput({ writeOut: (out) => (help += out) });
    addConfigCommand(program, testContext());
    program.commands[0]?.exitOverride().configureOutput({ writeOut: (out) => (help += out) });
    await expect(program.parseAsync(['config', '--help'], { from: 'user' })).rejects.toThrow();
    expect(help).toMatch(/Exit codes:\n {2}0 .*\n {2}2 /);
  });
});
