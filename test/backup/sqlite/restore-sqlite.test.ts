import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { backUpSqlite } from '../../../src/backup/sqlite/back-up-sqlite.js';
import type { SqliteBackupFile } from '../../../src/backup/sqlite/names.js';
import {
  restoreSqlite,
  type SqliteRestore,
  type SqliteRestoreOptions,
} from '../../../src/backup/sqlite/restore-sqlite.js';
import { unpackSqlite } from '../../../src/backup/sqlite/unpack-sqlite.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { associationMetadata, openStore, rowsOf, writeStore } from './store.js';
import { OtherProcess } from './writer.js';

const STARTED = new Date('2026-03-04T05:06:07Z');
const TS = '20260304_050607';
const COUNT = 'SELECT count(*) AS n FROM memories';

let folder: string;
let live: string;
let file: string;
let manifest: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  mkdirSync(join(folder, 'live'));
  live = join(folder, 'live/store.db');
  const backups = join(folder, 'backups');
  file = join(backups, `sqlite/sqlite_${TS}.sqlite3.gz`);
  manifest = join(backups, `lifeboat_${TS}.sqlite.manifest.json`);
  writeStore(live, {
    memories: 200,
    associations: [{ name: 'a', metadata: associationMetadata('m0', 'm1') }],
  });
  const archive = writableLocalArchive(backups);
  const targets = [{ archive, failure: null }];
  await backUpSqlite({
    ...{ source: live, targets, recipients: [], scratch: folder, startedAt: STARTED, tool: 'lifeboat test' },
  });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As a listing has it. */
const listed = (timestamp = TS): SqliteBackupFile => ({
  ...{ base: '', path: `sqlite/sqlite_${timestamp}.sqlite3.gz`, timestamp },
  ...{ takenAt: STARTED.toISOString(), bytes: existsSync(file) ? statSync(file).size : 0 },
});

function restore(more: Partial<SqliteRestoreOptions> = {}): Promise<SqliteRestore> {
  return restoreSqlite({
    archive: writableLocalArchive(join(folder, 'backups')),
    identities: () => Promise.resolve([]),
    ...{ file: listed(), target: live, scratch: folder, startedAt: STARTED },
    ...{ dryRun: false, force: false, rebuildGraph: false },
    ...more,
  });
}

const inLive = (): string[] => readdirSync(join(folder, 'live')).sort();
const KEPT = `store.db.before-${TS}`;

/** Empties the live store of its memories. */
function lose(): void {
  const store = openStore(live);
  store.exec('DELETE FROM memories WHERE id > 7');
  store.close();
}

describe('restoring a SQLite memory store', () => {
  it('puts the backup in place, and keeps the old file', async () => {
    lose();
    chmodSync(live, 0o640);
    const result = await restore();
    expect(result).toMatchObject({
      ...{ hasManifest: true, kept: join(folder, 'live', KEPT), notes: [], dryRun: false },
      ...{ target: { state: 'store', memories: { memories: 7 }, inUse: false }, tables: { memories: 201 } },
    });
    expect(inLive()).toEqual(['store.db', KEPT]);
    expect(readFileSync(live).equals(gunzipSync(readFileSync(file)))).toBe(true);
    expect(statSync(live).mode & 0o777).toBe(0o640);
    expect(rowsOf(live, COUNT)).toEqual([{ n: 201 }]);
    expect(rowsOf(join(folder, 'live', KEPT), COUNT)).toEqual([{ n: 7 }]);
  });

  it('removes what restores left that were killed, and nothing that may be of one at work', async () => {
    const left = (name: string): string => join(folder, 'live', name);
    const dead = new Date(Date.now() - 25 * 3_600_000);
    for (const name of [
      '.store.db.restoring-0a1b2c3d',
      '.store.db.restoring-0a1b2c3d-wal',
      '.store.db.restoring-mine',
    ])
      writeFileSync(left(name), 'x');
    writeFileSync(left('.store.db.restoring-ffffffff'), 'x');
    for (const name of ['.store.db.restoring-0a1b2c3d', '.store.db.restoring-mine'])
      utimesSync(left(name), dead, dead);
    await restore();
    expect(inLive().filter((name) => name.startsWith('.'))).toEqual([
      ...['.store.db.restoring-ffffffff', '.store.db.restoring-mine'],
    ]);
  });

  it('says which disk lacks the room', async () => {
    const unpacked = unpackSqlite(
      writableLocalArchive(join(folder, 'backups')),
      ...([listed(), { file: null, plain: null }, () => Promise.resolve([])] as const),
      { to: join(folder, 'unpacked.db'), room: 100, isScratch: true },
    );
    await expect(unpacked).rejects.toMatchObject({
      code: 'scratch-full',
      hint: expect.stringContaining('TMPDIR') as unknown,
    });
  });

  it('restores where no store is, through a link, and without a manifest', async () => {
    rmSync(live);
    rmSync(manifest);
    const away = join(folder, 'live/away.db');
    symlinkSync(away, join(folder, 'live/link.db'));
    await restore({ target: away });
    expect(await restore({ target: join(folder, 'live/link.db') })).toMatchObject({
      ...{ hasManifest: false, kept: `${away}.before-${TS}` },
    });
    expect(lstatSync(join(folder, 'live/link.db')).isSymbolicLink()).toBe(true);
    expect(rowsOf(away, COUNT)).toEqual([{ n: 201 }]);
  });

  it('writes to where a link leads, though nothing is there; where its folder is gone, it refuses', async () => {
    rmSync(live);
    mkdirSync(join(folder, 'disk'));
    const stays = join(folder, 'live/link.db');
    symlinkSync('../disk/hop.db', stays);
    symlinkSync(join(folder, 'disk/store.db'), join(folder, 'disk/hop.db'));
    expect(await restore({ target: stays })).toMatchObject({
      ...{ kept: null, target: { path: join(folder, 'disk/store.db'), state: 'absent' } },
    });
    expect(lstatSync(stays).isSymbolicLink()).toBe(true);
    expect(rowsOf(join(folder, 'disk/store.db'), COUNT)).toEqual([{ n: 201 }]);
    rmSync(join(folder, 'disk'), { recursive: true });
    await expect(restore({ target: stays })).rejects.toMatchObject({ code: 'sqlite-link-broken' });
    expect(inLive()).toEqual(['link.db']);
    rmSync(stays);
    symlinkSync('link.db', stays);
    await expect(restore({ target: stays })).rejects.toMatchObject({ code: 'sqlite-not-a-file' });
  });

  it('replaces a damaged store, and moves the log of the old one out of the way', async () => {
    const bytes = readFileSync(live);
    writeFileSync(live, Buffer.concat([Buffer.alloc(4096), bytes.subarray(4096)]));
    writeFileSync(`${live}-wal`, 'the log of the old store');
    expect(await restore()).toMatchObject({ target: { state: 'damaged', memories: null } });
    expect(inLive()).toEqual(['store.db', KEPT, `${KEPT}-wal`]);
    expect(readFileSync(join(folder, 'live', `${KEPT}-wal`), 'utf8')).toBe('the log of the old store');
    expect(rowsOf(live, COUNT)).toEqual([{ n: 201 }]);
  });

  it('works the log of a service that was killed into the file that is kept', async () => {
    const store = openStore(live);
    store.exec(
      "PRAGMA wal_autocheckpoint = 0; INSERT INTO memories (content_hash, content) VALUES ('late', 'x')",
    );
    const killed = ['', '-wal'].map((end) => readFileSync(`${live}${end}`));
    store.close();
    for (const [at, end] of ['', '-wal'].entries()) writeFileSync(`${live}${end}`, killed[at] ?? '');
    await restore();
    expect(inLive()).toEqual(['store.db', KEPT]);
    expect(rowsOf(join(folder, 'live', KEPT), COUNT)).toEqual([{ n: 202 }]);
    expect(rowsOf(live, COUNT)).toEqual([{ n: 201 }]);
  });

  it.each([
    ['is cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 900), 'backup-truncated'],
    ['is empty', () => Buffer.alloc(0), 'backup-truncated'],
    ['is of other bytes', (bytes: Buffer) => gzipSync(gunzipSync(bytes), { level: 1 }), 'backup-checksum'],
    ['goes on behind its end', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(9)]), 'backup-checksum'],
    ['is no gzip', (bytes: Buffer) => gunzipSync(bytes), 'backup-not-gzip'],
  ])('leaves the store alone when the backup %s', async (_, spoil, code) => {
    writeFileSync(file, spoil(readFileSync(file)));
    const before = readFileSync(live);
    await expect(restore()).rejects.toMatchObject({ name: 'Failure', code });
    expect(inLive()).toEqual(['store.db']);
    expect(readFileSync(live).equals(before)).toBe(true);
  });

  it.each([
    [
      'a flipped byte',
      (plain: Buffer) => {
        const start = Math.floor(plain.indexOf('What was learned of m100') / 4096) * 4096;
        plain[start + 3] = (plain[start + 3] ?? 0) ^ 0xff;
        return plain;
      },
      'sqlite-backup-corrupt',
      /page \d+/,
    ],
    [
      'a missing end',
      (plain: Buffer) => plain.subarray(0, 40_000),
      'sqlite-backup-corrupt',
      /ends after 40000/,
    ],
    ['another end', (plain: Buffer) => Buffer.concat([plain, plain]), 'backup-corrupt', /inflates to more/],
    ['other content', () => Buffer.from('[1]'), 'sqlite-backup-corrupt', /not a SQLite/],
  ])('finds %s in a backup without a manifest', async (_, spoil, code, reason) => {
    rmSync(manifest);
    writeFileSync(file, gzipSync(spoil(gunzipSync(readFileSync(file)))));
    await expect(restore()).rejects.toMatchObject({ code, reason: expect.stringMatching(reason) as string });
    expect(inLive()).toEqual(['store.db']);
  });

  it('refuses a backup that is the database of another program', async () => {
    rmSync(manifest);
    const other = join(folder, 'other.db');
    writeFileSync(other, '');
    const store = openStore(other);
    store.exec('CREATE TABLE songs (title)');
    store.close();
    writeFileSync(file, gzipSync(readFileSync(other)));
    await expect(restore()).rejects.toMatchObject({ code: 'sqlite-other-schema' });
    // Nor is another program's database replaced by a good backup, unless that is asked for.
    await expect(restore({ target: other })).rejects.toMatchObject({
      code: 'sqlite-other-schema',
      subject: other,
    });
    expect(inLive()).toEqual(['store.db']);
  });

  it.each(['idle', 'write'] as const)('refuses while another process has it open (%s)', async (mode) => {
    const service = await OtherProcess.open(live, mode);
    await expect(restore()).rejects.toMatchObject({ code: 'sqlite-in-use' });
    await expect(restore({ dryRun: mode === 'idle' })).rejects.toMatchObject({ code: 'sqlite-in-use' });
    expect(existsSync(join(folder, 'live', KEPT))).toBe(false);
    expect((await restore({ force: true })).notes.join()).toMatch(/another process/);
    // Its writes go on into the file that is kept, and never into the new one.
    const written = await service.stop();
    expect(rowsOf(live, COUNT)).toEqual([{ n: 201 }]);
    expect(rowsOf(live, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    expect(rowsOf(join(folder, 'live', KEPT), COUNT)).toEqual([{ n: 201 + written }]);
  });

  it('dry run: proves all of it and changes nothing', async () => {
    lose();
    const before = readFileSync(live);
    const result = await restore({ dryRun: true, rebuildGraph: true });
    expect(result).toMatchObject({ kept: null, dryRun: true, tables: { memories: 201, memory_graph: 2 } });
    expect(inLive()).toEqual(['store.db']);
    expect(readFileSync(live).equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['backups', 'live']);
  });

  it('rebuilds the graph table before the store is replaced, if asked', async () => {
    const result = await restore({ rebuildGraph: true });
    expect(result).toMatchObject({ graph: { rebuilt: 1, rowsAfter: 2 }, tables: { memory_graph: 2 } });
    expect(rowsOf(live, 'SELECT count(*) AS n FROM memory_graph')).toEqual([{ n: 2 }]);
    expect(inLive()).toEqual(['store.db', KEPT]);
  });

  it('never loses an old file that is kept already', async () => {
    lose();
    await restore();
    const kept = readFileSync(join(folder, 'live', KEPT));
    await expect(restore()).rejects.toMatchObject({ code: 'sqlite-kept-exists' });
    expect(readFileSync(join(folder, 'live', KEPT)).equals(kept)).toBe(true);
    expect(rowsOf(live, COUNT)).toEqual([{ n: 201 }]);
    expect(inLive()).toEqual(['store.db', KEPT]);
  });

  it('says where the target cannot be', async () => {
    await expect(restore({ target: join(folder, 'none/x.db') })).rejects.toMatchObject({
      code: 'sqlite-missing',
    });
    await expect(restore({ target: folder })).rejects.toMatchObject({ code: 'sqlite-not-a-file' });
    await expect(restore({ file: listed('20200101_000000') })).rejects.toMatchObject({
      code: 'archive-file-missing',
    });
    expect(inLive()).toEqual(['store.db']);
  });
});
