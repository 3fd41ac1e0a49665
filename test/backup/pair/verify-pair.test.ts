import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import {
  verifyPair,
  type PairVerification,
  type VerifyOptions,
} from '../../../src/backup/pair/verify-pair.js';
import { localArchive } from '../../../src/stores/archive/local-archive.js';
import { Failure, ExitCode } from '../../../src/failure.js';
import type { Archive } from '../../../src/stores/archive/archive.js';
import { memoryArchive } from '../../support/archive-files.js';
import {
  changedGraph,
  changedVectors,
  GRAPH_PATH,
  graphGzip,
  graphText,
  pairOf,
  SAMPLE,
  STAMP,
  VECTORS_PATH,
  vectorsGzip,
  vectorsText,
} from '../sample.js';

const OPTIONS: VerifyOptions = { excludedTypes: new Set(['MetaPattern']) };

async function verify(
  changed: { graph?: Buffer; vectors?: Buffer; manifest?: object | string },
  options: Partial<VerifyOptions> = {},
): Promise<PairVerification> {
  const files: Record<string, Buffer> = {
    [GRAPH_PATH]: changed.graph ?? graphGzip(),
    [VECTORS_PATH]: changed.vectors ?? vectorsGzip(),
  };
  const pair = pairOf(files);
  const { manifest } = changed;
  if (manifest !== undefined)
    files[`lifeboat_${STAMP}.manifest.json`] = Buffer.from(
      typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    );
  return verifyPair(missingAsFailure(memoryArchive(files)), pair, { ...OPTIONS, ...options });
}

/** A file that is not there is an expected failure, as in the real archives. */
function missingAsFailure(archive: Archive): Archive {
  return {
    ...archive,
    open: (path, range) =>
      archive.open(path, range).catch(() => {
        throw new Failure({
          operation: 'read the backup file',
          subject: path,
          reason: 'the file is not there',
          hint: '',
          exitCode: ExitCode.failed,
          code: 'archive-file-missing',
        });
      }),
  };
}

/** What is wrong, without the records. */
const facts = ({ problems }: PairVerification): [string, string, number][] =>
  problems.map(({ severity, code, count }) => [severity, code, count]);

describe('a sound pair', () => {
  it('of AutoMem has no problems', async () => {
    const archive = localArchive(SAMPLE);
    const pair = pairOf({ [GRAPH_PATH]: graphGzip(), [VECTORS_PATH]: vectorsGzip() });
    let told = 0;
    const result = await verifyPair(archive, pair, { ...OPTIONS, onBytes: (bytes) => (told += bytes) });
    expect(result).toEqual({
      timestamp: STAMP,
      sound: true,
      problems: [],
      counts: { nodes: 66, memories: 60, relationships: 336, points: 59 },
      graphName: 'memories',
      collectionName: 'memories',
      vectorSize: 64,
      overlap: {
        both: 59,
        memoriesWithoutPoint: { count: 0, ids: [] },
        pointsWithoutMemory: { count: 0, ids: [] },
      },
      manifest: null,
      bytes: graphText().length + vectorsText().length,
      contents: { graph: null, vectors: null },
    });
    expect(told).toBe(result.bytes);
  });

  it('says which ids only one half has, by the types that are excluded', async () => {
    const graph = changedGraph(({ nodes }) => {
      const memory = nodes.find(({ labels }) => labels.length === 1 && labels[0] === 'Memory');
      if (memory) memory.properties['id'] = '00000000-0000-4000-8000-000000000001';
    });
    const { sound, overlap } = await verify({ graph }, { excludedTypes: new Set() });
    expect(sound).toBe(true);
    expect(overlap).toMatchObject({
      both: 58,
      memoriesWithoutPoint: { count: 2 },
      pointsWithoutMemory: { count: 1 },
    });
    expect(overlap?.memoriesWithoutPoint.ids).toContain('00000000-0000-4000-8000-000000000001');
  });

  it('may be asked for one half, the other not being there', async () => {
    const pair = { ...pairOf({ [GRAPH_PATH]: graphGzip() }), vectors: null };
    const result = await verifyPair(localArchive(SAMPLE), pair, { ...OPTIONS, halves: 'graph' });
    expect(result).toMatchObject({ sound: true, overlap: null, counts: { nodes: 66, points: 0 } });
    const both = await verifyPair(localArchive(SAMPLE), pair, OPTIONS);
    expect(facts(both)).toEqual([['fatal', 'half-missing', 0]]);
  });
});

describe('a pair that must not be restored', () => {
  const flipped = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    const at = copy.length >> 1;
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    return copy;
  };
  const plain = (text: string): Buffer => gzipSync(text);

  it.each<[string, Parameters<typeof verify>[0], RegExp, Partial<VerifyOptions>?]>([
    ['a graph half that is cut', { graph: graphGzip().subarray(0, -100) }, /^backup-truncated$/],
    ['a vector half that is cut', { vectors: vectorsGzip().subarray(0, 9000) }, /^backup-truncated$/],
    [
      'JSON that is cut inside sound gzip',
      { vectors: plain(vectorsText().slice(0, -200)) },
      /^backup-truncated$/,
    ],
    [
      'broken JSON inside sound gzip',
      { vectors: plain(vectorsText().replace('"payload"', 'payload')) },
      /^backup-not-json$/,
    ],
    [
      'broken JSON in the graph',
      { graph: plain(graphText().replace('"labels"', 'labels')) },
      /^backup-not-json$/,
    ],
    ['a flipped byte in the graph half', { graph: flipped(graphGzip()) }, /^backup-(corrupt|truncated)$/],
    [
      'a flipped byte in the vector half',
      { vectors: flipped(vectorsGzip()) },
      /^backup-(corrupt|truncated)$/,
    ],
    ['an empty file', { graph: Buffer.alloc(0) }, /^backup-truncated$/],
    ['no gzip', { graph: Buffer.from(graphText()) }, /^backup-not-gzip$/],
    [
      'fewer nodes than it says',
      { graph: changedGraph(({ stats }) => (stats.node_count = 67)) },
      /^graph-nodes-count$/,
    ],
    [
      'fewer relationships',
      { graph: changedGraph(({ relationships }) => relationships.pop()) },
      /^graph-relationships-count$/,
    ],
    [
      'no list of relationships, as somebody leaves who closes the brackets of a cut file',
      {
        graph: changedGraph((graph) => {
          delete (graph as Partial<typeof graph>).relationships;
          delete (graph as Partial<typeof graph>).stats;
        }),
      },
      /^graph-relationships$/,
    ],
    [
      'a second list of nodes',
      { graph: plain(graphText().replace(/\}\s*$/, ', "nodes": []}')) },
      /^graph-nodes$/,
    ],
    [
      'a second list of points',
      { vectors: plain(vectorsText().replace(/\}\s*$/, ', "points": []}')) },
      /^backup-not-json$/,
    ],
    ['fewer points', { vectors: changedVectors(({ points }) => points.pop()) }, /^vectors-count$/],
    [
      'an internal id twice',
      { graph: changedGraph(({ nodes }) => ((nodes[1] as { id: number }).id = 0)) },
      /^graph-internal-ids$/,
    ],
    [
      'another vector size',
      { vectors: changedVectors(({ stats }) => (stats.vector_size = 768)) },
      /^vectors-unusable$/,
    ],
    [
      'nodes that are missing',
      { graph: changedGraph(({ nodes, stats }) => (stats.node_count = nodes.splice(10).length && 10)) },
      /^graph-nodes-missing$/,
    ],
    [
      'an empty graph',
      {
        graph: plain(
          '{"graph_name": "memories", "nodes": [], "relationships": [], "stats": {"node_count": 0}}',
        ),
      },
      /^graph-empty$/,
    ],
    [
      'no points',
      { vectors: plain('{"points": [], "stats": {"points_count": 0, "vector_size": null}}') },
      /^vectors-empty$/,
    ],
    ['another file altogether', { vectors: graphGzip() }, /^vectors-empty$/],
    ['another graph', {}, /^graph-name$/, { graphName: 'elsewhere' }],
    ['another collection', {}, /^collection-name$/, { collectionName: 'elsewhere' }],
    [
      'halves of two runs',
      { vectors: changedVectors((vectors) => (vectors.timestamp = '20261120_030000')) },
      /^different-runs$/,
    ],
    [
      'halves that have nothing in common',
      { vectors: changedVectors(({ points }) => points.forEach((point, at) => (point.id = at))) },
      /^pair-disjoint$/,
    ],
  ])('%s', async (_name, changed, code, options) => {
    const result = await verify(changed, options);
    expect(result.sound).toBe(false);
    const fatal = result.problems.filter(({ severity }) => severity === 'fatal');
    expect(fatal.map((problem) => problem.code).join()).toMatch(code);
    expect(fatal[0]?.message).not.toBe('');
  });

  it('takes halves of two runs where that is known, and says so', async () => {
    const vectors = changedVectors((half) => (half.timestamp = '20261120_030000'));
    const result = await verify({ vectors }, { mixed: true });
    expect([result.sound, facts(result)]).toEqual([true, [['note', 'different-runs', 1]]]);
  });

  it('does not take a place that cannot be read for a bad backup', async () => {
    const failure = new Failure({
      operation: 'x',
      subject: 'y',
      reason: 'z',
      hint: '',
      exitCode: ExitCode.unreachable,
      code: 'archive-unreachable',
    });
    const archive = { ...localArchive(SAMPLE), open: () => Promise.reject(failure) };
    const files = { [GRAPH_PATH]: graphGzip(), [VECTORS_PATH]: vectorsGzip() };
    await expect(verifyPair(archive, pairOf(files), OPTIONS)).rejects.toBe(failure);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const onBytes = (): void => stop.abort();
    await expect(verify({}, { signal: stop.signal, onBytes })).rejects.toThrow(/abort/);
  });
});

describe('a half that does not say how much it holds', () => {
  it('is worth restoring, and is not called whole', async () => {
    const without = (half: { stats: unknown }): void => {
      delete (half as { stats?: unknown }).stats;
    };
    const result = await verify({ graph: changedGraph(without), vectors: changedVectors(without) });
    expect(result.sound).toBe(true);
    expect(facts(result)).toEqual([
      ['loss', 'graph-stats', 0],
      ['loss', 'vectors-stats', 0],
    ]);
  });
});

describe('records that cannot be restored', () => {
  it('a relationship whose end is missing', async () => {
    const graph = changedGraph(
      ({ relationships }) => ((relationships[3] as { target_id: number }).target_id = 999),
    );
    const result = await verify({ graph });
    expect([result.sound, facts(result)]).toEqual([true, [['loss', 'relationship-dangling', 1]]]);
    expect(result.problems[0]?.records[0]).toMatchObject({ record: 'relationship 4' });
    expect(result.problems[0]?.records[0]?.reason).toContain('there is no node 999');
  });

  it('a vector with NaN, and the memory that is to be embedded anew', async () => {
    const text = vectorsText().replace('0.05049559,', 'NaN,');
    const result = await verify({ vectors: gzipSync(text) });
    expect([result.sound, facts(result)]).toEqual([true, [['loss', 'point-bad', 1]]]);
    const [{ record, reason } = { record: '', reason: '' }] = result.problems[0]?.records ?? [];
    expect(reason).toBe('component 1 of its vector is NaN');
    expect(result.overlap).toMatchObject({ both: 58, memoriesWithoutPoint: { count: 1, ids: [record] } });
  });

  it.each([64, null])('a vector of the wrong size (the file says %j)', async (size) => {
    const vectors = changedVectors(({ points, stats }) => {
      stats.vector_size = size;
      (points[7] as { vector: unknown[] }).vector.pop();
    });
    const result = await verify({ vectors });
    expect([result.sound, facts(result), result.vectorSize]).toEqual([true, [['loss', 'point-bad', 1]], 64]);
    expect(result.problems[0]?.records[0]?.reason).toBe('its vector has 63 components instead of 64');
    expect(result.overlap?.memoriesWithoutPoint.ids).toEqual([result.problems[0]?.records[0]?.record]);
  });

  it('ids that come twice', async () => {
    const vectors = changedVectors(({ points }) => ((points[1] as { id: unknown }).id = points[0]?.id));
    const graph = changedGraph(({ nodes }) => {
      (nodes[1] as { properties: object }).properties = { ...nodes[0]?.properties };
    });
    const result = await verify({ graph, vectors });
    expect([result.sound, facts(result)]).toEqual([
      true,
      [
        ['note', 'memory-twice', 1],
        ['loss', 'point-twice', 1],
      ],
    ]);
  });

  it('values, names and texts that a store refuses', async () => {
    const graph = changedGraph(({ nodes, relationships }) => {
      Object.assign(nodes[0]?.properties ?? {}, { map: { a: 1 } });
      nodes[1]?.labels.push('back`tick');
      (relationships[0] as { type: string }).type = '';
      (nodes[65] as { labels: unknown }).labels = 'Memory';
    });
    const vectors = changedVectors(
      ({ points }) => ((points[0] as { payload: object }).payload = { a: '\ud83e' }),
    );
    const result = await verify({ graph, vectors });
    expect(result.sound).toBe(true);
    expect(facts(result)).toEqual(
      expect.arrayContaining([
        ['loss', 'node-part', 2],
        ['loss', 'node-bad', 1],
        ['loss', 'relationship-bad', 1],
        ['loss', 'payload-part', 1],
      ]),
    );
  });
});

describe('a manifest beside the pair', () => {
  const entry = (bytes: Buffer): object => ({
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
  const files = (): Record<string, object> => ({
    [GRAPH_PATH]: entry(graphGzip()),
    [VECTORS_PATH]: entry(vectorsGzip()),
  });

  it('is held against the files, and handed on', async () => {
    const collection = { config: { params: { vectors: { size: 64 } } }, payload_schema: { tags: 'keyword' } };
    const result = await verify({ manifest: { files: files(), collection } });
    expect([result.sound, result.problems]).toEqual([true, []]);
    expect(result.manifest?.collection).toEqual({
      config: collection.config,
      payloadSchema: collection.payload_schema,
    });
  });

  it('finds a file that is whole but not the one', async () => {
    // The same length, and sound gzip: only its header says another time.
    const graph = Buffer.from(graphGzip());
    graph[4] = (graph[4] ?? 0) ^ 1;
    expect(facts(await verify({ graph }))).toEqual([]);
    expect(facts(await verify({ graph, manifest: { files: files() } }))).toEqual([
      ['fatal', 'manifest-checksum', 0],
    ]);
  });

  it('finds a file of another size', async () => {
    const graph = Buffer.concat([graphGzip(), Buffer.alloc(8)]);
    expect(facts(await verify({ graph, manifest: { files: files() } }))).toEqual([
      ['fatal', 'manifest-size', 0],
    ]);
  });

  it.each(['{', '{}', '{"files": {"a": {"bytes": "1"}}}', '[]'])(
    'that is none is no reason to refuse: %s',
    async (manifest) => {
      const result = await verify({ manifest });
      expect([result.sound, facts(result)]).toEqual([true, [['note', 'manifest-unreadable', 1]]]);
    },
  );
});
