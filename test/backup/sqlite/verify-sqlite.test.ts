import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { backUpSqlite } from '../../../src/backup/sqlite/back-up-sqlite.js';
import { sqliteBackups, type SqliteBackupFile } from '../../../src/backup/sqlite/names.js';
import { proveCopy } from '../../../src/backup/sqlite/prove-copy.js';
import {
  describedFile,
  manifestBytes,
  readSqliteManifest,
} from '../../../src/backup/sqlite/sqlite-manifest.js';
import { verifySqlite, type SqliteVerification } from '../../../src/backup/sqlite/verify-sqlite.js';
import type { VerifyLevel } from '../../../src/backup/verify/verified-notes.js';
import { ExitCode, Failure } from '../../../src/failure.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { openStore, writeStore } from './store.js';

const STARTED = new Date('2026-03-04T05:06:07Z');
const TS = '20260304_050607';

let folder: string;
let backups: string;
let file: string;
let manifest: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  backups = join(folder, 'backups');
  file = join(backups, `sqlite/sqlite_${TS}.sqlite3.gz`);
  manifest = join(backups, `lifeboat_${TS}.sqlite.manifest.json`);
  writeStore(join(folder, 'store.db'), { memories: 200 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function backUp(recipients: readonly string[] = []): Promise<void> {
  const targets = [{ archive: writableLocalArchive(backups), failure: null }];
  const source = join(folder, 'store.db');
  await backUpSqlite({ source, targets, recipients, scratch: folder, startedAt: STARTED, tool: 'test' });
}

async function verify(level: VerifyLevel, keys: readonly string[] = []): Promise<SqliteVerification> {
  const archive = localArchive(backups);
  const [listed] = sqliteBackups(await archive.list());
  if (listed === undefined) throw new Error('there is no backup');
  const identities = (): Promise<readonly string[]> => Promise.resolve(keys);
  return verifySqlite(archive, listed, { level, scratch: folder, identities });
}

const codes = ({ problems }: SqliteVerification): string[] => problems.map(({ code }) => code);

/** Another database under a manifest that names its bytes: only what is in it can tell. */
async function forge(change: (plain: Buffer) => Buffer): Promise<void> {
  const plain = change(gunzipSync(readFileSync(file)));
  writeFileSync(file, gzipSync(plain));
  const told = await readSqliteManifest(localArchive(backups), '', TS);
  const described = told === null ? null : describedFile(told);
  if (told === null || described === null) throw new Error('there is no manifest');
  const { createHash } = await import('node:crypto');
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const bytes = readFileSync(file);
  const facts = { bytes: bytes.length, sha256: sha256(bytes), plain_bytes: plain.length };
  const files = { [described[0]]: { ...described[1], ...facts, plain_sha256: sha256(plain) } };
  writeFileSync(manifest, manifestBytes({ ...told, files }));
}

function changed(sql: string): (plain: Buffer) => Buffer {
  return (plain) => {
    const path = join(folder, 'changed.db');
    writeFileSync(path, plain);
    const store = openStore(path);
    store.exec(`PRAGMA journal_mode = delete; ${sql}`);
    store.close();
    return readFileSync(path);
  };
}

describe('verifying the backup of a SQLite store', () => {
  it('proves a sound one at each depth, and leaves nothing behind', async () => {
    await backUp();
    const { size } = { size: readFileSync(file).length };
    expect(await verify('quick')).toMatchObject({
      ok: true,
      level: 'quick',
      content: null,
      file: { bytes: size },
    });
    const full = await verify('full');
    expect(full).toMatchObject({
      ok: true,
      level: 'full',
      problems: [],
      content: { tables: { memories: 200 } },
    });
    expect(await verify('deep')).toMatchObject({ ok: true, level: 'deep', problems: [], unproven: [] });
    expect(readdirSync(folder).sort()).toEqual(['backups', 'store.db']);
  });

  it.each<[string, (bytes: Buffer) => Buffer, VerifyLevel, string]>([
    [
      'one bit',
      (bytes) => (bytes.writeUInt8(bytes.readUInt8(900) ^ 1, 900), bytes),
      'quick',
      'manifest-checksum',
    ],
    [
      'one bit',
      (bytes) => (bytes.writeUInt8(bytes.readUInt8(900) ^ 1, 900), bytes),
      'full',
      'backup-corrupt',
    ],
    ['the end', (bytes) => bytes.subarray(0, -9), 'full', 'manifest-size'],
    ['the packing', (bytes) => gzipSync(gunzipSync(bytes), { level: 1 }), 'quick', 'manifest-size'],
  ])('finds that %s was changed', async (_, spoil, level, code) => {
    await backUp();
    writeFileSync(file, spoil(readFileSync(file)));
    const result = await verify(level);
    expect(result.ok).toBe(false);
    expect(codes(result)).toEqual([code]);
  });

  it.each([
    ['a row that is gone', 'DELETE FROM memories WHERE id = 9', ['sqlite-backup-corrupt']],
    ['an index that is gone', 'DROP INDEX idx_created_at', ['manifest-schema']],
    ['a store that is none', 'ALTER TABLE memories RENAME TO songs', ['sqlite-other-schema']],
  ])('finds %s, though every checksum fits', async (_, sql, expected) => {
    await backUp();
    await forge(changed(sql));
    expect(await verify('quick')).toMatchObject({ ok: true });
    expect(codes(await verify('deep'))).toEqual(expected);
  });

  it('says nothing against a backup where the disk of this machine is full or fails', async () => {
    await backUp();
    const full = new Failure({
      ...{ operation: 'unpack the backup', subject: folder, reason: 'the disk is full', hint: 'Make room.' },
      ...{ exitCode: ExitCode.failed, code: 'sqlite-disk-full' },
    });
    let opened = 0;
    const archive = localArchive(backups);
    const open: typeof archive.open = (path, range, version) => {
      // The second reading of the file is that of the restore.
      if (path.endsWith('.gz') && ++opened > 1) throw full;
      return archive.open(path, range, version);
    };
    const [listed] = sqliteBackups(await archive.list());
    const options = { level: 'deep', scratch: folder, identities: () => Promise.resolve([]) } as const;
    const verified = verifySqlite({ ...archive, open }, listed as SqliteBackupFile, options);
    await expect(verified).rejects.toMatchObject({ code: 'sqlite-disk-full', exitCode: 1 });
    expect(opened).toBe(2);
    // What cannot be opened on this machine, whatever it is.
    const gone = proveCopy(join(folder, 'gone.db'), 'the backup', null);
    await expect(gone).rejects.toMatchObject({ code: 'sqlite-missing', exitCode: 1 });
  });

  it('tells a damaged manifest from one that is not there, and what that leaves unproven', async () => {
    await backUp();
    const good = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, good.replace('"memories": 200', '"memories": 201'));
    const damaged = await verify('full');
    expect(damaged).toMatchObject({ ok: false, manifest: null, content: { tables: { memories: 200 } } });
    expect(codes(damaged)).toEqual(['manifest-changed']);
    rmSync(manifest);
    const missing = await verify('deep');
    expect(missing).toMatchObject({ ok: true, level: 'deep', manifest: null });
    expect(codes(missing)).toEqual(['manifest-missing']);
    const quick = await verify('quick');
    expect(quick).toMatchObject({ ok: false, unproven: [expect.stringContaining('no manifest')] });
  });

  it('opens an encrypted one with its key, and without it looks at the file as it lies there', async () => {
    const key = await generateIdentity();
    await backUp([await identityToRecipient(key)]);
    expect(await verify('deep', [key])).toMatchObject({ ok: true, level: 'deep' });
    const locked = await verify('deep', [await generateIdentity()]);
    expect(locked).toMatchObject({ ok: false, level: 'quick', problems: [], content: null });
    expect(locked.file?.sha256).toHaveLength(64);
    const bytes = readFileSync(`${file}.age`);
    writeFileSync(`${file}.age`, Buffer.concat([bytes.subarray(0, -1), Buffer.from([~(bytes.at(-1) ?? 0)])]));
    expect(codes(await verify('full', [key]))).toEqual(['backup-corrupt']);
    expect(codes(await verify('full'))).toEqual(['manifest-checksum']);
  });
});
