import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { backUpSqlite } from '../../../src/backup/sqlite/back-up-sqlite.js';
import { sqliteBackups, type SqliteBackupFile } from '../../../src/backup/sqlite/names.js';
import { readSqliteManifest } from '../../../src/backup/sqlite/sqlite-manifest.js';
import { addSqliteVerified, readSqliteVerified } from '../../../src/backup/sqlite/sqlite-notes.js';
import { hashFile } from '../../../src/backup/verify/hash-file.js';
import type { VerifiedResult } from '../../../src/backup/verify/verified-notes.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { writeStore } from './store.js';

const TS = '20260304_050607';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  file = join(folder, `backups/sqlite/sqlite_${TS}.sqlite3.gz`);
  const source = join(folder, 'store.db');
  writeStore(source, { memories: 20 });
  const targets = [{ archive: writableLocalArchive(join(folder, 'backups')), failure: null }];
  const startedAt = new Date('2026-03-04T05:06:07Z');
  await backUpSqlite({ source, targets, recipients: [], scratch: folder, startedAt, tool: 'test' });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const archive = (): ReturnType<typeof writableLocalArchive> => writableLocalArchive(join(folder, 'backups'));

async function listed(): Promise<SqliteBackupFile> {
  const [backup] = sqliteBackups(await archive().list());
  if (backup === undefined) throw new Error('there is no backup');
  return backup;
}

async function note(ok: boolean): Promise<void> {
  const backup = await listed();
  const result = {
    at: '2026-03-05T00:00:00Z',
    level: 'full' as const,
    ok,
    problems: ok ? 0 : 1,
    tool: 'test',
  };
  await addSqliteVerified(archive(), backup, result, await hashFile(archive(), backup));
}

async function held(withManifest = true): Promise<VerifiedResult[]> {
  const manifest = withManifest ? await readSqliteManifest(archive(), '', TS) : null;
  return readSqliteVerified(archive(), await listed(), manifest);
}

/** Another file of the same size and with the same time, as a careless copy or somebody careful leaves it. */
function swap(): void {
  const { atime, mtime } = statSync(file);
  const bytes = readFileSync(file);
  bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  utimesSync(file, atime, mtime);
}

it('what a verification came to holds for the file that it saw, and for no other one', async () => {
  await note(true);
  for (const withManifest of [true, false]) expect(await held(withManifest)).toHaveLength(1);
  swap();
  for (const withManifest of [true, false]) expect(await held(withManifest)).toEqual([]);
});

it('that it failed holds for any file of that size', async () => {
  await note(false);
  swap();
  expect(await held()).toHaveLength(1);
});
