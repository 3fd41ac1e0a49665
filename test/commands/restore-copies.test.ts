import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { backUpSqlite } from '../../src/backup/sqlite/back-up-sqlite.js';
import { restoreSqlite, type SqliteRestore } from '../../src/backup/sqlite/restore-sqlite.js';
import { findSqliteBackup, type SqliteChoice } from '../../src/commands/backup/find-sqlite.js';
import { restoreFirstSound, type RestoredCopy } from '../../src/commands/backup/restore-copies.js';
import { writableLocalArchive } from '../../src/stores/archive/local-writer.js';
import { writeStore } from '../backup/sqlite/store.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lifeboat-copies-'));
  for (const [name, memories] of [
    ['a.db', 1],
    ['b.db', 2],
  ] as const)
    writeStore(join(root, name), { memories });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Backs a store up to places, at a second of one minute. */
async function backUp(store: string, second: number, ...places: string[]): Promise<string> {
  const { timestamp } = await backUpSqlite({
    source: join(root, store),
    targets: places.map((place) => ({ archive: writableLocalArchive(join(root, place)), failure: null })),
    ...{
      recipients: [],
      scratch: root,
      startedAt: new Date(Date.UTC(2026, 2, 4, 5, 6, second)),
      tool: 'test',
    },
  });
  return timestamp;
}

const fileOf = (place: string, timestamp: string): string =>
  join(root, place, `sqlite/sqlite_${timestamp}.sqlite3.gz`);
const manifestOf = (place: string, timestamp: string): string =>
  join(root, place, `lifeboat_${timestamp}.sqlite.manifest.json`);

function find(which: string, target: string, ...places: string[]): Promise<SqliteChoice> {
  return findSqliteBackup(
    places.map((place) => writableLocalArchive(join(root, place))),
    which,
    join(root, target),
  );
}

async function restore(
  which: string,
  target: string,
  ...places: string[]
): Promise<RestoredCopy<SqliteRestore>> {
  const choice = await find(which, target, ...places);
  return restoreFirstSound(choice, new AbortController().signal, ({ archive, file }) =>
    restoreSqlite({
      ...{ archive, file, identities: () => Promise.resolve([]), target: join(root, target), scratch: root },
      ...{ startedAt: new Date(), dryRun: true, force: false, rebuildGraph: false },
    }),
  );
}

describe('restoring a backup that lies at several places', () => {
  it('takes the one of the store that is meant, where two are of the same second', async () => {
    const timestamp = await backUp('a.db', 7, 'one');
    expect(await backUp('b.db', 7, 'two')).toBe(timestamp);
    for (const [target, place, memories] of [
      ['a.db', 'one', 1],
      ['b.db', 'two', 2],
    ] as const) {
      const { copy, result } = await restore(timestamp, target, 'one', 'two');
      expect([copy.place, result.memories.memories]).toEqual([join(root, place), memories]);
    }
    await expect(find(timestamp, 'other.db', 'one', 'two')).rejects.toMatchObject({
      ...{ code: 'backup-ambiguous', exitCode: 2 },
    });
    expect((await restore(timestamp, 'other.db', 'two')).result.memories.memories).toBe(2);
  });

  it('passes over a copy that is broken, or fails its proof, and says so', async () => {
    const timestamp = await backUp('a.db', 7, 'one', 'two');
    const bytes = readFileSync(fileOf('one', timestamp));
    truncateSync(fileOf('one', timestamp), 200);
    const { copy, passedOver } = await restore('latest', 'a.db', 'one', 'two');
    expect(copy.place).toBe(join(root, 'two'));
    expect(passedOver).toMatchObject([{ timestamp, place: join(root, 'one') }]);
    expect(passedOver[0]?.reason).toContain('200 bytes where');
    bytes[900] = (bytes[900] ?? 0) ^ 1;
    writeFileSync(fileOf('one', timestamp), bytes);
    expect(await restore('latest', 'a.db', 'one', 'two')).toMatchObject({
      copy: { place: join(root, 'two') },
      passedOver: [{ timestamp, place: join(root, 'one') }],
    });
    truncateSync(fileOf('two', timestamp), 300);
    const both = restore(timestamp, 'a.db', 'one', 'two');
    await expect(both).rejects.toMatchObject({ exitCode: 4 });
    await expect(both).rejects.toThrow(`nor can the copy in ${join(root, 'two')}`);
  });

  it('names the newer ones of which nothing says what they are of', async () => {
    const old = await backUp('a.db', 1, 'one');
    const [missing, damaged] = [await backUp('a.db', 2, 'one'), await backUp('a.db', 3, 'one')];
    rmSync(manifestOf('one', missing));
    writeFileSync(manifestOf('one', damaged), '{}');
    const { result, passedOver } = await restore('latest', 'a.db', 'one');
    expect(result.timestamp).toBe(old);
    expect(passedOver.map(({ timestamp }) => timestamp)).toEqual([damaged, missing]);
    expect(passedOver[0]?.reason).toContain('its manifest cannot be read');
    expect(passedOver[1]?.reason).toContain('its manifest is missing');
  });

  it('names a place that cannot be listed, as a disk that is not mounted', async () => {
    const timestamp = await backUp('a.db', 7, 'one');
    expect((await find('latest', 'a.db', 'one', 'gone')).passedOver).toMatchObject([
      { timestamp: null, place: join(root, 'gone') },
    ]);
    mkdirSync(join(root, 'empty'));
    expect((await find(timestamp, 'a.db', 'empty', 'one')).passedOver).toEqual([]);
  });
});

it('two stores that are backed up in the same second each get a name of their own', async () => {
  const made = await Promise.all(
    ['a.db', 'b.db', 'a.db', 'b.db'].map((store) => backUp(store, 7, 'one', 'two')),
  );
  expect(new Set(made).size).toBe(4);
  for (const place of ['one', 'two'])
    for (const timestamp of made)
      expect(readFileSync(manifestOf(place, timestamp), 'utf8')).toContain(timestamp);
});
