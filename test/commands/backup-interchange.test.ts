import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GraphSnapshot } from '../../src/sandbox/compare.js';
import { compareVectors, readVectors, type VectorSnapshot } from '../../src/sandbox/compare-vectors.js';
import { python } from '../memory/python.js';
import { Lab, TIMESTAMP } from '../support/lab.js';

/** The same data as AutoMem writes it, and as Lifeboat does. */
let stamps: { automem: string; lifeboat: string };
let lab: Lab;
let before: GraphSnapshot;
let vectorsBefore: VectorSnapshot;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120 });
  const made = await lab.run(['backup', 'create', '--json']);
  const { timestamp } = made.events.at(-1) as unknown as { timestamp: string };
  stamps = { automem: TIMESTAMP, lifeboat: timestamp };
  before = await lab.snapshot();
  vectorsBefore = await readVectors(lab.stores.vectors);
});
afterAll(async () => {
  await Promise.all([before.close(), vectorsBefore.close()]);
  await lab.stop();
});

const halves = (stamp: string): [string, string] => [
  join(lab.backups, 'falkordb', `falkordb_${stamp}.json.gz`),
  join(lab.backups, 'qdrant', `qdrant_${stamp}.json.gz`),
];

/**
 * Reads both files as AutoMem's scripts/restore_from_backup.py does: gzip, json.load, relationships by the internal ids of
 * their own file. What comes out does not depend on these ids, nor on any order.
 */
const READ = `
import gzip, hashlib
def near(value):
    # Qdrant may change the last digit of a number in a payload, and keeps 32 bits of those in a vector.
    if isinstance(value, float): return float("%.13g" % value)
    if isinstance(value, list): return [near(item) for item in value]
    return {key: near(item) for key, item in value.items()} if isinstance(value, dict) else value
def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
def read(paths):
    graph, vectors = [json.load(gzip.open(path, "rt", encoding="utf-8")) for path in paths]
    nodes = {node["id"]: [sorted(node["labels"]), node["properties"]] for node in graph["nodes"]}
    edges = [[nodes[r["source_id"]], r["type"], nodes[r["target_id"]], r["properties"]] for r in graph["relationships"]]
    return {
        "keys": [list(graph), list(vectors), list(graph["stats"]), list(vectors["stats"])],
        "names": [graph["graph_name"], vectors["collection_name"]],
        "stats": [graph["stats"], vectors["stats"]],
        "nodes": sorted(digest(node) for node in nodes.values()),
        "relationships": sorted(digest(edge) for edge in edges),
        "points": {str(p["id"]): digest(near(p["payload"])) for p in vectors["points"]},
    }, {str(p["id"]): p["vector"] for p in vectors["points"]}
(ours, our_vectors), (theirs, their_vectors) = read(data["lifeboat"]), read(data["automem"])
apart = max(abs(a - b) for id in our_vectors for a, b in zip(our_vectors[id], their_vectors[id]))
answer = {"lifeboat": ours, "automem": theirs, "apart": apart}
`;

describe('a pair that Lifeboat wrote and one that AutoMem wrote, of the same data', () => {
  it('say the same to a reader of AutoMem’s format, record by record', () => {
    const read = python(READ, {
      automem: halves(stamps.automem),
      lifeboat: halves(stamps.lifeboat),
    }) as Record<'automem' | 'lifeboat', { points: object }> & { apart: number };
    expect(Object.keys(read.lifeboat.points)).toHaveLength(vectorsBefore.points.size);
    expect(read.lifeboat).toEqual(read.automem);
    expect(read.apart).toBeLessThan(1e-6);
  });

  it.each(['automem', 'lifeboat'] as const)('restore to the same: %s', async (writer) => {
    await lab.damage('both-lost');
    const { summary } = await lab.recover(['restore-backup', '--backup', stamps[writer]]);
    expect(summary).toMatchObject({ plan: 'restore-backup', quarantined: 0, losses: [] });
    expect(await lab.differences(before)).toEqual([]);
    const after = await readVectors(lab.stores.vectors);
    const { settings, points } = await compareVectors(vectorsBefore, after);
    await after.close();
    expect([settings, points]).toMatchObject([[], { missing: 0, extra: 0, vectorChanged: 0 }]);
  });
});

describe('an archive from AutoMem’s API', () => {
  it.each(['automem', 'lifeboat'] as const)(
    'is listed and shown as the pair that it is: %s',
    async (writer) => {
      const stamp = stamps[writer];
      const tar = pack();
      const [graph, vectors] = halves(stamp);
      tar.entry({ name: `falkordb/falkordb_${stamp}.json.gz` }, readFileSync(graph));
      tar.entry({ name: `qdrant/qdrant_${stamp}.json.gz` }, readFileSync(vectors));
      tar.finalize();
      const file = join(lab.folder, `${writer}.tar.gz`);
      writeFileSync(file, gzipSync(await buffer(tar as AsyncIterable<Buffer>)));
      const env = { AUTOMEM_BACKUP_DIR: join(lab.folder, 'no-folder') };
      const list = await lab.run(['backup', 'list', '--file', file, '--json'], { env });
      expect([list.failure, list.exitCode]).toEqual([null, 0]);
      expect(list.events).toMatchObject([{ timestamp: stamp, complete: true }, { type: 'backups' }]);
      const show = await lab.run(['backup', 'show', '--file', file], { env });
      expect([show.failure, show.exitCode]).toEqual([null, 0]);
      expect(show.stdout).toContain(stamp);
      expect(show.stdout).toContain(`falkordb_${stamp}.json.gz`);
      const none = await lab.run(['backup', 'show', '20200101_000000', '--file', file], { env });
      expect(none.failure).toMatchObject({ exitCode: 4, code: 'backup-none' });
    },
  );

  it('that holds no backup is refused with 4', async () => {
    const file = join(lab.folder, 'other.tar.gz');
    const tar = pack();
    tar.entry({ name: 'readme.txt' }, 'nothing');
    tar.finalize();
    writeFileSync(file, gzipSync(await buffer(tar as AsyncIterable<Buffer>)));
    const { failure } = await lab.run(['backup', 'list', '--file', file, '--json']);
    expect(failure).toMatchObject({ exitCode: 4 });
  });
});
