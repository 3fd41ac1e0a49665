import { mkdtempSync, rmSync, writeFileSync, openSync, ftruncateSync, closeSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGzip, gunzipSync, gzipSync } from 'node:zlib';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decryptingArchive } from '../../../src/backup/decrypting-archive.js';
import { sealManifest } from '../../../src/backup/create/write-manifest.js';
import type { BackupPair } from '../../../src/backup/types.js';
import { isProvenQuick, verdictOf } from '../../../src/backup/verify/verdict.js';
import { verifyBackup, type BackupVerification } from '../../../src/backup/verify/verify-backup.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { Lab } from '../../support/lab.js';
import { SAMPLE } from '../sample.js';
import {
  archiveOf,
  backUp,
  bytesOf,
  filesIn,
  flipped,
  onlyPair,
  sure,
  tinyPair,
  TINY_STAMP,
  type Files,
} from './pair-files.js';

const excludedTypes = new Set(['MetaPattern']);
const folders: string[] = [];
let lab: Lab;
let made: Files;
let graphPath: string;
let vectorsPath: string;
let manifestPath: string;

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-verify-'));
  folders.push(folder);
  return folder;
}

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 20, dim: 4 });
  const folder = newFolder();
  await backUp(lab, folder);
  made = filesIn(folder);
  const pathOf = (start: string): string => Object.keys(made).find((path) => path.startsWith(start)) ?? '';
  [graphPath, vectorsPath, manifestPath] = [pathOf('falkordb'), pathOf('qdrant'), pathOf('lifeboat')];
}, 60_000);

afterAll(async () => {
  await lab.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function verify(
  files: Files,
  level: 'quick' | 'full' = 'full',
  pair?: BackupPair,
): Promise<BackupVerification> {
  const archive = archiveOf(files);
  return verifyBackup(archive, pair ?? (await onlyPair(archive)), { level, excludedTypes });
}

const codes = ({ problems }: BackupVerification): string[] =>
  problems.map(({ severity, code }) => `${severity} ${code}`);

function without(files: Files, ...paths: string[]): Files {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));
}

/** A manifest after a change, sealed again, as whoever can write files could do. */
function changedManifest(change: (body: Record<string, never>) => void): Files {
  const body = JSON.parse(String(made[manifestPath])) as Record<string, never>;
  delete body['manifest_sha256'];
  change(body);
  return { ...made, [manifestPath]: Buffer.from(sealManifest(body)) };
}

describe('a pair that Lifeboat wrote', () => {
  it('is proven quickly, and in full with the digests of its manifest', async () => {
    const quick = await verify(made, 'quick');
    expect(codes(quick)).toEqual([]);
    expect(quick.ok).toBe(true);
    const full = await verify(made);
    expect(codes(full)).toEqual([]);
    expect(full.ok).toBe(true);
    expect(full.files).toEqual(quick.files);
    const { files } = full.manifest?.body as unknown as { files: Record<string, { digest: string }> };
    expect(full.digests).toEqual({ graph: files[graphPath]?.digest, vectors: files[vectorsPath]?.digest });
  });

  it('is told from one that was edited, whichever part of it was', async () => {
    const edited = gzipSync(
      gunzipSync(made[graphPath] ?? '')
        .toString()
        .replace('Alice', 'Malice'),
    );
    expect(codes(await verify({ ...made, [graphPath]: edited }, 'quick'))).toEqual(['fatal manifest-size']);
    const text = String(made[manifestPath]);
    for (const changed of [
      text.replace('"memories": 2', '"memories": 3'),
      text.slice(0, -3),
      `${text}\n`,
      '{}',
    ])
      expect((await verify({ ...made, [manifestPath]: Buffer.from(changed) }, 'quick')).ok).toBe(false);
    const unsealed = text.replace(/,\n "manifest_sha256".*/s, '\n}\n');
    expect(codes(await verify({ ...made, [manifestPath]: Buffer.from(unsealed) }))).toEqual([
      'loss manifest-unsealed',
    ]);
  });

  it('is held against the counts and digests of a manifest that proves itself', async () => {
    const counted = changedManifest((body) => (body as never as { graph: { nodes: number } }).graph.nodes++);
    expect(codes(await verify(counted, 'quick'))).toEqual([]);
    expect(codes(await verify(counted))).toEqual(['fatal manifest-nodes']);
    const typed = changedManifest((body) => {
      (body as never as { vectors: { by_type: Record<string, number> } }).vectors.by_type['Invented'] = 2;
    });
    expect((await verify(typed)).problems[0]?.records[0]?.record).toBe('of the type "Invented"');
    const digested = changedManifest((body) => {
      sure((body as never as { files: Record<string, { digest: string }> }).files[vectorsPath]).digest =
        '0'.repeat(32);
    });
    expect(codes(await verify(digested))).toEqual(['fatal manifest-digest']);
  });

  it('does not pass for a pair when a half is missing, and does when that was on purpose', async () => {
    for (const path of [graphPath, vectorsPath])
      for (const level of ['quick', 'full'] as const)
        expect(codes(await verify(without(made, path), level))).toContain('fatal half-missing');
    const folder = newFolder();
    await backUp(lab, folder, { only: 'graph' });
    for (const level of ['quick', 'full'] as const) {
      const result = await verify(filesIn(folder), level);
      expect(codes(result)).toEqual([]);
      expect(result.ok).toBe(true);
    }
  });

  it('has its files in their places', async () => {
    const swapped = {
      ...made,
      [graphPath]: bytesOf(made, vectorsPath),
      [vectorsPath]: bytesOf(made, graphPath),
    };
    expect((await verify(swapped, 'quick')).ok).toBe(false);
    expect((await verify(without(swapped, manifestPath))).ok).toBe(false);
    const other = changedManifest(
      (body) => ((body as Record<string, unknown>)['timestamp'] = '20200101_000000'),
    );
    expect(codes(await verify(other, 'quick'))).toEqual(['loss manifest-other']);
  });

  it.each([
    ['empty', (bytes: Buffer) => bytes.subarray(0, 0)],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
    ['cut in half', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ['with something behind it', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ])('%s is found out, with a manifest and without', async (_, cut) => {
    for (const path of [graphPath, vectorsPath]) {
      const files = { ...made, [path]: Buffer.from(cut(bytesOf(made, path))) };
      for (const level of ['quick', 'full'] as const) {
        expect((await verify(files, level)).ok).toBe(false);
        expect((await verify(without(files, manifestPath), level)).ok).toBe(false);
      }
    }
  });

  it('says which block is damaged, from which byte, and which records are in it', async () => {
    const whole = bytesOf(made, vectorsPath);
    const bytes = flipped(whole, whole.length >> 1);
    const { damage, problems } = await verify({ ...made, [vectorsPath]: bytes }, 'quick');
    expect(problems[0]?.message).toContain('is not the file that its manifest describes');
    const { points } = (JSON.parse(String(made[manifestPath])) as { vectors: { points: number } }).vectors;
    expect(damage).toMatchObject([
      {
        path: vectorsPath,
        blocks: 1,
        lost: points,
        saved: 0,
        damaged: [
          { number: 1, from: 0, to: bytes.length, records: [{ list: 'points', from: 1, to: points }] },
        ],
      },
    ]);
  });

  it('loses nothing to a flipped bit that only the header of a block holds', async () => {
    const bytes = flipped(bytesOf(made, vectorsPath), 4, 1);
    const { damage, ok } = await verify({ ...made, [vectorsPath]: bytes }, 'quick');
    expect(ok).toBe(false);
    expect(damage[0]).toMatchObject({ lost: 0, damaged: [{ records: [] }] });
  });
});

describe('an encrypted pair', () => {
  let files: Files;
  let key: string;

  beforeAll(async () => {
    key = await generateX25519Identity();
    const folder = newFolder();
    await backUp(lab, folder, { recipients: [await identityToRecipient(key)] });
    files = filesIn(folder);
  });

  async function opened(
    level: 'quick' | 'full',
    keys: string[],
    changed: Files = files,
  ): Promise<BackupVerification> {
    const archive = decryptingArchive(archiveOf(changed), () => Promise.resolve(keys));
    return verifyBackup(archive, await onlyPair(archive), { level, excludedTypes });
  }

  it('is proven quickly without a key, and in full with it alone', async () => {
    expect((await opened('quick', [])).ok).toBe(true);
    for (const keys of [[], [await generateX25519Identity()]]) {
      const closed = await opened('full', keys);
      expect(closed.ok).toBe(false);
      expect(codes(closed)).toEqual([]);
      expect(closed.unproven[0]).toContain('Its records could not be read');
      expect([closed.noKey, verdictOf(closed), isProvenQuick(closed)]).toEqual([true, 'unproven', true]);
    }
    const open = await opened('full', [key]);
    expect(codes(open)).toEqual([]);
    expect(open.ok).toBe(true);
    expect(open.files).toEqual((await opened('quick', [])).files);
  });

  it('is not proven by the key where a byte is another one', async () => {
    const path = Object.keys(files).find((name) => name.startsWith('qdrant')) ?? '';
    for (const at of [30, 200, bytesOf(files, path).length - 3]) {
      const bytes = flipped(bytesOf(files, path), at, 1);
      for (const level of ['quick', 'full'] as const)
        expect((await opened(level, [key], { ...files, [path]: bytes })).ok).toBe(false);
    }
  });

  it('proves nothing without its manifest and its key', async () => {
    const manifest = Object.keys(files).find((name) => name.startsWith('lifeboat')) ?? '';
    const bare = await opened('quick', [], without(files, manifest));
    expect([bare.unproven.length, verdictOf(bare), isProvenQuick(bare)]).toEqual([1, 'unproven', false]);
    expect((await opened('full', [key], without(files, manifest))).ok).toBe(true);
  });
});

describe('what others wrote', () => {
  it('AutoMem’s own pair verifies', async () => {
    for (const level of ['quick', 'full'] as const) {
      const result = await verify(filesIn(SAMPLE), level);
      expect(codes(result)).toEqual([]);
      expect(result.ok).toBe(true);
    }
  });

  it('the pair of the sample data holds the same records as one that Lifeboat makes of it', async () => {
    const theirs = await verify(filesIn(lab.backups));
    const ours = await verify(made);
    expect(codes(theirs)).toEqual([]);
    // Of vectors Qdrant keeps the direction alone, and so other numbers.
    expect(theirs.digests.graph).toBe(ours.digests.graph);
    expect(theirs.content?.counts).toEqual(ours.content?.counts);
  });

  it(
    'five gigabytes of zeros and a bomb are refused at once, in little memory',
    { timeout: 60_000 },
    async () => {
      const folder = newFolder();
      for (const path of ['falkordb', 'qdrant']) mkdirSync(join(folder, path));
      const sparse = openSync(join(folder, `qdrant/qdrant_${TINY_STAMP}.json.gz`), 'w');
      ftruncateSync(sparse, 5 * 1024 ** 3);
      closeSync(sparse);
      writeFileSync(join(folder, `falkordb/falkordb_${TINY_STAMP}.json.gz`), await bomb());
      const archive = localArchive(folder);
      const before = process.memoryUsage().rss;
      const result = await verifyBackup(archive, await onlyPair(archive), { level: 'full', excludedTypes });
      expect(codes(result)).toEqual(['fatal backup-record-too-large', 'fatal backup-not-gzip']);
      expect(result.problems[0]?.message).toContain('one record is larger than');
      expect(result.problems[1]?.message).toContain('it begins with zero bytes');
      expect(process.memoryUsage().rss - before).toBeLessThan(700e6);
    },
  );
});

/** One record of 96 MB, in half a megabyte of gzip; read as far as a record may be long. */
async function bomb(): Promise<Buffer> {
  const gzip = createGzip({ level: 1 });
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => gzip.on('end', resolve));
  gzip.write('{"nodes": [{"id": 1, "properties": {"content": "');
  const piece = Buffer.alloc(16 * 1024 ** 2, 'a');
  for (let index = 0; index < 6; index++)
    await new Promise((resolve) => gzip.write(piece, () => resolve(undefined)));
  gzip.end('"}}]}');
  await ended;
  return Buffer.concat(chunks);
}

it('tiny pairs of the tests are what they say', async () => {
  expect((await verify(tinyPair())).ok).toBe(true);
});
