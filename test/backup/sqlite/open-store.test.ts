import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { describeMemoryStore } from '../../../src/stores/sqlite/memory-store.js';
import { openMemoryStore } from '../../../src/stores/sqlite/open-memory-store.js';
import { unprivileged } from '../../support/unprivileged.js';
import { associationMetadata, openStore, writeStore } from './store.js';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  writeStore(at('good.db'), {
    memories: 300,
    associations: [{ name: 'a', metadata: associationMetadata('m0', 'm1') }],
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The good store with its first bytes or others changed. */
function spoilt(name: string, change: (bytes: Buffer) => Buffer): string {
  writeFileSync(at(name), change(readFileSync(at('good.db'))));
  return at(name);
}

async function expectRefused(path: string, code: string, reason?: RegExp): Promise<void> {
  const refusal = openMemoryStore(path).then((file) => file.close());
  await expect(refusal).rejects.toMatchObject({ name: 'Failure', code, subject: path });
  if (reason !== undefined) await expect(refusal).rejects.toThrow(reason);
}

describe('opening a SQLite memory store', () => {
  it('tells what it holds, and never asks the table of vectors itself', async () => {
    const file = await openMemoryStore(at('good.db'));
    expect(file.integrity()).toEqual({ problems: [], notes: [] });
    expect(describeMemoryStore(file)).toEqual({
      memories: 301,
      deleted: 0,
      associations: 1,
      graphRows: 0,
      embeddings: { dimensions: 384, metric: 'cosine', rows: 300 },
    });
    expect(file.counts()).toMatchObject({ memories: 301, memory_embeddings_rowids: 300 });
    expect(Object.keys(file.counts())).not.toContain('memory_embeddings');
    file.close();
  });

  it('refuses what is not there, a folder, and an empty file', async () => {
    await expectRefused(at('none.db'), 'sqlite-missing', /not there/);
    await expectRefused(join(at('good.db'), 'x.db'), 'sqlite-missing', /is a file/);
    mkdirSync(at('folder'));
    await expectRefused(at('folder'), 'sqlite-not-a-file', /folder/);
    writeFileSync(at('empty.db'), '');
    await expectRefused(at('empty.db'), 'sqlite-empty', /0 bytes/);
  });

  it('tells other files from an encrypted store and from a damaged header', async () => {
    writeFileSync(at('text.db'), 'hello');
    await expectRefused(at('text.db'), 'sqlite-not-sqlite');
    await expectRefused(
      spoilt('packed.db', (bytes) => gzipSync(bytes)),
      'sqlite-not-sqlite',
      /gzip/,
    );
    writeFileSync(at('secret.db'), randomBytes(40_960));
    await expectRefused(at('secret.db'), 'sqlite-encrypted', /encrypted/);
    await expectRefused(
      spoilt('magic.db', (bytes) => bytes.fill('X', 0, 8)),
      'sqlite-header-damaged',
      /5858/,
    );
    await expectRefused(
      spoilt('size.db', (bytes) => bytes.fill(7, 16, 18)),
      'sqlite-header-damaged',
      /page size/,
    );
    await expectRefused(
      spoilt('zero.db', (bytes) => bytes.fill(0)),
      'sqlite-header-damaged',
      /zero/,
    );
  });

  it('refuses a truncated store', async () => {
    await expectRefused(
      spoilt('short.db', (bytes) => bytes.subarray(0, bytes.length - 5000)),
      'sqlite-truncated',
    );
    await expectRefused(
      spoilt('head.db', (bytes) => bytes.subarray(0, 60)),
      'sqlite-truncated',
      /header/,
    );
  });

  it('refuses the database of another program, naming its tables', async () => {
    writeFileSync(at('other.db'), '');
    truncateSync(at('other.db'));
    const other = openStore(at('other.db'));
    other.exec('CREATE TABLE songs (title); CREATE TABLE albums (title)');
    other.close();
    await expectRefused(at('other.db'), 'sqlite-other-schema', /albums, songs/);
    const alike = openStore(at('other.db'));
    alike.exec('CREATE TABLE memories (id, content)');
    alike.close();
    await expectRefused(at('other.db'), 'sqlite-other-schema', /lacks content_hash/);
  });

  it('refuses a store that another process has locked', { timeout: 20_000 }, async () => {
    writeStore(at('locked.db'), { journal: 'delete' });
    const holder = openStore(at('locked.db'));
    holder.exec('BEGIN EXCLUSIVE');
    await expectRefused(at('locked.db'), 'sqlite-locked', /locked/);
    holder.close();
  });

  it('refuses a store in WAL mode whose folder it may not write to', async () => {
    mkdirSync(at('rights'));
    writeStore(at('rights/store.db'));
    // Not even its owner may write.
    chmodSync(at('rights'), 0o555);
    chmodSync(folder, 0o755);
    await unprivileged(() => expectRefused(at('rights/store.db'), 'sqlite-denied'));
    chmodSync(at('rights/store.db'), 0o000);
    await unprivileged(() => expectRefused(at('rights/store.db'), 'sqlite-denied', /permission denied/));
    chmodSync(at('rights'), 0o755);
  });

  it('keeps the warning of an experimental SQLite to itself, and no other one', () => {
    const child = fileURLToPath(new URL('engine-child.ts', import.meta.url));
    const { stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', child], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stderr).toMatch(/something else/);
    expect(stderr).not.toMatch(/sqlite/i);
  });

  it('names the page that a flipped byte spoilt', async () => {
    const path = spoilt('flipped.db', (bytes) => {
      const page = bytes.indexOf('What was learned of m100');
      // The header of the page that holds it: its type and its cells.
      const start = Math.floor(page / 4096) * 4096;
      bytes[start + 3] = (bytes[start + 3] ?? 0) ^ 0xff;
      return bytes;
    });
    const file = await openMemoryStore(path);
    expect(file.integrity().problems.join('\n')).toMatch(/page \d+/);
    file.close();
  });
});
