import { Command } from 'commander';
import { Redis } from 'ioredis';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandContext } from '../../src/commands/context.js';
import { addSandboxDataCommands } from '../../src/commands/sandbox-data.js';
import { sandboxDown, sandboxUp } from '../../src/sandbox/sandbox.js';

let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-data-'));
  const base = {
    ...(process.env as Record<string, string>),
    HOME: folder,
    LIFEBOAT_STATE: join(folder, 'state'),
  };
  const cache = process.env['LIFEBOAT_CACHE'] ?? join(process.env['HOME'] ?? '', '.cache', 'lifeboat');
  env = { ...base, LIFEBOAT_CACHE: cache };
  const { variables } = await sandboxUp({ env, cwd: folder, onProgress: () => undefined });
  env = { ...env, ...variables };
});

afterAll(async () => {
  await sandboxDown({ env, cwd: folder, keepData: false, onProgress: () => undefined });
  await rm(folder, { recursive: true, force: true });
});

async function run(args: string[], more: Record<string, string> = {}): Promise<{ out: string; err: string }> {
  const said = { out: '', err: '' };
  const context: CommandContext = {
    version: '0.0.0-test',
    env: { ...env, ...more },
    cwd: folder,
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
    terminal: null,
    setExitCode: () => undefined,
    onInterrupt: () => () => undefined,
    setEnvironment: () => undefined,
  };
  const sandbox = new Command('sandbox')
    .exitOverride()
    .configureOutput({ writeErr: (text) => (said.err += text) });
  addSandboxDataCommands(sandbox, context);
  for (const command of sandbox.commands)
    command.exitOverride().configureOutput({ writeErr: (text) => (said.err += text) });
  await sandbox.parseAsync(args, { from: 'user' });
  return said;
}

async function exists(graph: string): Promise<boolean> {
  const redis = new Redis(Number(env['FALKORDB_PORT']), env['FALKORDB_HOST'] ?? '');
  try {
    return (await redis.exists(graph)) === 1;
  } finally {
    redis.disconnect();
  }
}

const FILL = ['fill', '--memories', '50', '--dim', '6', '--seed', '3'];

describe('sandbox fill and damage', () => {
  it('fills the stores of the environment and says where the backup pair is', async () => {
    const { out, err } = await run([...FILL, '--timestamp', '20261121_120000', '--backup-dir', 'pair']);
    expect(out).toContain('50 memories');
    expect(out).toContain(join(folder, 'pair', 'falkordb', 'falkordb_20261121_120000.json.gz'));
    expect(err).toMatch(/^points 50 of 50$/m);
    await expect(run(FILL)).rejects.toMatchObject({ code: 'not-empty' });
    const json = await run([...FILL, '--force', '--json', '--timestamp', '20261121_120000'], {
      AUTOMEM_BACKUP_DIR: join(folder, 'other'),
    });
    expect(JSON.parse(json.out)).toMatchObject({
      type: 'fill',
      graph: 'memories',
      collection: 'memories',
      memories: 50,
      points: 50,
      dim: 6,
      seed: 3,
      files: { vectors: join(folder, 'other', 'qdrant', 'qdrant_20261121_120000.json.gz') },
    });
    expect(json.err).toBe('');
  });

  it('breaks the running sandbox without further ado', async () => {
    await run([...FILL, '--force']);
    expect((await run(['damage', 'graph-lost'])).out).toBe('deleted the graph memories\n');
    expect(await exists('memories')).toBe(false);
  });

  it('breaks other stores only when the graph is named', async () => {
    await run([...FILL, '--force']);
    const elsewhere = { LIFEBOAT_STATE: join(folder, 'none') };
    await expect(run(['damage', 'graph-lost'], elsewhere)).rejects.toMatchObject({
      code: 'not-confirmed',
      exitCode: 2,
    });
    await expect(run(['damage', 'graph-lost', '--confirm', 'memory'], elsewhere)).rejects.toMatchObject({
      code: 'not-confirmed',
    });
    await expect(run(['damage', 'graph-lost', '--confirm', 'memory'])).rejects.toMatchObject({
      code: 'not-confirmed',
    });
    expect(await exists('memories')).toBe(true);
    const { out } = await run(['damage', 'graph-lost', '--confirm', 'memories', '--json'], elsewhere);
    expect(JSON.parse(out)).toEqual({
      type: 'damage',
      scenario: 'graph-lost',
      graph: 'memories',
      collection: 'memories',
      done: ['deleted the graph memories'],
    });
    expect(await exists('memories')).toBe(false);
  });

  it('names what is wrong with its arguments', async () => {
    await expect(run(['damage', 'flood'])).rejects.toMatchObject({ code: 'unknown-scenario', exitCode: 2 });
    await expect(run(['fill', '--memories', 'many'])).rejects.toMatchObject({
      code: 'commander.invalidArgument',
    });
    await expect(run(['fill', '--dim', '1', '--force'])).rejects.toMatchObject({
      code: 'population-options',
      exitCode: 2,
    });
  });
});
