import { execFile } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { expect, it } from 'vitest';

const POINTS = 30_000;
const SIZE = 768;
const STAMP = '20261121_110916';

const uuid = (n: number): string => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;

/**
 * Half a gigabyte of JSON in a second: each id is a gzip member of its own, and what follows it one of a few that were
 * compressed beforehand. To a reader that is one stream.
 */
function* vectorHalf(): Generator<Buffer> {
  const zip = (text: string): Buffer => gzipSync(text, { level: 1 });
  const rests = Array.from({ length: 20 }, (_, n) => {
    const components = Array.from({ length: SIZE }, (_, at) =>
      Math.fround(Math.sin(n * SIZE + at) / 28).toFixed(9),
    );
    const payload = JSON.stringify({ content: 'x'.repeat(400), tags: ['a'], relevance_score: null }, null, 2);
    return zip(
      `",\n      "vector": [\n        ${components.join(',\n        ')}\n      ],\n      "payload": ${payload}\n    }`,
    );
  });
  yield zip(`{\n  "timestamp": "${STAMP}",\n  "collection_name": "memories",\n  "points": [`);
  for (let n = 0; n < POINTS; n++) {
    yield zip(`${n === 0 ? '' : ','}\n    {\n      "id": "${uuid(n)}`);
    yield rests[n % rests.length] ?? zip('');
  }
  yield zip(`\n  ],\n  "stats": {"points_count": ${POINTS}, "vector_size": ${SIZE}}\n}`);
}

function graphHalf(): Buffer {
  const nodes = Array.from({ length: POINTS }, (_, id) => ({
    id,
    labels: ['Memory'],
    properties: { id: uuid(id), content: 'x'.repeat(400), type: 'Context', importance: 0.3 },
  }));
  const relationships = nodes.map(({ id }) => ({
    source_id: id,
    type: 'RELATES_TO',
    target_id: 0,
    properties: {},
  }));
  const stats = { node_count: POINTS, relationship_count: POINTS };
  return gzipSync(
    JSON.stringify({ timestamp: STAMP, graph_name: 'memories', nodes, relationships, stats }, null, 2),
  );
}

it(`${POINTS} points of ${SIZE} components are read in little memory`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-test-'));
  try {
    for (const store of ['falkordb', 'qdrant']) mkdirSync(join(folder, store));
    writeFileSync(join(folder, 'falkordb', `falkordb_${STAMP}.json.gz`), graphHalf());
    const vectors = createWriteStream(join(folder, 'qdrant', `qdrant_${STAMP}.json.gz`));
    await pipeline(Readable.from(vectorHalf()), vectors);
    const child = join(import.meta.dirname, '../start-child.ts');
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', child, folder]);
    const { maxRSS, characters, ...found } = JSON.parse(stdout) as { maxRSS: number; characters: number };
    expect(found).toEqual({
      sound: true,
      counts: { nodes: POINTS, memories: POINTS, relationships: POINTS, points: POINTS },
      both: POINTS,
    });
    expect(characters).toBeGreaterThan(POINTS * SIZE * 12);
    // Kilobytes. tsx and Node.js take 110 MB of it, and the size of the file does not matter.
    expect(maxRSS).toBeLessThan(220_000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
