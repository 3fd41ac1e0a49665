import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { PairProblem } from '../../../src/backup/pair/pair-problems.js';
import type { BackupPair } from '../../../src/backup/types.js';
import { compareRestoredGraph, compareRestoredVectors } from '../../../src/backup/verify/compare-restored.js';
import { verifyBackup, type BackupVerification } from '../../../src/backup/verify/verify-backup.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { GraphStore } from '../../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../../src/stores/vectors/vector-store.js';
import { GRAPH, Lab } from '../../support/lab.js';
import { backUp, onlyPair, sure } from './pair-files.js';

const { signal } = new AbortController();
let lab: Lab;
let folder: string;
let pair: BackupPair;
let full: BackupVerification;

beforeAll(async () => {
  lab = await Lab.start();
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-restored-'));
  await lab.fill({ memories: 12, dim: 8 });
  await lab.keep();
  await backUp(lab, folder);
  pair = await onlyPair(localArchive(folder));
  full = await verifyBackup(localArchive(folder), pair, {
    level: 'full',
    excludedTypes: new Set(['MetaPattern']),
  });
}, 60_000);

afterAll(async () => {
  await lab.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => lab.reset());

async function compareGraph(): Promise<string[]> {
  const store = await GraphStore.open(lab.engines.graph);
  try {
    const { counts } = sure(full.content);
    return codes(await compareRestoredGraph(store, GRAPH, sure(full.digests.graph), counts, signal));
  } finally {
    store.close();
  }
}

async function compareVectors(): Promise<string[]> {
  const store = new VectorStore({ ...lab.engines.vectors, timeoutMs: 20_000 });
  try {
    return codes(
      await compareRestoredVectors(store, GRAPH, localArchive(folder), sure(pair.vectors), signal),
    );
  } finally {
    store.close();
  }
}

const codes = (problems: PairProblem[]): string[] => problems.map(({ code, count }) => `${code} ${count}`);

it('compares numbers alone where a part of the graph cannot be restored, and says so', async () => {
  await lab.query('MATCH (m:Memory) WITH m LIMIT 1 SET m.part = 1');
  const store = await GraphStore.open(lab.engines.graph);
  try {
    const { counts } = sure(full.content);
    const [note, ...more] = await compareRestoredGraph(store, GRAPH, null, counts, signal);
    expect(note).toMatchObject({ severity: 'note', code: 'restored-parts' });
    expect(more).toEqual([]);
  } finally {
    store.close();
  }
});

it('finds nothing where the stores hold what the files hold', async () => {
  expect(full.ok).toBe(true);
  expect(await compareGraph()).toEqual([]);
  expect(await compareVectors()).toEqual([]);
});

it.each([
  ['MATCH (m:Memory) WITH m LIMIT 1 SET m.importance = 1', ['restored-graph 0']],
  ['MATCH (m:Memory) WITH m LIMIT 1 SET m:Other', ['restored-graph 0']],
  ['MATCH ()-[r]->() WITH r LIMIT 1 DELETE r', ['restored-relationships 0', 'restored-graph 0']],
  [
    'MATCH (a:Memory)-[r]->(b) WITH a, b, r LIMIT 1 DELETE r CREATE (b)-[:RELATES_TO]->(a)',
    ['restored-graph 0'],
  ],
  ['CREATE (:Memory {id: "more"})', ['restored-nodes 0', 'restored-graph 0']],
])('finds what is another graph: %s', async (change, found) => {
  await lab.query(change);
  expect(await compareGraph()).toEqual(found);
});

it('finds what is another collection', async () => {
  const { points } = await lab.qdrant<{ points: { id: string; payload: object; vector: number[] }[] }>(
    'POST',
    `/collections/${GRAPH}/points/scroll`,
    { limit: 3, with_payload: true, with_vector: true },
  );
  const [first, second, third] = [0, 1, 2].map((index) => sure(points[index]));
  if (first === undefined || second === undefined || third === undefined) throw new Error('too few points');
  await lab.removePoints([first.id]);
  await lab.upsert([{ ...second, payload: { ...second.payload, importance: 0.123 } }]);
  await lab.upsert([{ ...third, vector: third.vector.map((component) => -component) }]);
  await lab.upsert([{ id: 7, payload: {} }]);
  expect((await compareVectors()).sort()).toEqual([
    'restored-extra 0',
    'restored-missing 1',
    // The third one too: JavaScript writes 1 for its 1.0, which is another number.
    'restored-payload 2',
    'restored-vector 1',
  ]);
});
