import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { BlockWriter, type WrittenBlocks } from '../../../src/backup/create/block-writer.js';
import { sealManifest } from '../../../src/backup/create/write-manifest.js';
import { salvagePair, type Salvage } from '../../../src/backup/verify/salvage.js';
import { verifyBackup } from '../../../src/backup/verify/verify-backup.js';
import { Failure } from '../../../src/failure.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { graphText, SAMPLE } from '../sample.js';
import {
  archiveOf,
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
const GRAPH = `falkordb/falkordb_${TINY_STAMP}.json.gz`;
const VECTORS = `qdrant/qdrant_${TINY_STAMP}.json.gz`;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Saved extends Salvage {
  files: Files;
}

/** Salvages into a folder of its own, and proves that what it wrote verifies. */
async function salvage(files: Files): Promise<Saved> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-salvage-'));
  folders.push(folder);
  const archive = archiveOf(files);
  const output = writableLocalArchive(join(folder, 'out'));
  const result = await salvagePair(archive, await onlyPair(archive), output, {
    recipients: [],
    names: { graph: 'memories', collection: 'memories' },
    tool: 'lifeboat test',
    now: () => new Date(),
    signal: new AbortController().signal,
  });
  if (result.place !== null) {
    const proof = await verifyBackup(output, await onlyPair(output), { level: 'full', excludedTypes });
    expect(proof.problems.map(({ severity, code }) => [severity, code])).toEqual([['note', 'salvaged']]);
    expect(proof.ok).toBe(true);
  }
  return { ...result, files: filesIn(folder) };
}

/** The same text in many gzip members, with the manifest that Lifeboat writes of it. */
async function inBlocks(files: Files, records: number): Promise<Files> {
  const written: Files = {};
  const facts: Record<string, unknown> = {};
  for (const [path, gzip] of Object.entries(files)) {
    const chunks: Buffer[] = [];
    const blocks = await writeBlocks(gunzipSync(gzip).toString(), records, (bytes) => chunks.push(bytes));
    written[path] = Buffer.concat(chunks);
    facts[path] = { bytes: blocks.bytes, sha256: blocks.sha256, encryption: null, blocks: blocks.blocks };
  }
  const graph = JSON.parse(gunzipSync(bytesOf(files, GRAPH)).toString()) as {
    nodes: object[];
    relationships: object[];
  };
  const body = {
    timestamp: TINY_STAMP,
    only: null,
    graph: { name: 'memories', nodes: graph.nodes.length, relationships: graph.relationships.length },
    vectors: { collection: 'memories', points: graph.nodes.length },
    files: facts,
  };
  return { ...written, [`lifeboat_${TINY_STAMP}.manifest.json`]: Buffer.from(sealManifest(body)) };
}

/** Cuts blocks after every so many records. */
async function writeBlocks(
  text: string,
  records: number,
  take: (bytes: Buffer) => unknown,
): Promise<WrittenBlocks> {
  const pieces = text.split(/(?=,\n {4}\{)|(?<!,)(?=\n {4}\{)/);
  const result: WrittenBlocks = { jsonBytes: 0, bytes: 0, sha256: '', blocks: [] };
  for (let first = 0; first < pieces.length - 1; first += records) {
    const writer = new BlockWriter((bytes) => {
      take(bytes);
      return Promise.resolve();
    });
    if (first === 0) writer.text(pieces[0] ?? '');
    for (const piece of pieces.slice(first + 1, first + 1 + records)) await writer.record(piece);
    const { blocks, bytes } = await writer.finish();
    const [block] = blocks;
    if (block !== undefined) result.blocks.push({ ...block, offset: result.bytes, first });
    result.bytes += bytes;
  }
  return result;
}

function damaged(files: Files, path: string, at: number): Files {
  let bytes = bytesOf(files, path);
  for (let offset = 0; offset < 4; offset++) bytes = flipped(bytes, at + offset);
  return { ...files, [path]: bytes };
}

function blocksOf(
  files: Files,
  path: string,
): { offset: number; bytes: number; records: number; first: number }[] {
  const manifest = JSON.parse(String(files[`lifeboat_${TINY_STAMP}.manifest.json`])) as {
    files: Record<string, { blocks: { offset: number; bytes: number; records: number; first: number }[] }>;
  };
  return manifest.files[path]?.blocks ?? [];
}

describe('a pair that is whole', () => {
  it('is saved in full, AutoMem’s own too', async () => {
    const result = await salvage(filesIn(SAMPLE));
    expect(result).toMatchObject({ complete: true, problems: [], missing: [] });
    expect(result.graph).toMatchObject({
      saved: { nodes: 66, relationships: 336 },
      lost: { nodes: 0, relationships: 0 },
    });
    expect(result.vectors).toMatchObject({ saved: { points: 59 }, lost: { points: 0 }, unproven: 0 });
    const path = Object.keys(result.files).find((name) => name.includes('falkordb')) ?? '';
    expect(JSON.parse(gunzipSync(bytesOf(result.files, path)).toString())).toEqual(JSON.parse(graphText()));
  });

  it('is never written over, nor into the place where it lies', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lifeboat-salvage-'));
    folders.push(folder);
    const output = writableLocalArchive(folder);
    const options = {
      recipients: [],
      names: { graph: 'memories', collection: 'memories' },
      tool: 'lifeboat test',
      now: () => new Date(),
      signal: new AbortController().signal,
    };
    const archive = archiveOf(tinyPair());
    const pair = await onlyPair(archive);
    await salvagePair(archive, pair, output, options);
    for (const source of [archive, { ...output }])
      await expect(salvagePair(source, pair, output, options)).rejects.toBeInstanceOf(Failure);
  });
});

describe('with the blocks of a manifest', () => {
  it.each([0, 1, 2, 3, 4, 5])('block %i of the graph costs no record of another one', async (index) => {
    const whole = await inBlocks(tinyPair(12), 4);
    const block = sure(blocksOf(whole, GRAPH)[index]);
    expect(blocksOf(whole, GRAPH)).toHaveLength(6);
    // Its header is destroyed, so that nothing of it can be inflated.
    const result = await salvage(damaged(whole, GRAPH, block.offset));
    const nodes = Math.max(0, Math.min(12, block.first + block.records) - block.first);
    expect(result.complete).toBe(false);
    expect(result.graph?.saved.nodes).toBe(12 - nodes);
    expect(result.graph?.lost.nodes).toBe(nodes);
    // A chain: of a stretch of lost nodes, all relationships from it and to it go, one more than it is long.
    const direct = block.records - nodes;
    const dangling = result.graph?.leftOut ?? 0;
    expect(result.graph?.saved.relationships).toBe(11 - direct - dangling);
    expect(dangling).toBe(
      nodes === 0 ? 0 : block.first === 0 || block.first + block.records === 12 ? nodes : nodes + 1,
    );
    expect(result.vectors).toMatchObject({ saved: { points: 12 }, lost: { points: 0 }, unproven: 0 });
  });

  it('what stood before the damage in a block is saved, and said to be unproven', async () => {
    const whole = await inBlocks(tinyPair(40), 100);
    // The checksum of the only block.
    const bytes = flipped(bytesOf(whole, VECTORS), bytesOf(whole, VECTORS).length - 8, 1);
    const result = await salvage({ ...whole, [VECTORS]: bytes });
    expect(result.vectors).toMatchObject({ saved: { points: 40 }, lost: { points: 0 }, unproven: 40 });
    expect(result.complete).toBe(false);
  });
});

describe('a verification of the damaged pair', () => {
  it.each([
    ['the checksum of its only block', 100, (bytes: Buffer) => flipped(bytes, bytes.length - 8, 1)],
    ['a byte in a block', 15, (bytes: Buffer) => flipped(bytes, bytes.length >> 1, 7)],
    ['bytes that came in', 15, (bytes: Buffer) => inserted(bytes, bytes.length >> 1)],
    ['bytes that are missing', 15, (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
  ])('says how many records a salvage finds: %s', async (_, records, damage) => {
    const whole = await inBlocks(tinyPair(40), records);
    const files = { ...whole, [VECTORS]: damage(bytesOf(whole, VECTORS)) };
    const archive = archiveOf(files);
    const { damage: all } = await verifyBackup(archive, await onlyPair(archive), {
      ...{ level: 'quick', excludedTypes },
    });
    const found = all.filter(({ half }) => half === 'vectors');
    const saved = (await salvage(files)).vectors?.saved.points;
    expect(found.map(({ readable }) => readable)).toEqual([saved]);
    expect(saved).toBeGreaterThan(0);
    const reasons = found.flatMap(({ damaged: blocks }) => blocks.map(({ reason }) => reason));
    expect(reasons.join()).not.toMatch(/Buffer|invalid|incorrect|Z_/);
  });
});

function inserted(bytes: Buffer, at: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(5, 7), bytes.subarray(at)]);
}

describe('without a manifest', () => {
  it('a file that was cut short gives what comes before, and one in members what comes behind too', async () => {
    const files = tinyPair(3000);
    const bytes = bytesOf(files, VECTORS);
    const cut = await salvage({ ...files, [VECTORS]: bytes.subarray(0, Math.floor(bytes.length / 2)) });
    const saved = cut.vectors?.saved.points ?? 0;
    expect(saved).toBeGreaterThan(1_000);
    expect(saved).toBeLessThan(3000);
    expect(cut.vectors).toMatchObject({ lost: { points: null }, unproven: saved });
    expect(cut.complete).toBe(false);

    const members = await inBlocks(files, 500);
    const block = sure(blocksOf(members, VECTORS)[2]);
    const result = await salvage({
      [GRAPH]: bytesOf(members, GRAPH),
      [VECTORS]: bytesOf(damaged(members, VECTORS, block.offset + 12), VECTORS),
    });
    const found = sure(result.vectors);
    const points = sure(found.saved.points);
    expect(points).toBeGreaterThanOrEqual(2500);
    expect(found.lost.points).toBe(3000 - points);
    // The last record of the block before is written when the one behind it begins.
    expect(found.unproven - (points - 2500)).toBeOneOf([0, 1]);
  });

  it('a half of which nothing is readable leaves the other one, and two leave nothing', async () => {
    const files = tinyPair();
    const zeros = Buffer.alloc(400);
    const half = await salvage({ ...files, [GRAPH]: zeros });
    expect(half).toMatchObject({ graph: null, missing: ['graph'], complete: false });
    expect(half.vectors?.saved.points).toBe(3);
    const none = await salvage({ [GRAPH]: zeros, [VECTORS]: gzipSync('{}') });
    expect(none).toMatchObject({ place: null, missing: ['graph', 'vectors'], complete: false });
    expect(none.files).toEqual({});
  });
});
