import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { backUpSqlite, type SqliteBackup } from '../../../src/backup/sqlite/back-up-sqlite.js';
import { sqliteBackups } from '../../../src/backup/sqlite/names.js';
import { readSqliteManifest, manifestBytes } from '../../../src/backup/sqlite/sqlite-manifest.js';
import { ExitCode, Failure } from '../../../src/failure.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import type { WritableArchive } from '../../../src/stores/archive/writable.js';
import { associationMetadata, openStore, rowsOf, writeStore } from './store.js';
import { OtherProcess } from './writer.js';

const STARTED = new Date('2026-03-04T05:06:07Z');
const TS = '20260304_050607';

let folder: string;
let source: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  source = join(folder, 'store.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function backUp(
  archive?: WritableArchive,
  signal?: AbortSignal,
  recipients: readonly string[] = [],
): Promise<SqliteBackup> {
  return backUpSqlite({
    source,
    targets: [{ archive: archive ?? writableLocalArchive(join(folder, 'backups')), failure: null }],
    recipients,
    scratch: folder,
    startedAt: STARTED,
    tool: 'lifeboat test',
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Everything in the folder of the backups, and what was left beside it. */
function filesLeft(): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return all.filter((name) => !/^(store\.db.*|backups|backups\/sqlite)$/.test(name)).sort();
}

function unpacked(backup: SqliteBackup): string {
  const path = join(folder, 'store.db.unpacked');
  writeFileSync(path, gunzipSync(readFileSync(join(folder, 'backups', backup.path))));
  return path;
}

describe('backing up a SQLite memory store', () => {
  it('leaves nothing beside a store that a link leads to either', async () => {
    mkdirSync(join(folder, 'store.db.away'));
    writeStore(join(folder, 'store.db.away/real.db'));
    symlinkSync(join(folder, 'store.db.away/real.db'), source);
    await backUp();
    expect(readdirSync(join(folder, 'store.db.away'))).toEqual(['real.db']);
  });

  it('writes the store and a manifest that tells the truth about it', async () => {
    writeStore(source, {
      memories: 500,
      associations: [{ name: 'a', metadata: associationMetadata('m0', 'm1') }],
    });
    const backup = await backUp();
    // Nothing beside the store either, where there was nothing before.
    expect(readdirSync(folder).sort()).toEqual(['backups', 'store.db']);
    expect(filesLeft()).toEqual([
      `backups/lifeboat_${TS}.sqlite.manifest.json`,
      `backups/sqlite/sqlite_${TS}.sqlite3.gz`,
    ]);
    const manifest = await readSqliteManifest(localArchive(join(folder, 'backups')), '', TS);
    const bytes = readFileSync(join(folder, 'backups', backup.path));
    const plain = gunzipSync(bytes);
    expect(manifest).toMatchObject({
      tool: 'lifeboat test',
      memories: { memories: 501, associations: 1, embeddings: { dimensions: 384, rows: 500 } },
      tables: { memories: 501, memory_graph: 0 },
      writes_meanwhile: false,
      files: {
        [backup.path]: {
          bytes: bytes.length,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          plain_bytes: plain.length,
          plain_sha256: createHash('sha256').update(plain).digest('hex'),
        },
      },
    });
    const all = 'SELECT * FROM memories ORDER BY id';
    expect(rowsOf(unpacked(backup), all)).toEqual(rowsOf(source, all));
  });

  it.each(['wal', 'delete'] as const)(
    'takes one state of a store that another process writes to (%s)',
    { timeout: 60_000 },
    async (journal) => {
      writeStore(source, { memories: 5_000, journal });
      const writer = await OtherProcess.open(source, 'write');
      const backup = await backUp();
      const written = await writer.stop();
      const path = unpacked(backup);
      const ids = rowsOf(path, 'SELECT id FROM memories ORDER BY id').map(({ id }) => id);
      // No hole and no half: the memories are those up to some moment.
      expect(ids).toEqual(Array.from({ length: ids.length }, (_, at) => at + 1));
      expect(ids.length).toBeGreaterThanOrEqual(5_000);
      expect(rowsOf(path, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      expect(backup.tables['memories']).toBe(ids.length);
      // The writer was not stopped, and lost nothing.
      expect(written).toBeGreaterThan(0);
      expect(rowsOf(source, 'SELECT count(*) AS n FROM memories')).toEqual([{ n: 5_000 + written }]);
      expect(backup.writesMeanwhile).toBe(true);
    },
  );

  it('has what lies in the write-ahead log only', async () => {
    writeStore(source);
    const service = openStore(source);
    service.exec("INSERT INTO memories (content_hash, content, tags) VALUES ('late', 'late', '')");
    expect(existsSync(`${source}-wal`)).toBe(true);
    const backup = await backUp();
    service.close();
    expect(rowsOf(unpacked(backup), "SELECT content FROM memories WHERE content_hash = 'late'")).toHaveLength(
      1,
    );
  });

  it('does not back up a damaged store, and leaves nothing behind', async () => {
    writeStore(source, { memories: 300 });
    const bytes = readFileSync(source);
    const start = Math.floor(bytes.indexOf('What was learned of m100') / 4096) * 4096;
    bytes[start + 3] = (bytes[start + 3] ?? 0) ^ 0xff;
    writeFileSync(source, bytes);
    await expect(backUp()).rejects.toMatchObject({
      code: 'sqlite-corrupt',
      reason: expect.stringMatching(/page \d+/) as string,
    });
    expect(filesLeft()).toEqual([]);
  });

  it('leaves the first backup of a second alone, and takes the next one', async () => {
    writeStore(source);
    await backUp();
    const before = readFileSync(join(folder, 'backups', `sqlite/sqlite_${TS}.sqlite3.gz`));
    expect(await backUp()).toMatchObject({ timestamp: '20260304_050608' });
    expect(readFileSync(join(folder, 'backups', `sqlite/sqlite_${TS}.sqlite3.gz`))).toEqual(before);
  });

  it('leaves nothing that looks complete when the place fails midway, or when it is stopped', async () => {
    writeStore(source);
    const archive = writableLocalArchive(join(folder, 'backups'));
    const full = new Failure({
      ...{ operation: 'write', subject: 'x', reason: 'the disk is full', hint: 'Make room.' },
      ...{ exitCode: ExitCode.failed, code: 'archive-full' },
    });
    const fails = (when: RegExp): WritableArchive => ({
      ...archive,
      create: async (path, options) => {
        const pending = await archive.create(path, options);
        if (when.test(path)) pending.write = () => Promise.reject(full);
        return pending;
      },
    });
    await expect(backUp(fails(/gz$/))).rejects.toBe(full);
    expect(filesLeft()).toEqual([]);
    const recipients = [await identityToRecipient(await generateIdentity())];
    await expect(backUp(fails(/gz\.age$/), undefined, recipients)).rejects.toBe(full);
    expect(filesLeft()).toEqual([]);
    await expect(backUp(fails(/manifest/))).rejects.toBe(full);
    expect(filesLeft()).toEqual([]);
    await expect(backUp(archive, AbortSignal.abort())).rejects.toMatchObject({ name: 'Interrupted' });
    expect(filesLeft()).toEqual([]);
  });

  it('lies at one place though the other fails, and says so', async () => {
    writeStore(source);
    const [good, bad] = ['backups', 'full'].map((name) => writableLocalArchive(join(folder, name)));
    if (good === undefined || bad === undefined) throw new Error('there are two');
    const full = new Failure({
      ...{ operation: 'write', subject: 'x', reason: 'the disk is full', hint: 'Make room.' },
      ...{ exitCode: ExitCode.failed, code: 'archive-full' },
    });
    const failing: WritableArchive = {
      ...bad,
      create: async (path, options) => {
        const pending = await bad.create(path, options);
        pending.write = () => Promise.reject(full);
        return pending;
      },
    };
    const targets = [good, failing].map((archive) => ({ archive, failure: null }));
    const { places } = await backUpSqlite({
      ...{ source, targets, recipients: [], scratch: folder, startedAt: STARTED, tool: 'lifeboat test' },
    });
    expect(places.map(({ failure }) => failure?.code ?? null)).toEqual([null, 'archive-full']);
    expect(filesLeft().filter((name) => /\d/.test(name))).toEqual([
      `backups/lifeboat_${TS}.sqlite.manifest.json`,
      `backups/sqlite/sqlite_${TS}.sqlite3.gz`,
    ]);
  });

  it('finds a flipped bit anywhere in a manifest', async () => {
    writeStore(source, { memories: 1 });
    await backUp();
    const path = join(folder, 'backups', `lifeboat_${TS}.sqlite.manifest.json`);
    const good = readFileSync(path);
    const archive = localArchive(join(folder, 'backups'));
    for (let bit = 0; bit < good.length * 8; bit += 29) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(path, bad);
      await expect(readSqliteManifest(archive, '', TS), `bit ${bit}`).rejects.toMatchObject({
        code: 'sqlite-manifest-damaged',
      });
    }
    writeFileSync(path, good);
    const manifest = await readSqliteManifest(archive, '', TS);
    if (manifest === null) throw new Error('there is no manifest');
    writeFileSync(path, manifestBytes({ ...manifest, timestamp: '20200101_000000' }));
    await expect(readSqliteManifest(archive, '', TS)).rejects.toThrow(/20200101/);
  });

  it('finds its own backups in a listing, newest first, and no others', () => {
    const entry = (path: string): { path: string; bytes: number; modified: string } => ({
      ...{ path, bytes: 9, modified: '2026-01-01T00:00:00Z' },
    });
    const found = sqliteBackups(
      [
        'sqlite/sqlite_20260101_000000.sqlite3.gz',
        'automem-backups/sqlite/sqlite_20260102_000000.sqlite3.gz',
        'sqlite/sqlite_20260231_000000.sqlite3.gz',
        'sqlite/sqlite_backup_1.gz',
        'sqlite/sqlite_20260101_000000.sqlite3.gz.age',
        'falkordb/falkordb_20260101_000000.json.gz',
      ].map(entry),
    );
    // The encrypted one, which its manifest names.
    expect(found.map(({ path, base }) => [path, base])).toEqual([
      ['automem-backups/sqlite/sqlite_20260102_000000.sqlite3.gz', 'automem-backups/'],
      ['sqlite/sqlite_20260101_000000.sqlite3.gz.age', ''],
    ]);
  });
});
