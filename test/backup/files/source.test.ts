import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';

import { Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { pack } from 'tar-stream';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { openBackupSource, type OpenedBackups } from '../../../src/backup/files/source.js';
import { VectorsSource } from '../../../src/backup/files/vectors-source.js';
import type { BadPoint, FilePoint } from '../../../src/backup/files/point-record.js';
import { verifyPair, type PairVerification } from '../../../src/backup/pair/verify-pair.js';
import { Failure } from '../../../src/failure.js';
import { parseJson } from '../../../src/memory/json.js';
import { isMap } from '../../../src/memory/values.js';
import {
  GRAPH_PATH,
  graphGzip,
  graphText,
  SAMPLE,
  STAMP,
  VECTORS_PATH,
  vectorsGzip,
  vectorsText,
  type VectorsJson,
} from '../sample.js';

let scratch: string;
beforeEach(() => void (scratch = mkdtempSync(join(tmpdir(), 'lifeboat-test-'))));
afterEach(() => rmSync(scratch, { recursive: true }));

function file(content: Buffer | string, name = 'some.file'): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

const open = (content: Buffer | string, name?: string): Promise<OpenedBackups> =>
  openBackupSource({ file: file(content, name), scratch });

async function failure(content: Buffer | string): Promise<Failure> {
  try {
    await (await open(content)).close();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    expect(readdirSync(scratch)).toEqual(['some.file']);
    return error;
  }
  throw new Error('the file was opened');
}

/** Verifies what was opened, closes it, and looks whether anything stayed behind. */
async function verified(
  opened: OpenedBackups,
  halves: 'both' | 'graph' | 'vectors',
): Promise<PairVerification> {
  const [pair] = opened.pairs;
  if (pair === undefined) throw new Error('there is no pair');
  const result = await verifyPair(opened.archive, pair, { excludedTypes: new Set(), halves });
  await opened.close();
  expect(readdirSync(scratch)).toHaveLength(1);
  return result;
}

async function pointsOf({
  archive,
  pairs,
}: OpenedBackups): Promise<{ points: FilePoint[]; bad: BadPoint[] }> {
  const found: { points: FilePoint[]; bad: BadPoint[] } = { points: [], bad: [] };
  const half = pairs[0]?.vectors;
  if (half == null) throw new Error('there is no vector half');
  for await (const page of new VectorsSource(archive, half).pages((point) => found.bad.push(point)))
    found.points.push(...page);
  return found;
}

describe('a folder', () => {
  it('is a catalogue, as ever', async () => {
    const opened = await openBackupSource({ dir: SAMPLE, scratch });
    const { archive, pairs } = opened;
    expect([archive.place, pairs.map(({ timestamp }) => timestamp)]).toEqual([SAMPLE, [STAMP]]);
    await opened.close();
    expect(readdirSync(join(SAMPLE, 'falkordb'))).toHaveLength(1);
  });
});

describe('an archive', () => {
  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['plain', (bytes) => bytes],
    ['gzip', (bytes) => gzipSync(bytes)],
  ])('is found by its content (%s)', async (_name, wrap) => {
    const writer = pack();
    writer.entry({ name: GRAPH_PATH }, graphGzip());
    writer.entry({ name: VECTORS_PATH }, vectorsGzip());
    writer.finalize();
    const opened = await open(wrap(await buffer(writer as AsyncIterable<Buffer>)), 'x.json.gz');
    expect(opened.archive.place).toBe(join(scratch, 'x.json.gz'));
    expect(await verified(opened, 'both')).toMatchObject({ sound: true, overlap: { both: 59 } });
  });

  it('without a backup in it is refused', async () => {
    const writer = pack();
    writer.entry({ name: 'falkordb/notes.txt' }, 'x');
    writer.finalize();
    expect((await failure(await buffer(writer as AsyncIterable<Buffer>))).reason).toContain(
      'no file that is named',
    );
  });
});

describe('one half', () => {
  it.each<[string, 'graph' | 'vectors', () => Buffer | string]>([
    ['a graph half', 'graph', graphGzip],
    ['a graph half in plain JSON', 'graph', graphText],
    ['a vector half', 'vectors', vectorsGzip],
    ['a vector half in plain JSON', 'vectors', vectorsText],
    ['one with a byte order mark', 'vectors', () => `\ufeff${vectorsText()}`],
    ['one whose list comes first', 'vectors', () => vectorsText().replace(/"timestamp.*\n.*\n/, '')],
  ])('is found by its content: %s', async (_name, halves, content) => {
    const opened = await open(content(), `backup-${STAMP}.bin`);
    expect(opened.pairs).toMatchObject([
      { timestamp: STAMP, [halves]: { path: halves === 'graph' ? GRAPH_PATH : VECTORS_PATH } },
    ]);
    expect(opened.pairs[0]?.[halves === 'graph' ? 'vectors' : 'graph']).toBeNull();
    const { sound, counts } = await verified(opened, halves);
    expect([sound, halves === 'graph' ? counts.nodes : counts.points]).toEqual([
      true,
      halves === 'graph' ? 66 : 59,
    ]);
  });

  it('is as old as it says itself, else as its name says, else as its last change', async () => {
    const stampOf = async (content: string, name: string): Promise<[string | undefined, string[]]> => {
      const opened = await open(content, name);
      await opened.close();
      return [opened.pairs[0]?.timestamp, opened.notes];
    };
    const silent = vectorsText().replace(/"timestamp": "\d{8}_\d{6}",/, '');
    expect(await stampOf(vectorsText(), 'qdrant_20200101_000000.json')).toEqual([STAMP, []]);
    const [named, [note]] = await stampOf(silent, 'qdrant_20200101_000000.json');
    expect([named, note]).toEqual([
      '20200101_000000',
      expect.stringContaining('its name says 20200101_000000'),
    ]);
    const path = file(silent, 'x.json');
    utimesSync(path, 0, new Date('2026-03-04T05:06:07Z'));
    const opened = await openBackupSource({ file: path, scratch });
    expect([opened.pairs[0]?.timestamp, opened.notes.join()]).toEqual([
      '20260304_050607',
      expect.stringContaining('last changed'),
    ]);
    await opened.close();
  });
});

describe('the list of points that the documentation of AutoMem shows', () => {
  const points = (): VectorsJson['points'] => (JSON.parse(vectorsText()) as VectorsJson).points;
  const documented = (withId: boolean): string => {
    const list = points().map(({ id, vector, payload }) => {
      const { timestamp, ...rest } = payload as { timestamp: string };
      return {
        ...(withId ? { id } : {}),
        vector,
        payload: { memory_id: id, created_at: timestamp, ...rest },
      };
    });
    return JSON.stringify(list, null, 2);
  };

  it.each([true, false])('becomes a vector half (points with an id: %j)', async (withId) => {
    const opened = await open(documented(withId), `qdrant_${STAMP}.json`);
    const { points: found, bad } = await pointsOf(opened);
    expect(bad).toEqual([]);
    expect(found.map(({ id }) => id)).toEqual(points().map(({ id }) => id));
    expect(found.map(({ vector }) => JSON.parse(vector.text) as unknown)).toEqual(
      points().map(({ vector }) => vector),
    );
    for (const [at, { payload }] of found.entries()) {
      const original = points()[at]?.payload as { timestamp: string };
      expect(JSON.parse(payload.text)).toEqual({
        ...original,
        memory_id: points()[at]?.id,
        created_at: original.timestamp,
      });
    }
    expect(await verified(opened, 'vectors')).toMatchObject({ sound: true, problems: [], vectorSize: 64 });
  });

  it('keeps every digit, a timestamp that is there, and points that cannot be restored', async () => {
    const text =
      '[{"id": 1, "vector": [1.0, 0.10000000149011612], "payload": {"created_at": "a", "timestamp": "b", "x": 1.0}},' +
      ' {"id": 2, "vector": [NaN, 1], "payload": {"y": 2.50}},' +
      ' {"vector": [1, 2], "payload": {"created_at": 5}},' +
      ' {"id": 4, "vector": [1, 2], "payload": {"created_at": "c", "timestamp": null}}]';
    const opened = await open(gzipSync(text));
    const { points: found, bad } = await pointsOf(opened);
    expect(found.map(({ id, vector, payload }) => [id, vector.text, payload.text])).toEqual([
      [1, '[1.0,0.10000000149011612]', '{"created_at":"a","timestamp":"b","x":1.0}'],
      [4, '[1,2]', '{"created_at":"c","timestamp":null,"timestamp":"c"}'],
    ]);
    const last = parseJson(found[1]?.payload.text ?? '');
    expect(isMap(last) && last['timestamp']).toBe('c');
    expect(bad.map(({ id, reason }) => [id, reason])).toEqual([
      [2, 'component 1 of its vector is NaN'],
      [null, 'a point has no id'],
    ]);
    await opened.close();
  });

  it('is refused where it is cut or no JSON', async () => {
    const text = documented(true);
    expect((await failure(text.slice(0, -1000))).code).toBe('backup-truncated');
    expect((await failure(text.slice(0, -1))).code).toBe('backup-truncated');
    expect(
      (await failure(text.replace(/"payload"(?=[^]{9000})(?![^]{9100})/, 'payload').slice(0, -1) + 'x')).code,
    ).toBe('backup-not-json');
    expect((await failure(gzipSync(text).subarray(0, -50))).code).toBe('backup-truncated');
  });
});

describe('anything else', () => {
  it.each<[string, Buffer | string, RegExp]>([
    ['nothing', '', /empty \(0 bytes\)/],
    ['a list of nodes', '[{"id": 0, "labels": ["Memory"]}]', /list of nodes/],
    ['a list of relationships', '[{"source_id": 0}]', /list of relationships/],
    ['an empty list', '[]', /list that holds no points/],
    ['a list of numbers', '[1, 2]', /list that holds no points/],
    [
      'an answer of Qdrant',
      '{"result": {"points": []}, "status": "ok", "time": 0.1}',
      /JSON with the members "result", "status", "time"/,
    ],
    ['an object without members', '{}', /JSON without any members/],
    ['a dump of Redis', 'REDIS0011\xfa', /dump of Redis/],
    ['a web page', '<!doctype html>', /web page/],
    ['a zip file', 'PK\x03\x04abc', /zip file/],
    ['text', 'hello', /no JSON object/],
    ['JSON that is none', '{"a": nope}', /no JSON: expected "null"/],
    ['zero bytes', Buffer.alloc(1000), /zero bytes/],
    ['damaged gzip', Buffer.from('1f8b0800000000000003ffff', 'hex'), /damaged gzip/],
    ['text in gzip', gzipSync('hello'), /no JSON object/],
  ])('%s', async (_name, content, reason) => {
    const found = await failure(content);
    expect([found.code, found.exitCode]).toEqual(['backup-file-unusable', 4]);
    expect(found.reason).toMatch(reason);
  });

  it('a folder, and what is not there', async () => {
    await expect(openBackupSource({ file: SAMPLE, scratch })).rejects.toMatchObject({
      reason: 'it is a folder',
    });
    await expect(openBackupSource({ file: join(scratch, 'none'), scratch })).rejects.toMatchObject({
      reason: 'the file is not there',
    });
  });
});

describe('what is encrypted', () => {
  let identity: string;
  let encrypter: Encrypter;
  beforeAll(async () => {
    identity = await generateIdentity();
    encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
  });
  const encrypted = async (content: Buffer): Promise<Buffer> => Buffer.from(await encrypter.encrypt(content));
  const identities = (): Promise<string[]> => Promise.resolve([identity]);

  it.each([
    ['graph', graphGzip],
    ['vectors', vectorsGzip],
  ] as const)(
    'a %s half is opened with the key, and nothing of it lies in the clear',
    async (half, content) => {
      const path = file(await encrypted(content()), 'half.age');
      const opened = await openBackupSource({ file: path, scratch, identities });
      expect(opened.pairs.map(({ timestamp }) => timestamp)).toEqual([STAMP]);
      const folder = readdirSync(scratch).find((name) => name !== 'half.age') ?? '';
      const links = readdirSync(join(scratch, folder), { recursive: true, withFileTypes: true });
      expect(links.filter((entry) => entry.isFile())).toEqual([]);
      expect((await verified(opened, half)).sound).toBe(true);
    },
  );

  it('an archive of encrypted halves, too', async () => {
    const tar = pack();
    tar.entry({ name: `${GRAPH_PATH}.age` }, await encrypted(graphGzip()));
    tar.entry({ name: `${VECTORS_PATH}.age` }, await encrypted(vectorsGzip()));
    tar.finalize();
    const path = file(gzipSync(await buffer(tar)), 'backup.tar.gz');
    const opened = await openBackupSource({ file: path, scratch, identities });
    expect(await verified(opened, 'both')).toMatchObject({ sound: true, overlap: { both: 59 } });
  });

  it('is refused where no key opens it, and nothing stays on the disk', async () => {
    const path = file(await encrypted(graphGzip()), 'half.age');
    const other = await generateIdentity();
    for (const keys of [[], [other]])
      await expect(
        openBackupSource({ file: path, scratch, identities: () => Promise.resolve(keys) }),
      ).rejects.toMatchObject({ code: 'backup-key', exitCode: 2 });
    expect(readdirSync(scratch)).toEqual(['half.age']);
  });
});

describe('a file that is opened again, as by a run that goes on', () => {
  const opened = async (path: string, wanted?: string): Promise<string | undefined> => {
    const source = await openBackupSource({ file: path, scratch });
    try {
      const { graph } = source.pairs[0] ?? {};
      if (graph == null) throw new Error('it has no graph half');
      await buffer(await source.archive.open(graph.path, undefined, wanted ?? graph.version));
      return graph.version;
    } finally {
      await source.close();
    }
  };

  it.each([
    ['gzip, which is read where it lies', graphGzip()],
    ['plain JSON, of which a copy is read', graphText()],
  ])('%s: is the same as long as nobody changes it', async (_, content) => {
    const path = file(content);
    const first = await opened(path);
    expect(await opened(path, first)).toBe(first);
    utimesSync(path, new Date(), new Date('2026-01-01'));
    await expect(opened(path, first)).rejects.toMatchObject({ code: 'backup-changed' });
  });
});

describe('VectorsSource', () => {
  const source = (text: string, options?: object): Promise<{ points: FilePoint[]; bad: BadPoint[] }> => {
    const content = gzipSync(text);
    writeFileSync(join(scratch, 'half'), content);
    return pointsOfHalf(options);
    async function pointsOfHalf(given?: object): Promise<{ points: FilePoint[]; bad: BadPoint[] }> {
      const found: { points: FilePoint[]; bad: BadPoint[] } = { points: [], bad: [] };
      const { localArchive } = await import('../../../src/stores/archive/local-archive.js');
      const half = new VectorsSource(localArchive(scratch), { path: 'half', bytes: content.length }, given);
      for await (const page of half.pages((point) => found.bad.push(point))) found.points.push(...page);
      return found;
    }
  };

  it('tells wrong sizes per point', async () => {
    const text = '{"points": [{"id": 1, "vector": [1, 2]}, {"id": 2, "vector": [1], "payload": {"a": 1}}]}';
    expect(await source(text)).toMatchObject({
      points: [{ id: 1 }],
      bad: [
        { id: 2, reason: 'its vector has 1 components instead of 2', record: { id: 2, payload: { a: 1 } } },
      ],
    });
    expect(await source(text, { vectorSize: 1 })).toMatchObject({ points: [{ id: 2 }], bad: [{ id: 1 }] });
  });

  it('is not content with fewer points than were verified', async () => {
    const text = '{"points": [{"id": 1, "vector": [1]}, {"id": 2}]}';
    expect((await source(text, { points: 2 })).points).toHaveLength(1);
    await expect(source(text, { points: 3 })).rejects.toMatchObject({ code: 'backup-changed' });
  });

  it.each<[string, object | undefined, string]>([
    ['"stats": {"points_count": 2, "vector_size": 1}', undefined, 'another number of points'],
    ['"stats": {"points_count": 1, "vector_size": 2}', undefined, 'its vectors have 2 components, not 1'],
    ['"collection_name": "a"', { collectionName: 'b' }, 'the collection "a", not of "b"'],
  ])('holds what it read against %s', async (member, options, reason) => {
    const text = `{"points": [{"id": 1, "vector": [1]}], ${member}}`;
    await expect(source(text, options)).rejects.toMatchObject({
      code: 'backup-inconsistent',
      reason: expect.stringContaining(reason) as string,
    });
  });
});
