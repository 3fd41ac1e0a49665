import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadBackupCommand } from '../../src/commands/backup.js';
import { Failure } from '../../src/failure.js';
import { associationMetadata, rowsOf, writeStore } from '../backup/sqlite/store.js';
import { testContext } from '../support/context.js';

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  store = join(folder, 'memory.db');
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Ran {
  exitCode: number;
  stdout: string;
  failure: Failure | null;
}

async function backup(...args: string[]): Promise<Ran> {
  const env = { HOME: folder, AUTOMEM_BACKUP_DIR: join(folder, 'backups') };
  const context = testContext({ env, cwd: folder });
  const program = new Command('lifeboat').exitOverride();
  (await loadBackupCommand(args[0]))(program, context);
  try {
    await program.parseAsync(['backup', ...args], { from: 'user' });
    return { exitCode: context.exitCode, stdout: context.stdout, failure: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { exitCode: error.exitCode, stdout: context.stdout, failure: error };
  }
}

const memories = (): number => rowsOf(store, 'SELECT count(*) AS n FROM memories')[0]?.['n'] as number;
const edges = (): number => rowsOf(store, 'SELECT count(*) AS n FROM memory_graph')[0]?.['n'] as number;

describe('the SQLite store of MCP Memory Service', () => {
  it('is backed up, lost, and restored from the newest backup; the old file is kept', async () => {
    writeStore(store, { memories: 40 });
    const before = memories();
    const created = await backup('create', '--source', 'sqlite:memory.db');
    expect(created).toMatchObject({ exitCode: 0, failure: null });
    expect(created.stdout).toMatch(/integrity checked/);
    expect(created.stdout).toMatch(/lifeboat backup verify \d{8}_\d{6} --deep\n/);
    truncateSync(store, 3000);
    const dry = await backup('restore', '--source', 'sqlite:memory.db', '--dry-run', '--json');
    expect(dry.failure?.message ?? null).toBeNull();
    expect(JSON.parse(dry.stdout)).toMatchObject({ type: 'sqlite-restore', dryRun: true, kept: null });
    expect(readFileSync(store).length).toBe(3000);
    const asked = await backup('restore', '--source', 'sqlite:memory.db');
    expect(asked.failure).toMatchObject({ code: 'not-confirmed', exitCode: 2 });
    expect(asked.failure?.hint).toContain('--confirm memory.db');
    const restored = await backup('restore', '--source', 'sqlite:memory.db', '--confirm', 'memory.db');
    expect(restored).toMatchObject({ exitCode: 0, failure: null });
    expect(memories()).toBe(before);
    expect(readdirSync(folder).filter((name) => name.startsWith('memory.db.before-'))).toHaveLength(1);
    // What is printed to go back does.
    const back = /then:\n {4}(.*)$/m.exec(restored.stdout)?.[1] ?? 'false';
    execFileSync('sh', ['-c', back]);
    expect(readFileSync(store).length).toBe(3000);
    expect(readdirSync(folder).filter((name) => name.startsWith('memory.db'))).toEqual(['memory.db']);
  });

  it('is tried out before it is backed up, and nothing is written', async () => {
    writeStore(store, { memories: 40 });
    const dry = await backup('create', '--source', 'sqlite:memory.db', '--dry-run', '--json');
    expect(dry).toMatchObject({ exitCode: 0, failure: null });
    expect(JSON.parse(dry.stdout)).toMatchObject({
      ...{ type: 'backup-dry-run', outcome: 'ready', kind: 'sqlite', store, memories: 40 },
      checks: [
        { check: 'store', ok: true },
        { check: 'place', ok: true, warning: true },
      ],
    });
    expect(existsSync(join(folder, 'backups'))).toBe(false);
    const created = await backup('create', '--source', 'sqlite:memory.db');
    expect(created.stdout).toContain('  ! ' + join(folder, 'backups') + ' was not there, and was made.');
    expect((await backup('create', '--source', 'sqlite:memory.db')).stdout).not.toContain('  ! ');
    truncateSync(store, 3000);
    const broken = await backup('create', '--source', 'sqlite:memory.db', '--dry-run');
    expect(broken.exitCode).toBe(1);
    expect(broken.stdout).toMatch(/ {2}✗ store /);
  });

  it('gets the edges that its associations tell of, once; what cannot be one is named', async () => {
    writeStore(store, {
      memories: 4,
      associations: [
        { name: 'a1', metadata: associationMetadata('m0', 'm1') },
        { name: 'a2', metadata: '{not json' },
      ],
    });
    const first = await backup(
      'rebuild-graph',
      '--source',
      'sqlite:memory.db',
      '--confirm',
      'memory.db',
      '--json',
    );
    expect(first.exitCode).toBe(3);
    expect(JSON.parse(first.stdout)).toMatchObject({
      associations: 2,
      rebuilt: 1,
      refused: [{ code: expect.any(String) as string }],
    });
    const after = edges();
    const second = await backup('rebuild-graph', '--source', 'sqlite:memory.db', '--confirm', 'memory.db');
    expect(second.stdout).toMatch(/0 written, 1 there already/);
    expect(edges()).toBe(after);
  });

  it('is asked for where it is not named, and whoever looks for the other restore is told of it', async () => {
    const restore = await backup('restore', '20261121_175103', '--confirm', 'memories');
    expect(restore.failure).toMatchObject({ code: 'source-missing', exitCode: 2 });
    expect(restore.failure?.hint).toContain('lifeboat recover restore-backup --backup 20261121_175103;');
    expect((await backup('restore')).failure?.hint).toContain('lifeboat recover restore-backup;');
    expect((await backup('rebuild-graph')).failure).toMatchObject({ code: 'source-missing', exitCode: 2 });
  });

  it('is refused where it is none, and where a backup is asked for that is not there', async () => {
    const missing = await backup('create', '--source', 'sqlite:nowhere.db');
    expect(missing.failure?.message).toContain('nowhere.db');
    expect(existsSync(join(folder, 'nowhere.db'))).toBe(false);
    writeStore(store);
    await backup('create', '--source', 'sqlite:memory.db');
    const unknown = await backup('restore', '20200101_000000', '--source', 'sqlite:memory.db', '--dry-run');
    expect(unknown.failure).toMatchObject({ code: 'backup-unknown', exitCode: 4 });
    const encrypted = await backup('create', '--source', 'sqlite:memory.db', '--encrypt');
    expect(encrypted.failure).toMatchObject({ code: 'no-recipient', exitCode: 2 });
  });
});
