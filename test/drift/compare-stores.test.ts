import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { compareStores } from '../../src/drift/compare-stores.js';
import {
  hasDrift,
  type Difference,
  type DriftClass,
  type DriftOptions,
  type DriftReport,
} from '../../src/drift/types.js';
import { placeholderVector } from '../../src/memory/placeholder.js';
import { GraphStore } from '../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { GRAPH, Lab, payloadOf } from '../support/lab.js';

const DIM = 16;
/** Long after everything that the lab holds was written. */
const NOW = new Date('2026-12-01T00:00:00Z');
const id = (n: number): string => `0a000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

let lab: Lab;
let graph: GraphStore;
let vectors: VectorStore;

beforeAll(async () => {
  lab = await Lab.start();
  await lab.fill({ memories: 120, dim: DIM });
  await lab.keep();
  graph = await GraphStore.open(lab.engines.graph);
  vectors = new VectorStore({ ...lab.engines.vectors, timeoutMs: 20_000 });
});

afterAll(async () => {
  graph.close();
  vectors.close();
  await lab.stop();
});

beforeEach(() => lab.reset());

interface Compared {
  report: DriftReport;
  differences: Difference[];
  /** Ids of a class, sorted. */
  of: (name: DriftClass) => string[];
}

async function compare(options: Partial<DriftOptions> = {}): Promise<Compared> {
  const differences: Difference[] = [];
  const report = await compareStores(
    { graph, graphName: GRAPH, vectors, collection: GRAPH },
    {
      depth: 'content',
      excludedTypes: new Set(['MetaPattern']),
      placeholders: true,
      signal: new AbortController().signal,
      now: NOW,
      onDifference: (difference) => differences.push(difference),
      ...options,
    },
  );
  const of = (name: DriftClass): string[] =>
    differences.flatMap((one) => (one.class === name ? [one.id] : [])).sort();
  return { report, differences, of };
}

/** Writes a memory to the graph and, unless told otherwise, the same to Qdrant. */
async function write(
  key: string | number,
  more: {
    content?: string;
    node?: Record<string, unknown>;
    payload?: Record<string, unknown> | null;
    vector?: number[];
  } = {},
): Promise<void> {
  const content = more.content ?? `memory ${key}`;
  const fields: Record<string, unknown> = { ...payloadOf(content), ...more.node };
  const properties: Record<string, unknown> = {
    ...fields,
    metadata: JSON.stringify(fields['metadata']),
    id: String(key),
  };
  const literal = Object.entries(properties)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ');
  await lab.query(`CREATE (:Memory {${literal}})`);
  if (more.payload === null) return;
  const vector = more.vector === undefined ? {} : { vector: more.vector };
  await lab.upsert([{ id: key, payload: { ...payloadOf(content), ...more.payload }, ...vector }], DIM);
}

const depths = ['ids', 'content'] as const;

describe('stores that agree', () => {
  it.each(depths)('have no drift, and every id has a class: %s', async (depth) => {
    const { report, differences } = await compare({ depth });
    const { 'excluded-type': excluded, 'no-content': blank, same, ...rest } = report.counts;
    expect(Object.values(rest).every((count) => count === 0)).toBe(true);
    expect(same).toBe(report.points);
    expect(report.eligible).toBe(same);
    expect(excluded + blank + same).toBe(report.memories);
    expect(differences).toHaveLength(excluded + blank);
    expect(report.percent).toBe(0);
    expect(hasDrift(report)).toBe(false);
    expect(report.examples.same?.length).toBeGreaterThan(3);
    expect(report.automem).toEqual({
      memories: report.memories - excluded,
      points: report.points,
      percent: (blank * 100) / report.points,
    });
  });

  it('agree also where the graph alone is newer in what only it knows, and in the last digit of a double', async () => {
    await write(id(1), {
      node: { importance: 0.1234567890123456, last_accessed: '2026-11-30T00:00:00+00:00', summary: 'new' },
      payload: { importance: 0.1234567890123457 },
    });
    const { report } = await compare();
    expect(report.counts['stale-payload']).toBe(0);
    expect(report.counts.pending).toBe(0);
  });
});

describe('each kind of difference', () => {
  it.each(depths)('a memory without a point: %s', async (depth) => {
    await write(id(1), { payload: null });
    const { of, report, differences } = await compare({ depth });
    expect(of('missing-vector')).toEqual([id(1)]);
    expect(report.counts['missing-vector']).toBe(1);
    expect(report.percent).toBeCloseTo(100 / report.eligible);
    const [node] = await lab.query(`MATCH (m:Memory {id: '${id(1)}'}) RETURN id(m)`);
    expect(differences.find((one) => one.class === 'missing-vector')?.internalId).toBe(Number(node?.[0]));
    expect(hasDrift(report)).toBe(true);
  });

  it.each(depths)('a point without a vector: %s', async (depth) => {
    await write(id(1));
    await lab.qdrant('POST', `/collections/${GRAPH}/points/vectors/delete?wait=true`, {
      points: [id(1)],
      vector: [''],
    });
    const { differences } = await compare({ depth });
    expect(differences).toContainEqual(
      expect.objectContaining({ id: id(1), class: 'missing-vector', vectorless: true }),
    );
    const { of } = await compare({ depth, vectorless: false });
    expect(of('missing-vector')).toEqual([]);
  });

  it.each(depths)('a point without a memory, with content and without: %s', async (depth) => {
    await lab.upsert(
      [
        { id: id(1), payload: payloadOf('an orphan') },
        { id: id(2), payload: payloadOf('  ') },
      ].map((point) => ({ ...point, vector: Array.from({ length: DIM }, (_, i) => (i === 3 ? -1 : 0)) })),
    );
    const { of, differences, report } = await compare({ depth });
    expect(of('orphan-vector')).toEqual([id(1), id(2)]);
    expect(differences.filter((one) => one.contentless === true).map((one) => one.id)).toEqual([id(2)]);
    expect(differences.find((one) => one.id === id(1))).toEqual({ id: id(1), class: 'orphan-vector' });
    expect(report.percent).toBeCloseTo(200 / (report.eligible + 2));
  });

  it('a payload that says something else, with the fields named', async () => {
    await write(id(1), { payload: { tags: ['other'], importance: 0.2 } });
    await write(id(2), { payload: { metadata: { other: 1 } } });
    await write(id(3), { payload: { content: 'the old text', type: 'Style' } });
    await write(id(4), { payload: { relevance_score: 0.3 } });
    const { of, report, differences } = await compare();
    expect(of('stale-payload')).toEqual([id(1), id(2), id(4)]);
    expect(of('content-changed')).toEqual([id(3)]);
    expect(
      Object.fromEntries(differences.filter((one) => one.fields).map((one) => [one.id, one.fields])),
    ).toEqual({
      [id(1)]: ['tags', 'importance'],
      [id(2)]: ['metadata'],
      [id(3)]: ['content', 'type'],
      [id(4)]: ['relevance_score'],
    });
    expect(report.staleFields).toEqual({
      tags: 1,
      importance: 1,
      metadata: 1,
      content: 1,
      type: 1,
      relevance_score: 1,
    });
    expect(report.examples['content-changed']).toEqual([{ id: id(3), fields: ['content', 'type'] }]);
    // Ids alone do not tell.
    expect((await compare({ depth: 'ids', placeholders: false })).report.counts['stale-payload']).toBe(0);
  });

  it.each(depths)('an id on two nodes, with a point and without: %s', async (depth) => {
    await write(id(1));
    await write(id(1), { content: 'the twin', payload: null });
    await write('twin', { content: '', payload: null });
    await write('twin', { content: '', payload: null });
    const { of, report } = await compare({ depth });
    expect(of('duplicate-id')).toEqual([id(1), 'twin']);
    expect(report.counts['missing-vector']).toBe(0);
  });

  it.each(depths)(
    'an excluded type is left in peace, with a stale vector or an orphaned one: %s',
    async (depth) => {
      const before = (await compare({ depth })).report.counts['excluded-type'];
      await write(id(1), { node: { type: 'MetaPattern' }, payload: { content: 'stale' } });
      await write(id(2), { node: { type: 'MetaPattern' }, payload: null });
      await lab.upsert([{ id: id(3), payload: payloadOf('gone', { type: 'MetaPattern' }) }], DIM);
      const { of, report } = await compare({ depth });
      expect(of('excluded-type').filter((one) => one.startsWith('0a0'))).toEqual([id(1), id(2), id(3)]);
      expect(report.counts['excluded-type']).toBe(before + 3);
      expect(hasDrift(report)).toBe(false);
    },
  );

  it('the type of the graph decides, not that of the payload', async () => {
    await write(id(1), { payload: { type: 'MetaPattern' } });
    const { differences } = await compare();
    expect(differences.find((one) => one.id === id(1))).toMatchObject({
      class: 'stale-payload',
      fields: ['type'],
    });
  });

  it.each(depths)('a memory without content has no vector: %s', async (depth) => {
    await write(id(1), { content: '', payload: null });
    await write(id(2), { content: ' \t', payload: null });
    const { of, report } = await compare({ depth });
    expect(of('no-content')).toEqual(expect.arrayContaining([id(1), id(2)]));
    expect(report.counts['missing-vector']).toBe(0);
  });

  it('a payload with the content that the graph lost', async () => {
    await write(id(1), { content: '', payload: { content: 'still here' } });
    expect((await compare()).of('content-changed')).toEqual([id(1)]);
  });

  it('placeholders, every one of more than a page', async () => {
    const points = Array.from({ length: 620 }, (_, i) => {
      const content = `placeholder ${i}`;
      return { id: id(1000 + i), payload: payloadOf(content), vector: placeholderVector(content, DIM) };
    });
    await lab.upsert(points);
    const fields = `content: p.content, tags: ['lab'], importance: 0.7, timestamp: '2026-11-01T10:00:00+00:00', updated_at: '2026-11-01T10:00:00+00:00', type: 'Decision', confidence: 0.9, metadata: '{}'`;
    const rows = points
      .map((one) => `{id: '${one.id}', content: '${String(one.payload['content'])}'}`)
      .join(',');
    await lab.query(`UNWIND [${rows}] AS p CREATE (:Memory {id: p.id, ${fields}})`);
    const { report } = await compare();
    expect(report.counts['placeholder-vector']).toBe(620);
    expect(report.examples['placeholder-vector']).toHaveLength(10);
    expect(report.percent).toBe(0);
    expect(hasDrift(report)).toBe(true);
    expect((await compare({ placeholders: false })).report.counts['placeholder-vector']).toBe(0);
  });

  it('a collection of the wrong size', async () => {
    const { report } = await compare({ expectedSize: 768 });
    expect(report.counts).toMatchObject({ same: 0, 'wrong-size': report.points });
    expect((await compare({ expectedSize: DIM })).report.counts['wrong-size']).toBe(0);
  });

  it.each(depths)('integer ids are joined with their decimal text: %s', async (depth) => {
    await write(42);
    await write(43, { payload: null });
    await lab.upsert([{ id: 44, payload: payloadOf('a number') }], DIM);
    const { of, report } = await compare({ depth });
    expect(of('missing-vector')).toEqual(['43']);
    expect(of('orphan-vector')).toEqual(['44']);
    expect(report.counts.same).toBe(report.points - 1);
  });

  it.each(depths)('a memory without an id stands alone: %s', async (depth) => {
    await lab.query(`CREATE (:Memory {content: 'nameless'}), (:Memory {content: 'nameless'})`);
    const { report, of } = await compare({ depth });
    expect(report.counts['duplicate-id']).toBe(0);
    expect(of('missing-vector')).toEqual([
      expect.stringMatching(/^\(node \d+, without an id\)$/),
      expect.stringMatching(/^\(node \d+, without an id\)$/),
    ]);
  });
});

describe('equal counts', () => {
  it.each(depths)('with other ids are drift: %s', async (depth) => {
    await lab.damage('drift-20');
    const { report } = await compare({ depth });
    const { 'missing-vector': missing, 'orphan-vector': orphans } = report.counts;
    expect(missing).toBeGreaterThan(5);
    expect(orphans).toBeGreaterThan(5);
    // The rest is evened out, so that AutoMem's own check sees nothing at all.
    for (let n = 0; n < missing - orphans; n++)
      await lab.upsert([{ id: id(n), payload: payloadOf('x') }], DIM);
    for (let n = 0; n < orphans - missing; n++) await write(id(n), { payload: null });
    const evened = (await compare({ depth })).report;
    expect(evened.automem.percent).toBeLessThan(3);
    expect(evened.counts['missing-vector']).toBe(evened.counts['orphan-vector']);
    expect(evened.percent).toBeGreaterThan(10);
    expect(hasDrift(evened)).toBe(true);
  });
});

describe('the grace period', () => {
  const justNow = '2026-11-30T23:59:30.123456+00:00';

  it.each(depths)('makes any difference of a young memory a pending one: %s', async (depth) => {
    await write(id(1), { node: { timestamp: justNow, updated_at: undefined }, payload: null });
    await lab.upsert([{ id: id(2), payload: payloadOf('young', { updated_at: justNow }) }], DIM);
    // Two minutes and a bit: old enough.
    await write(id(3), { node: { updated_at: '2026-11-30T23:57:59+00:00' }, payload: null });
    // A clock that is a year ahead does not make a memory young for ever.
    await write(id(4), { node: { updated_at: '2027-11-30T23:59:00+00:00' }, payload: null });
    const { of, differences, report } = await compare({ depth });
    expect(of('pending')).toEqual([id(1), id(2)]);
    expect(of('missing-vector')).toEqual([id(3), id(4)]);
    expect(
      differences.filter((one) => one.class === 'pending').map((one) => [one.id, one.pendingAs]),
    ).toEqual(
      expect.arrayContaining([
        [id(1), 'missing-vector'],
        [id(2), 'orphan-vector'],
      ]),
    );
    expect(report.percent).toBeCloseTo(200 / (report.eligible + 1));
    expect((await compare({ depth, graceSeconds: 10 })).of('pending')).toEqual([]);
  });

  it('covers what was changed in one store a moment ago, and not what is alike', async () => {
    await write(id(1), { node: { updated_at: justNow, content: 'patched' } });
    await write(id(2), { node: { updated_at: justNow }, payload: { updated_at: justNow } });
    const { of, report } = await compare();
    expect(of('pending')).toEqual([id(1)]);
    expect(report.staleFields).toEqual({});
    expect(hasDrift(report)).toBe(false);
  });
});
