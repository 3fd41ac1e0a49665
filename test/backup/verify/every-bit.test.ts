import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackupPair } from '../../../src/backup/types.js';
import { verifyPair } from '../../../src/backup/pair/verify-pair.js';
import { hashFile } from '../../../src/backup/verify/hash-file.js';
import { quickCheck } from '../../../src/backup/verify/quick-check.js';
import { sealedManifest } from '../../../src/backup/verify/sealed-manifest.js';
import { verifyBackup } from '../../../src/backup/verify/verify-backup.js';
import { Lab } from '../../support/lab.js';
import { archiveOf, backUp, filesIn, onlyPair, tinyPair, type Files } from './pair-files.js';

const excludedTypes = new Set(['MetaPattern']);

describe('every single flipped bit of a backup', () => {
  let folder: string;
  let files: Files;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-bits-'));
    const lab = await Lab.start();
    try {
      await lab.fill({ memories: 1, dim: 4 });
      await lab.query('MATCH (n) WHERE NOT n:Memory DETACH DELETE n');
      await lab.query("CREATE (:Memory {id: '00000000-0000-4000-8000-000000000001', content: 'one'})");
      await lab.query(
        'MATCH (a:Memory), (b:Memory) WHERE id(a) < id(b) CREATE (a)-[:RELATES_TO {s: 0.5}]->(b)',
      );
      await backUp(lab, folder);
    } finally {
      await lab.stop();
    }
    files = filesIn(folder);
  }, 60_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is found by the quickest look, in the files and in the manifest', { timeout: 120_000 }, async () => {
    const pair = await onlyPair(archiveOf(files));
    const check = (changed: Files): Promise<boolean> => passesQuickly(changed, pair);
    expect(await check(files)).toBe(true);
    expect(Object.keys(files)).toHaveLength(3);
    for (const path of Object.keys(files)) expect(await unnoticed(files, path, check)).toEqual([]);
  });
});

describe('without a manifest', () => {
  /** Of a gzip header these bear on nothing (RFC 1952): whether it may be a text, its time, how hard was tried, and where. */
  const [FLAGS, MTIME, OS] = [3, 4, 9];
  const meaningless = [
    { byte: FLAGS, bit: 0 },
    ...Array.from({ length: OS - MTIME + 1 }, (_, index) => MTIME + index).flatMap((byte) =>
      Array.from({ length: 8 }, (_, bit) => ({ byte, bit })),
    ),
  ];
  const TRAILER = 8;

  it('every bit is found but those that mean nothing', { timeout: 120_000 }, async () => {
    const files = tinyPair();
    const pair = await onlyPair(archiveOf(files));
    const check = (changed: Files, path: string): Promise<boolean> => passesInFull(changed, pair, path);
    for (const [path, { length }] of Object.entries(files)) {
      const missed = await unnoticed(files, path, check);
      // The compressed data ends within a byte, and what fills it up is no data (RFC 1951).
      const filling = missed.filter(({ byte }) => byte === length - TRAILER - 1).map(({ bit }) => bit);
      expect(filling).toEqual([0, 1, 2, 3, 4, 5, 6, 7].slice(8 - filling.length));
      expect(missed.filter(({ byte }) => byte !== length - TRAILER - 1)).toEqual(meaningless);
    }
  });
});

/** What a quick verification is made of; where a bit is found, the damage need not be looked for. */
async function passesQuickly(files: Files, pair: BackupPair): Promise<boolean> {
  const archive = archiveOf(files);
  const { manifest, problems } = await sealedManifest(archive, pair);
  if (manifest === null || problems.length > 0) return false;
  const check = await quickCheck(archive, pair, manifest, (file) => hashFile(archive, file));
  return check.problems.length === 0;
}

/** Of the half that was changed alone, as long as nothing is found in it. */
async function passesInFull(files: Files, pair: BackupPair, path: string): Promise<boolean> {
  const archive = archiveOf(files);
  const halves = path.startsWith('falkordb') ? 'graph' : 'vectors';
  const { problems } = await verifyPair(archive, pair, { excludedTypes, halves, manifest: null });
  if (problems.length > 0) return false;
  return (await verifyBackup(archive, pair, { level: 'full', excludedTypes })).ok;
}

/** The bits of a file that can be flipped without being found. */
async function unnoticed(
  files: Files,
  path: string,
  check: (files: Files, path: string) => Promise<boolean>,
): Promise<{ byte: number; bit: number }[]> {
  const missed: { byte: number; bit: number }[] = [];
  const bytes = Buffer.from(files[path] ?? []);
  for (let byte = 0; byte < bytes.length; byte++) {
    const was = bytes[byte] as number;
    for (let bit = 0; bit < 8; bit++) {
      bytes[byte] = was ^ (1 << bit);
      if (await check({ ...files, [path]: bytes }, path)) missed.push({ byte, bit });
    }
    bytes[byte] = was;
  }
  return missed;
}
