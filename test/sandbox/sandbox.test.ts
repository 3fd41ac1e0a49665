import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { addSandboxCommand } from '../../src/commands/sandbox.js';
import { sleep, startTimeOf } from '../../src/sandbox/processes.js';
import { sandboxDown, sandboxStatus, sandboxUp } from '../../src/sandbox/sandbox.js';
import type { SandboxInfo } from '../../src/sandbox/sandbox-info.js';
import { testContext } from '../support/context.js';

let root: string;
const used = new Set<string>();
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-sandbox-'));
});
// Engines of a sandbox outlive the process that started them, so a test that fails must not leave any.
afterEach(async () => {
  for (const dir of used) await sandboxDown({ ...place(dir), keepData: false });
  used.clear();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function place(name: string) {
  used.add(name);
  return { dir: name, env: process.env, cwd: root, onProgress: () => undefined };
}

async function query(info: SandboxInfo, text: string): Promise<unknown> {
  const { host, port, password } = info.falkordb;
  const redis = new Redis({
    host,
    port,
    ...(password === undefined ? {} : { password }),
    retryStrategy: () => null,
  });
  try {
    return ((await redis.call('GRAPH.QUERY', 'memories', text)) as [unknown, unknown])[1];
  } finally {
    redis.disconnect();
  }
}

async function kill(...pids: number[]): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  for (let tries = 0; tries < 100 && pids.some((pid) => startTimeOf(pid) !== null); tries++) await sleep(20);
}

describe('a sandbox', () => {
  it('goes up, says where it is, and is found up by a second call', async () => {
    const info = await sandboxUp({
      ...place('basic'),
      falkordbPassword: { value: "it's", unlessSet: false },
      qdrantApiKey: { value: 'key', unlessSet: false },
    });
    expect(info.alreadyUp).toBe(false);
    expect(info.variables).toEqual({
      FALKORDB_HOST: '127.0.0.1',
      FALKORDB_PORT: String(info.falkordb.port),
      FALKORDB_PASSWORD: "it's",
      QDRANT_URL: `http://127.0.0.1:${info.qdrant.port}`,
      QDRANT_API_KEY: 'key',
    });
    expect(info.dataDir).toBe(join(root, 'basic'));
    expect(statSync(join(info.dataDir, 'state.json')).mode & 0o777).toBe(0o600);
    expect(statSync(info.dataDir).mode & 0o777).toBe(0o700);
    expect(await query(info, 'RETURN 1')).toEqual([[1]]);

    const again = await sandboxUp(place('basic'));
    expect(again).toEqual({ ...info, alreadyUp: true });
    expect(await sandboxStatus(place('basic'))).toMatchObject({
      state: 'up',
      falkordb: { running: true, answers: true, pid: info.falkordb.pid },
      qdrant: { running: true, answers: true, pid: info.qdrant.pid },
      variables: info.variables,
    });
  });

  it('comes back on the same data and ports after both engines were killed', async () => {
    const info = await sandboxUp({ ...place('crash'), aof: true });
    await query(info, "CREATE (:Memory {id: 'kept'})");
    await fetch(`${info.qdrant.url}/collections/memories`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"vectors":{"size":3,"distance":"Cosine"}}',
    });
    await sleep(1100); // The AOF is synced every second.
    await kill(info.falkordb.pid, info.qdrant.pid);
    expect(await sandboxStatus(place('crash'))).toMatchObject({ state: 'down', variables: {} });

    const back = await sandboxUp(place('crash'));
    expect(back.alreadyUp).toBe(false);
    expect(back.variables).toEqual(info.variables);
    expect(await query(back, 'MATCH (m:Memory) RETURN m.id')).toEqual([['kept']]);
    expect((await fetch(`${back.qdrant.url}/collections/memories`)).status).toBe(200);
  });

  it('starts only the engine that ended', async () => {
    const info = await sandboxUp(place('half'));
    await kill(info.qdrant.pid);
    expect((await sandboxStatus(place('half'))).state).toBe('partly');
    const back = await sandboxUp(place('half'));
    expect(back.falkordb.pid).toBe(info.falkordb.pid);
    expect(back.qdrant.pid).not.toBe(info.qdrant.pid);
  });

  it('is started once by two calls at a time', async () => {
    const [one, two] = await Promise.all([sandboxUp(place('twice')), sandboxUp(place('twice'))]);
    expect(one.variables).toEqual(two.variables);
    expect([one.alreadyUp, two.alreadyUp].sort()).toEqual([false, true]);
  });

  it('does not pretend to have settings that it was not started with', async () => {
    await sandboxUp(place('settings'));
    const wish = { value: 'new', unlessSet: false };
    await expect(
      sandboxUp({ ...place('settings'), aof: true, falkordbPassword: wish }),
    ).rejects.toMatchObject({
      code: 'sandbox-differs',
      subject: '--aof, --falkordb-password',
      exitCode: 2,
    });
  });

  it('goes down with its data, and only with its own', async () => {
    const info = await sandboxUp(place('down'));
    writeFileSync(join(info.dataDir, 'notes.txt'), 'mine');
    expect((await sandboxDown({ ...place('down'), keepData: false })).wasUp).toBe(true);
    expect([info.falkordb.pid, info.qdrant.pid].map(startTimeOf)).toEqual([null, null]);
    expect(readdirSync(info.dataDir)).toEqual(['notes.txt']);
    expect((await sandboxDown({ ...place('down'), keepData: false })).wasUp).toBe(false);
  });

  it('keeps its data if asked to', async () => {
    const info = await sandboxUp({ ...place('keep'), qdrantApiKey: { value: 'key', unlessSet: true } });
    await query(info, "CREATE (:Memory {id: 'kept'})");
    await sandboxDown({ ...place('keep'), keepData: true });
    const back = await sandboxUp({ ...place('keep'), qdrantApiKey: { value: 'other', unlessSet: true } });
    expect(await query(back, 'MATCH (m:Memory) RETURN m.id')).toEqual([['kept']]);
    expect(back.qdrant.apiKey).toBe('key');
  });

  it('never signals a process that was given the pid of an engine since', async () => {
    const info = await sandboxUp(place('recycled'));
    await kill(info.falkordb.pid);
    const stranger = spawn('sleep', ['60'], { detached: true });
    const file = join(info.dataDir, 'state.json');
    const state = JSON.parse(readFileSync(file, 'utf8')) as { falkordb: { pid: number } };
    state.falkordb.pid = stranger.pid ?? 0;
    writeFileSync(file, JSON.stringify(state));
    await sandboxDown({ ...place('recycled'), keepData: false });
    expect(startTimeOf(stranger.pid ?? 0)).not.toBeNull();
    stranger.kill('SIGKILL');
  });

  it('says that its state is damaged instead of starting over it', async () => {
    const info = await sandboxUp(place('damaged'));
    const file = join(info.dataDir, 'state.json');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.slice(0, 40));
    await expect(sandboxUp(place('damaged'))).rejects.toMatchObject({ code: 'sandbox-state-unreadable' });
    writeFileSync(file, good);
  });
});

describe('lifeboat sandbox', () => {
  /** Runs a command line as the composition root would. */
  async function lifeboat(args: string[], env: Record<string, string> = {}) {
    const context = testContext({
      env: { ...process.env, LIFEBOAT_STATE: join(root, 'state'), ...env },
      cwd: root,
    });
    const program = new Command().exitOverride().configureOutput({
      writeOut: (text) => context.out(text),
      writeErr: (text) => context.err(text),
    });
    addSandboxCommand(program, context);
    await program.parseAsync(['sandbox', ...args], { from: 'user' });
    return { out: context.stdout, err: context.stderr, exitCode: context.exitCode };
  }

  it('prints variables that a shell takes as they are, and knows its status', async () => {
    used.add(join(root, 'state', 'sandbox'));
    const down = await lifeboat(['status']);
    expect(down).toMatchObject({ exitCode: 3, out: expect.stringContaining('sandbox   down') as string });

    const secret = `it's $HOME "x" \`id\``;
    const up = await lifeboat(['up', '--aof', '--falkordb-password', secret, '--qdrant-api-key']);
    expect(up.exitCode).toBe(0);
    expect(up.out).toMatch(/^(export [A-Z_]+='.*'\n){5}$/);
    const seen = execFileSync('/bin/sh', ['-c', `${up.out}printf %s "$FALKORDB_PASSWORD"`], {
      encoding: 'utf8',
    });
    expect(seen).toBe(secret);
    expect(/QDRANT_API_KEY='([\w-]{32})'/.exec(up.out)).not.toBeNull();

    const again = await lifeboat(['up', '--qdrant-api-key', '--json']);
    const json = JSON.parse(again.out) as Record<string, unknown>;
    expect(json).toMatchObject({ type: 'sandbox', state: 'up', alreadyUp: true });
    expect(up.out).toContain((json['qdrant'] as { apiKey: string }).apiKey);
    expect(again.err).toContain('is up already');

    const status = await lifeboat(['status', '--json']);
    expect(status.exitCode).toBe(0);
    expect(JSON.parse(status.out)).toMatchObject({ type: 'sandbox', state: 'up' });

    const end = await lifeboat(['down', '--json']);
    expect(JSON.parse(end.out)).toMatchObject({ state: 'down', wasUp: true });
    expect(existsSync(join(root, 'state', 'sandbox'))).toBe(false);
  });

  it.each(['up', 'down', 'status'])('lists the exit codes in the help of %s', async (name) => {
    let text = '';
    const context = testContext({ cwd: root });
    const program = new Command().exitOverride().configureOutput({ writeOut: (part) => (text += part) });
    addSandboxCommand(program, context);
    await expect(program.parseAsync(['sandbox', name, '--help'], { from: 'user' })).rejects.toThrow(
      'outputHelp',
    );
    expect(text).toMatch(/Exit codes:\n {2}0 /);
  });
});
