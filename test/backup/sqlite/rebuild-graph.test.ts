import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { rebuildGraph, type GraphRebuild } from '../../../src/backup/sqlite/rebuild-graph.js';
import { associationMetadata, hashOf, openStore, rowsOf, writeStore, type TestAssociation } from './store.js';

const NOW = new Date('2026-03-04T05:06:07Z');
const EDGES = 'SELECT * FROM memory_graph ORDER BY source_hash, target_hash';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-sqlite-'));
  path = join(folder, 'store.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rebuild = (dryRun = false): Promise<GraphRebuild> => rebuildGraph({ path, dryRun, now: NOW });

/** A ring through the memories m0, m1, … */
function ring(count: number, memories: number): TestAssociation[] {
  return Array.from({ length: count }, (_, at) => {
    const step = 1 + Math.floor(at / memories);
    const [a, b] = [at % memories, ((at % memories) + step) % memories];
    return { name: `${at}`, metadata: associationMetadata(`m${a}`, `m${b}`) };
  });
}

describe('rebuilding the graph table from association memories', () => {
  it('writes both directions of each, as the service keeps them', async () => {
    writeStore(path, { associations: [{ name: 'a', metadata: associationMetadata('m0', 'm1') }] });
    expect(await rebuild()).toMatchObject({
      ...{ associations: 1, rebuilt: 1, alreadyThere: 0, repeated: 0, refused: [] },
      ...{ rowsBefore: 0, rowsAfter: 2, tableCreated: false },
    });
    const edges = rowsOf(path, EDGES);
    expect(new Set(edges.map(({ source_hash: hash }) => hash))).toEqual(
      new Set([hashOf('m0'), hashOf('m1')]),
    );
    for (const edge of edges) {
      expect(edge).toMatchObject({
        similarity: 0.53,
        connection_types: '["semantic_similarity", "shared_themes"]',
        created_at: 1_700_000_060,
        relationship_type: 'related',
      });
      expect(JSON.parse(String(edge['metadata']))).toEqual({
        discovery_method: 'creative_association',
        discovery_date: '2025-11-02T10:00:00',
        shared_concepts: ['café'],
        confidence_score: 0.7,
      });
    }
    expect(rowsOf(path, "SELECT content_hash FROM memories WHERE content_hash LIKE 'assoc%'")).toHaveLength(
      1,
    );
  });

  it('takes 1,500 associations in a second, and twice is the same as once', async () => {
    writeStore(path, { memories: 500, associations: ring(1_500, 500) });
    const before = process.cpuUsage();
    const first = await rebuild();
    const { user, system } = process.cpuUsage(before);
    expect(first).toMatchObject({ associations: 1_500, rebuilt: 1_500, refused: [], rowsAfter: 3_000 });
    // By the clock of the processor: the machine may be busy with other tests.
    expect((user + system) / 1e6).toBeLessThan(1);
    const edges = rowsOf(path, EDGES);
    expect(await rebuild()).toMatchObject({
      rebuilt: 0,
      alreadyThere: 1_500,
      rowsBefore: 3_000,
      rowsAfter: 3_000,
    });
    expect(rowsOf(path, EDGES)).toEqual(edges);
    expect(rowsOf(path, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });

  it('reads the spelling of the graph table too', async () => {
    const metadata = JSON.stringify({
      ...{
        source_hash: hashOf('m2'),
        target_hash: hashOf('m3'),
        similarity: 1,
        connection_types: ['causal'],
      },
      ...{ relationship_type: 'causes', context: 'x' },
    });
    writeStore(path, { associations: [{ name: 'a', metadata }] });
    expect(await rebuild()).toMatchObject({ rebuilt: 1, rowsAfter: 1 });
    expect(rowsOf(path, EDGES)).toMatchObject([
      { source_hash: hashOf('m2'), relationship_type: 'causes', metadata: '{"context": "x"}', similarity: 1 },
    ]);
  });

  it('makes the table where the store is older than it', async () => {
    writeStore(path, { graph: 'none', associations: ring(3, 50) });
    expect(await rebuild(true)).toMatchObject({ rebuilt: 3, rowsAfter: 6, tableCreated: true });
    expect(rowsOf(path, "SELECT name FROM sqlite_schema WHERE name = 'memory_graph'")).toEqual([]);
    expect(await rebuild()).toMatchObject({ rebuilt: 3, rowsAfter: 6, tableCreated: true });
    // What the service runs when it starts must find the table as its own first version made it.
    const file = openStore(path);
    file.exec("ALTER TABLE memory_graph ADD COLUMN relationship_type TEXT DEFAULT 'related'");
    file.close();
    expect(await rebuild()).toMatchObject({ rebuilt: 0, alreadyThere: 3 });
  });

  it('leaves alone what the service made of an association, and completes a lost direction', async () => {
    writeStore(path, { associations: ring(3, 50) });
    const file = openStore(path);
    const add = file.prepare(
      "INSERT INTO memory_graph VALUES (?, ?, 0.9, '[\"semantic\"]', '{}', 1700000000, ?)",
    );
    add.run(hashOf('m0'), hashOf('m1'), 'fixes');
    add.run(hashOf('m2'), hashOf('m1'), 'contradicts');
    file.close();
    expect(await rebuild()).toMatchObject({ rebuilt: 2, alreadyThere: 1, rowsBefore: 2, rowsAfter: 5 });
    const kept = rowsOf(path, "SELECT * FROM memory_graph WHERE relationship_type = 'fixes'");
    expect(kept).toMatchObject([{ source_hash: hashOf('m0'), similarity: 0.9 }]);
    expect(
      rowsOf(
        path,
        `SELECT 1 FROM memory_graph WHERE source_hash = '${hashOf('m1')}' AND target_hash = '${hashOf('m0')}'`,
      ),
    ).toEqual([]);
  });

  it('lists what it cannot take, each with its reason, and takes the rest', async () => {
    const bad: [name: string, metadata: string | null, reason: RegExp][] = [
      ['none', null, /no metadata/],
      ['cut', '{"source_memory_hashes": ["a', /not JSON/],
      ['list', '[1]', /not a JSON object/],
      ['one', JSON.stringify({ source_memory_hashes: [hashOf('m0')], similarity_score: 0.5 }), /names 1 mem/],
      ['three', associationMetadata('m0', 'm1', { source_memory_hashes: ['a', 'b', 'c'] }), /names 3 mem/],
      ['self', associationMetadata('m4', 'm4'), /with itself/],
      ['high', associationMetadata('m0', 'm1', { similarity_score: 1.5 }), /1\.5 is not between/],
      ['nan', associationMetadata('m0', 'm1').replace('0.53', 'NaN'), /NaN is not between/],
      ['text', associationMetadata('m0', 'm1', { similarity_score: '0.5' }), /no similarity/],
      ['types', associationMetadata('m0', 'm1', { connection_type: [1] }), /not texts/],
      ['lost', associationMetadata('m0', 'gone'), /no memory [0-9a-f]{64}/],
      ['dead', associationMetadata('m0', 'dead'), /was deleted/],
    ];
    writeStore(path, {
      associations: [
        ...bad.map(([name, metadata]) => ({ name, metadata })),
        { name: 'rounded', metadata: associationMetadata('m6', 'm7', { similarity_score: 1.0000001 }) },
        { name: 'again', metadata: associationMetadata('m7', 'm6') },
        { name: 'odd', metadata: associationMetadata('m8', 'm9').replace('0.7', 'NaN') },
        { name: 'tombstone', metadata: associationMetadata('m10', 'm11'), deleted: true },
        { name: 'other', metadata: associationMetadata('m10', 'm11'), tags: 'associations,discovered' },
      ],
    });
    const file = openStore(path);
    file
      .prepare('INSERT INTO memories (content_hash, content, deleted_at) VALUES (?, ?, 1)')
      .run(hashOf('dead'), 'x');
    file.close();
    const dry = await rebuild(true);
    const result = await rebuild();
    expect({ ...dry, dryRun: false, seconds: 0 }).toEqual({ ...result, seconds: 0 });
    expect(result).toMatchObject({ associations: bad.length + 3, rebuilt: 2, repeated: 1, rowsAfter: 4 });
    expect(result.refused.map(({ contentHash }) => contentHash)).toEqual(
      bad.map(([name]) => `assoc_${name}`),
    );
    for (const [at, { reason }] of result.refused.entries()) expect(reason).toMatch(bad[at]?.[2] ?? /never/);
    expect(new Set(result.refused.map(({ code }) => code))).toEqual(
      new Set(['metadata-malformed', 'endpoint-missing', 'endpoint-deleted']),
    );
    const [row] = rowsOf(path, 'SELECT count(*) AS n, max(similarity) AS top FROM memory_graph');
    expect(row).toEqual({ n: 4, top: 1 });
  });

  it('does not wait for ever for another writer, and changes nothing then', { timeout: 20_000 }, async () => {
    writeStore(path, { associations: ring(3, 50) });
    const writer = openStore(path);
    writer.exec('BEGIN IMMEDIATE');
    await expect(rebuild()).rejects.toMatchObject({ name: 'Failure', code: 'sqlite-locked' });
    writer.exec('ROLLBACK');
    writer.close();
    expect(rowsOf(path, EDGES)).toEqual([]);
  });
});
