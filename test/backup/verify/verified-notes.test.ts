import { createHash } from 'node:crypto';
import { cpSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { halfPath } from '../../../src/backup/layout.js';
import {
  addVerified,
  bestVerified,
  countsNoted,
  readVerified,
  whatWasSeen,
  type VerifyLevel,
} from '../../../src/backup/verify/verified-notes.js';
import type { ArchiveEntry } from '../../../src/stores/archive/archive.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { folderWith } from '../../support/archive-files.js';
import { pairFiles, type PairSpec } from '../pair-files.js';
import { onlyPair } from './pair-files.js';

const STAMP = '20261121_060000';
const GRAPH = halfPath('graph', STAMP);
const COUNTS = { memories: 120, relationships: 45, points: 118 };
let root = '';
const more: string[] = [];

beforeEach(() => make({ manifest: false }));
afterEach(() => {
  for (const folder of [root, ...more.splice(0)]) rmSync(folder, { recursive: true, force: true });
});

function make(spec: PairSpec): void {
  rmSync(root, { recursive: true, force: true });
  root = folderWith(pairFiles(STAMP, spec));
}

/** Notes what a verification of the files as they lie there came to. */
async function note(level: VerifyLevel, ok = true, folder = root): Promise<void> {
  const archive = writableLocalArchive(folder);
  const pair = await onlyPair(archive);
  const read = [pair.graph, pair.vectors].flatMap((file) => {
    if (file === null) return [];
    const bytes = readFileSync(join(folder, file.path));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return [[file.path, { bytes: bytes.length, sha256 }] as const];
  });
  await addVerified(archive, pair, {
    ...{ at: new Date().toISOString(), level, ok, problems: ok ? 0 : 1, tool: 'lifeboat 0' },
    ...whatWasSeen(pair, new Map(read), level === 'quick' ? null : COUNTS),
  });
}

async function held(folder = root): Promise<[VerifyLevel, boolean][]> {
  const archive = localArchive(folder);
  return (await readVerified(archive, await onlyPair(archive))).map(({ level, ok }) => [level, ok]);
}

/** Another file of the same size, under the same name and with the same time of its last change. */
function replace(how: 'in place' | 'moved there'): Buffer {
  const path = join(root, GRAPH);
  const before = readFileSync(path);
  const { atime, mtime } = statSync(path);
  const other = Buffer.from(before);
  other.writeUInt8(other.readUInt8(12) ^ 1, 12);
  const target = how === 'in place' ? path : `${path}.other`;
  writeFileSync(target, other);
  utimesSync(target, atime, mtime);
  if (how === 'moved there') renameSync(target, path);
  expect(statSync(path)).toMatchObject({ size: before.length, mtimeMs: mtime.getTime() });
  return before;
}

it.each([
  ['in place', false],
  ['moved there', false],
  ['in place', true],
  ['moved there', true],
] as const)('does not hold for a file of the same size and time: %s, manifest %s', async (how, manifest) => {
  make({ manifest });
  await note('full');
  expect(await held()).toEqual([['full', true]]);
  // Times of files are whole milliseconds at the coarsest.
  await new Promise((resolve) => setTimeout(resolve, 5));
  replace(how);
  expect(await held()).toEqual([]);
});

it('holds for its checksums: a quick look at the same files brings it back', async () => {
  await note('full');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = replace('in place');
  await note('quick');
  expect(await held()).toEqual([['quick', true]]);
  writeFileSync(join(root, GRAPH), before);
  expect(await held()).toEqual([]);
  await note('quick');
  expect(await held()).toEqual([
    ['full', true],
    ['quick', true],
  ]);
});

it('does not hold for a copy of the folder before that was looked at', async () => {
  await note('full');
  const copy = `${root}-copy`;
  more.push(copy);
  cpSync(root, copy, { recursive: true, preserveTimestamps: true });
  expect(await held(copy)).toEqual([]);
  await note('quick', true, copy);
  expect(await held(copy)).toHaveLength(2);
});

it('remembers what it found wrong for all files of the same size, and what was sound before that', async () => {
  await note('full');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = replace('in place');
  await note('quick', false);
  expect(await held()).toEqual([
    ['full', true],
    ['quick', false],
  ]);
  writeFileSync(join(root, GRAPH), before);
  expect((await held()).at(-1)).toEqual(['quick', false]);
  writeFileSync(join(root, GRAPH), 'of another size');
  expect(await held()).toEqual([]);
});

it('takes what a bucket tells, and nothing where a place tells nothing', async () => {
  const archive = localArchive(root);
  const told = (version?: string): typeof archive => ({
    ...archive,
    list: async () =>
      (await archive.list()).map(({ path, bytes, modified }): ArchiveEntry => ({
        ...{ path, bytes, modified },
        ...(version === undefined ? {} : { version }),
      })),
  });
  const [etag, blind] = [told('"etag"'), told()];
  for (const of of [etag, blind]) {
    const pair = await onlyPair(of);
    const facts = { bytes: pair.graph?.bytes ?? 0, sha256: 'a' };
    const read = new Map([
      [pair.graph?.path ?? '', facts],
      [pair.vectors?.path ?? '', { bytes: pair.vectors?.bytes ?? 0, sha256: 'b' }],
    ]);
    await addVerified(writableLocalArchive(root), pair, {
      ...{ at: '2026-11-21T06:00:00.000Z', level: 'full', ok: true, problems: 0, tool: '' },
      ...whatWasSeen(pair, read, null),
    });
  }
  expect(await readVerified(etag, await onlyPair(etag))).toHaveLength(2);
  expect(await readVerified(told('"other"'), await onlyPair(told('"other"')))).toEqual([]);
  expect(await readVerified(blind, await onlyPair(blind))).toEqual([]);
});

it('knows what a pair holds that has no manifest, once it was read', async () => {
  const archive = localArchive(root);
  await note('quick');
  expect(countsNoted(await readVerified(archive, await onlyPair(archive)))).toBeNull();
  await note('full');
  await note('quick');
  const results = await readVerified(archive, await onlyPair(archive));
  expect(countsNoted(results)).toEqual(COUNTS);
  expect(bestVerified(results)?.level).toBe('full');
  make({ manifest: false, only: 'graph' });
  await note('full');
  const graph = localArchive(root);
  const half = await readVerified(graph, await onlyPair(graph));
  expect(countsNoted(half)).toEqual({ ...COUNTS, points: null });
});
