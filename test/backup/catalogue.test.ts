import { mkdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { catalogue, parseTimestamp } from '../../src/backup/catalogue.js';
import { localArchive } from '../../src/stores/archive/local-archive.js';
import { folderWith, memoryArchive } from '../support/archive-files.js';

const NOW = new Date('2026-11-21T12:00:00Z');
const file = (store: string, timestamp: string): string => `${store}/${store}_${timestamp}.json.gz`;
const files = (...paths: string[]): Record<string, Buffer> =>
  Object.fromEntries(paths.map((path) => [path, Buffer.from('x')]));

let folder: string | null = null;
afterEach(() => {
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
  folder = null;
});

describe('catalogue', () => {
  it('pairs the halves of a run, newest first', async () => {
    const archive = memoryArchive(
      files(
        file('falkordb', '20261119_030000'),
        file('qdrant', '20261119_030000'),
        file('qdrant', '20261120_030000'),
        file('falkordb', '20261120_030000'),
      ),
    );
    const pairs = await catalogue(archive, NOW);
    expect(pairs.map(({ timestamp }) => timestamp)).toEqual(['20261120_030000', '20261119_030000']);
    expect(pairs[0]).toEqual({
      timestamp: '20261120_030000',
      takenAt: '2026-11-20T03:00:00.000Z',
      graph: { path: file('falkordb', '20261120_030000'), bytes: 1 },
      vectors: { path: file('qdrant', '20261120_030000'), bytes: 1 },
      graphVerdict: { status: 'unchecked' },
      vectorsVerdict: { status: 'unchecked' },
    });
  });

  it('never pairs by modification time', async () => {
    folder = folderWith({
      [file('falkordb', '20261101_000000')]: 'old',
      [file('qdrant', '20261102_000000')]: 'new',
    });
    // Copied the other way round: the older one was written last.
    utimesSync(join(folder, file('falkordb', '20261101_000000')), NOW, NOW);
    utimesSync(join(folder, file('qdrant', '20261102_000000')), new Date(0), new Date(0));
    const pairs = await catalogue(localArchive(folder), NOW);
    expect(
      pairs.map(({ timestamp, graph, vectors }) => [timestamp, graph !== null, vectors !== null]),
    ).toEqual([
      ['20261102_000000', false, true],
      ['20261101_000000', true, false],
    ]);
    expect(pairs[0]?.graphVerdict).toEqual({ status: 'broken', reason: 'the graph half is missing' });
    expect(pairs[1]?.vectorsVerdict).toEqual({ status: 'broken', reason: 'the vectors half is missing' });
  });

  it('knows both layouts, and takes the usable copy', async () => {
    const archive = memoryArchive({
      [`automem-backups/${file('falkordb', '20261119_030000')}`]: Buffer.alloc(0),
      [file('falkordb', '20261119_030000')]: Buffer.from('usable'),
      [`automem-backups/${file('qdrant', '20261119_030000')}`]: Buffer.from('usable'),
    });
    const [pair, ...more] = await catalogue(archive, NOW);
    expect(more).toEqual([]);
    expect(pair?.graph?.path).toBe(file('falkordb', '20261119_030000'));
    expect(pair?.vectors?.path).toBe(`automem-backups/${file('qdrant', '20261119_030000')}`);
  });

  it.each([
    'falkordb/falkordb_20261132_000000.json.gz',
    'falkordb/falkordb_20260229_000000.json.gz',
    'falkordb/falkordb_20261119_240000.json.gz',
    'falkordb/falkordb_20261119_030060.json.gz',
    'falkordb/qdrant_20261119_030000.json.gz',
    'falkordb/falkordb_20261119_030000.json.gz.tmp',
    'falkordb/falkordb_20261119_030000.json',
    'falkordb/falkordb_20261119.json.gz',
    'falkordb_20261119_030000.json.gz',
    'falkordb/dump.rdb',
    'xfalkordb/falkordb_20261119_030000.json.gz',
  ])('leaves %s alone', async (path) => {
    expect(await catalogue(memoryArchive(files(path)), NOW)).toEqual([]);
  });

  it('marks what lies in the future, but not the small error of a clock', async () => {
    const archive = memoryArchive(
      files(
        file('qdrant', '20261121_120400'),
        file('qdrant', '20261121_120600'),
        file('qdrant', '20261121_115900'),
      ),
    );
    const pairs = await catalogue(archive, NOW);
    expect(pairs.map(({ fromFuture }) => fromFuture)).toEqual([true, undefined, undefined]);
  });

  it('calls empty files and links that lead nowhere broken, with the reason', async () => {
    const archive = memoryArchive({ [file('falkordb', '20261119_030000')]: Buffer.alloc(0) });
    const list = archive.list.bind(archive);
    const [pair] = await catalogue(
      {
        ...archive,
        list: async () => [
          ...(await list()),
          { path: file('qdrant', '20261119_030000'), bytes: 0, modified: '', unusable: 'it is a dead link' },
        ],
      },
      NOW,
    );
    expect(pair?.graphVerdict.reason).toMatch(/falkordb_20261119_030000\.json\.gz is empty \(0 bytes\)/);
    expect(pair?.vectorsVerdict).toEqual({
      status: 'broken',
      reason: `${file('qdrant', '20261119_030000')}: it is a dead link`,
    });
  });

  it('says that a folder is not there, instead of that it is empty', async () => {
    folder = folderWith({});
    await expect(catalogue(localArchive(join(folder, 'nowhere')), NOW)).rejects.toMatchObject({
      code: 'archive-missing',
      exitCode: 4,
    });
    mkdirSync(join(folder, 'falkordb'));
    expect(await catalogue(localArchive(folder), NOW)).toEqual([]);
  });
});

describe('parseTimestamp', () => {
  it('reads back every second that AutoMem can write', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          const seconds = new Date(Math.floor(date.getTime() / 1000) * 1000);
          const text = seconds
            .toISOString()
            .replace(/[-:]|\..*/g, '')
            .replace('T', '_');
          expect(parseTimestamp(text)?.toISOString()).toBe(seconds.toISOString());
        },
      ),
    );
  });

  it('takes nothing else', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{8}_\d{6}$/), (text) => {
        const date = parseTimestamp(text);
        if (date === null) return;
        expect(
          date
            .toISOString()
            .replace(/[-:]|\..*/g, '')
            .replace('T', '_'),
        ).toBe(text);
      }),
    );
  });
});
