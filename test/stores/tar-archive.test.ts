import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';

import { pack, type Header, type Pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Failure } from '../../src/failure.js';
import { readAll } from '../../src/stores/archive/archive.js';
import { openTarArchive } from '../../src/stores/archive/tar-archive.js';

const GRAPH = 'falkordb/falkordb_20261121_110916.json.gz';
const VECTORS = 'qdrant/qdrant_20261121_110916.json.gz';
const CONTENT = gzipSync('{"nodes": []}');

let scratch: string;
beforeEach(() => void (scratch = mkdtempSync(join(tmpdir(), 'lifeboat-test-'))));
afterEach(() => rmSync(scratch, { recursive: true }));

type Item = Partial<Header> & { name: string; content?: Buffer };

async function tar(...items: Item[]): Promise<Buffer> {
  const writer = pack();
  for (const { content = CONTENT, ...header } of items) {
    if (header.type === undefined || header.type === 'file') writer.entry(header, content);
    else writer.entry(header);
  }
  writer.finalize();
  return bytesOf(writer);
}

const bytesOf = (writer: Pack): Promise<Buffer> => buffer(writer as AsyncIterable<Buffer>);

/** A header of 512 bytes that claims what it likes. */
async function header(item: Item): Promise<Buffer> {
  return (await tar({ ...item, content: Buffer.alloc(0) })).subarray(0, 512);
}

function file(bytes: Buffer): string {
  const path = join(scratch, 'backup.bin');
  writeFileSync(path, bytes);
  return path;
}

async function failure(bytes: Buffer): Promise<Failure> {
  const path = file(bytes);
  try {
    await (await openTarArchive(path, scratch)).close();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Nothing of a refused archive stays behind.
    expect(readdirSync(scratch)).toEqual(['backup.bin']);
    return error;
  }
  throw new Error('the archive was unpacked');
}

describe('an archive of GET /backup', () => {
  const whole = (): Promise<Buffer> => tar({ name: GRAPH }, { name: VECTORS });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['.tar', (bytes) => bytes],
    ['.tar.gz', (bytes) => gzipSync(bytes)],
  ])('is unpacked where only this user can look, and removed afterwards: %s', async (_name, wrap) => {
    const path = file(wrap(await whole()));
    const archive = await openTarArchive(path, scratch);
    const [folder = ''] = readdirSync(scratch).filter((name) => name !== 'backup.bin');
    expect(statSync(join(scratch, folder)).mode & 0o777).toBe(0o700);
    expect(statSync(join(scratch, folder, GRAPH)).mode & 0o777).toBe(0o600);
    expect(archive.place).toBe(path);
    expect((await archive.list()).map((entry) => [entry.path, entry.bytes])).toEqual([
      [GRAPH, CONTENT.length],
      [VECTORS, CONTENT.length],
    ]);
    expect(await readAll(await archive.open(VECTORS))).toEqual(CONTENT);
    await archive.close();
    expect(readdirSync(scratch)).toEqual(['backup.bin']);
  });

  it('may hold folders, a leading "./", the prefix of the bucket, a manifest and notes', async () => {
    const archive = await openTarArchive(
      file(
        await tar(
          { name: './', type: 'directory' },
          { name: './falkordb/', type: 'directory' },
          { name: `./${GRAPH}` },
          { name: `automem-backups/${VECTORS}` },
          { name: 'lifeboat_20261121_110916.manifest.json', content: Buffer.from('{}') },
          { name: 'automem-backups/lifeboat_20261121_110916.verified.json' },
        ),
      ),
      scratch,
    );
    expect((await archive.list()).map(({ path }) => path)).toEqual([
      'automem-backups/lifeboat_20261121_110916.verified.json',
      `automem-backups/${VECTORS}`,
      GRAPH,
      'lifeboat_20261121_110916.manifest.json',
    ]);
    expect(String(await readAll(await archive.open('lifeboat_20261121_110916.manifest.json')))).toBe('{}');
    await archive.close();
  });

  it('of many megabytes comes through whole', async () => {
    const content = Buffer.alloc(30_000_000, 'lifeboat');
    const archive = await openTarArchive(
      file(gzipSync(await tar({ name: GRAPH, content }), { level: 1 })),
      scratch,
    );
    expect((await readAll(await archive.open(GRAPH))).equals(content)).toBe(true);
    await archive.close();
  });

  it('that is cut anywhere is told as such', async () => {
    const bytes = await whole();
    const zipped = gzipSync(bytes);
    for (let length = 512; length < bytes.length; length += 256)
      expect([length, (await failure(bytes.subarray(0, length))).code]).toEqual([length, 'tar-truncated']);
    for (let length = 30; length < zipped.length; length += 13)
      expect([length, (await failure(zipped.subarray(0, length))).code]).toEqual([length, 'tar-truncated']);
  });

  it('that is damaged is told as such', async () => {
    const bytes = await whole();
    bytes[5] = 0;
    expect(await failure(bytes)).toMatchObject({ code: 'tar-corrupt', exitCode: 4 });
    const zipped = gzipSync(await whole());
    zipped[zipped.length - 6] = (zipped[zipped.length - 6] ?? 0) ^ 1;
    expect(await failure(zipped)).toMatchObject({ code: 'tar-corrupt' });
  });

  it('is given up when the operator stops', async () => {
    const stop = AbortSignal.abort();
    await expect(openTarArchive(file(await whole()), scratch, stop)).rejects.toThrow(/abort/);
    expect(readdirSync(scratch)).toEqual(['backup.bin']);
  });
});

describe('an archive that means no good', () => {
  it.each<[string, Item[], string, RegExp]>([
    ['an absolute path', [{ name: `/etc/${GRAPH}` }], 'tar-unsafe', /leads out of the archive/],
    ['a way up', [{ name: `../${GRAPH}` }], 'tar-unsafe', /leads out of the archive/],
    ['a way up in the middle', [{ name: 'falkordb/../../x' }], 'tar-unsafe', /leads out of the archive/],
    ['a way up at the end', [{ name: 'falkordb/..' }], 'tar-unsafe', /leads out of the archive/],
    ['a backslash', [{ name: 'falkordb/..\\x' }], 'tar-foreign', /where a backup of AutoMem holds/],
    ['a folder that leads out', [{ name: '../x/', type: 'directory' }], 'tar-foreign', /the folder/],
    [
      'a symbolic link',
      [{ name: GRAPH, type: 'symlink', linkname: '/etc/passwd' }],
      'tar-unsafe',
      /is a symlink/,
    ],
    [
      'a link to a folder, and a file in it',
      [{ name: 'falkordb', type: 'symlink', linkname: '/tmp' }, { name: GRAPH }],
      'tar-unsafe',
      /is a symlink/,
    ],
    ['a hard link', [{ name: GRAPH, type: 'link', linkname: '/etc/passwd' }], 'tar-unsafe', /is a link/],
    [
      'a device',
      [{ name: GRAPH, type: 'character-device', devmajor: 1, devminor: 5 }],
      'tar-unsafe',
      /is a character-device/,
    ],
    ['a pipe', [{ name: GRAPH, type: 'fifo' }], 'tar-unsafe', /is a fifo/],
    ['another file', [{ name: GRAPH }, { name: 'README.md' }], 'tar-foreign', /"README.md"/],
    ['a file too deep', [{ name: 'falkordb/a/b.json.gz' }], 'tar-foreign', /"falkordb\/a\/b.json.gz"/],
    ['a hidden file', [{ name: 'falkordb/.x' }], 'tar-foreign', /falkordb/],
    ['a file twice', [{ name: GRAPH }, { name: `./${GRAPH}` }], 'tar-unsafe', /twice/],
    [
      'a file twice in another case',
      [{ name: GRAPH }, { name: GRAPH.replace('json', 'JSON') }],
      'tar-unsafe',
      /twice/,
    ],
    ['a long path of pax', [{ name: `falkordb/${'x'.repeat(300)}` }], 'tar-foreign', /falkordb/],
    ['nothing', [], 'tar-empty', /holds no files/],
  ])('%s', async (_name, items, code, reason) => {
    const found = await failure(await tar(...items));
    expect([found.code, found.exitCode]).toEqual([code, 4]);
    expect(found.reason).toMatch(reason);
  });

  it('more files than any backup has', async () => {
    const writer = pack();
    const all = bytesOf(writer);
    for (let n = 0; n <= 2_000; n++) writer.entry({ name: `falkordb/f${n}` }, '');
    writer.finalize();
    expect((await failure(gzipSync(await all))).reason).toContain('more than 2000 files');
  });

  it('a file larger than the disk, before any of it is written', async () => {
    const head = await header({ name: GRAPH });
    const huge = Buffer.concat([withSize(head, 2 ** 50), Buffer.alloc(4096)]);
    expect(await failure(huge)).toMatchObject({ code: 'scratch-full', exitCode: 1 });
  });

  it('a few kilobytes that unfold to one large file', async () => {
    const size = 2 ** 27;
    const head = withSize(await header({ name: GRAPH }), size);
    const bomb = gzipSync(Buffer.concat([head, Buffer.alloc(size), Buffer.alloc(1024)]), { level: 1 });
    expect(bomb.length).toBeLessThan(1_000_000);
    expect((await failure(bomb)).reason).toContain('to many times its own size');
  });

  it('a few kilobytes that unfold to gigabytes which belong to no file', async () => {
    const zeros = gzipSync(Buffer.alloc(32 * 1024 * 1024));
    const bomb = Buffer.concat([
      gzipSync(await tar({ name: GRAPH })),
      ...Array.from({ length: 100 }, () => zeros),
    ]);
    expect(bomb.length).toBeLessThan(4_000_000);
    const before = process.memoryUsage().rss;
    expect(await failure(bomb)).toMatchObject({
      code: 'tar-unsafe',
      reason: expect.stringContaining('no file') as string,
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  });

  it('a pax header that wants to be held in memory', async () => {
    const head = await header({ name: 'PaxHeader', size: 0 });
    head[156] = 'x'.charCodeAt(0);
    const found = await failure(Buffer.concat([withSize(head, 2 ** 33), Buffer.alloc(1 << 20)]));
    expect(found).toMatchObject({ code: 'tar-corrupt' });
  });

  /** Binary size (GNU) and the sum over the header that goes with it. */
  function withSize(head: Buffer, size: number): Buffer {
    const copy = Buffer.from(head);
    copy.fill(0, 124, 136);
    copy[124] = 0x80;
    copy.writeBigUInt64BE(BigInt(size), 128);
    copy.fill(' ', 148, 156);
    const sum = copy.reduce((total, byte) => total + byte, 0);
    copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return copy;
  }
});

it('reports a file that is not there', async () => {
  await expect(openTarArchive(join(scratch, 'none.tar'), scratch)).rejects.toMatchObject({
    code: 'archive-file-missing',
  });
  expect(readdirSync(scratch)).toEqual([]);
});
