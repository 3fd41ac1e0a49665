import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { Failure } from '../../src/failure.js';
import { Double, type GraphNode, type GraphRelationship, type Value } from '../../src/memory/values.js';
import { HARD_CASES, MEMORIES_FOR_ALL_HARD_CASES } from '../../src/sandbox/population/hard-cases.js';
import { populate, type Population } from '../../src/sandbox/population/population.js';
import { pythonFloat, pythonJson } from '../../src/sandbox/population/python-json.js';
import { tagPrefixes } from '../../src/sandbox/population/tags.js';
import { backupStamp, isoTime, parseBackupStamp } from '../../src/sandbox/population/times.js';

const now = new Date('2026-11-21T12:00:00Z');
const make = (memories: number, dim = 8, seed = 7): Population => populate({ memories, dim, seed, now });
const BASE9 = [
  'confidence',
  'content',
  'importance',
  'last_accessed',
  'metadata',
  'tags',
  'timestamp',
  'type',
  'updated_at',
];

/** A digest of everything in a population. */
function fingerprint(population: Population): string {
  const hash = createHash('sha256');
  for (const { internalId, labels, properties } of population.nodes()) {
    hash.update(pythonJson([internalId, labels, properties]));
  }
  for (const { source, type, target, properties } of population.relationships()) {
    hash.update(pythonJson([source, type, target, properties]));
  }
  for (const { id, vector, payload } of population.points())
    hash.update(pythonJson([id, [...vector], payload]));
  return hash.digest('hex');
}

function doublesOf(value: Value): number[] {
  if (value instanceof Double) return [value.value];
  if (typeof value === 'number') return Number.isInteger(value) ? [] : [value];
  if (Array.isArray(value)) return value.flatMap(doublesOf);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(doublesOf) : [];
}

function textsOf(value: Value): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== 'object' || value === null || value instanceof Double) return [];
  return Object.entries(value).flatMap(([key, item]) => [key, ...textsOf(item)]);
}

function text(value: Value | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The number with the fewest digits that a 32-bit float cannot tell from this one: what Qdrant prints. */
function shortestFloat(value: number): number {
  for (let digits = 1; ; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
}

describe('a population', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(fingerprint(make(400))).toBe(fingerprint(make(400)));
    const prints = [
      make(400, 8, 8),
      make(400, 9),
      make(401),
      populate({ memories: 400, dim: 8, seed: 7, now: new Date(0) }),
    ];
    expect(new Set(prints.map(fingerprint)).add(fingerprint(make(400))).size).toBe(5);
  });

  it('is the same however it is read: parts in any order, again, interleaved', () => {
    const population = make(120);
    const alone = [...population.points()].map(({ id, vector }) => [id, vector[0]]);
    const points = population.points();
    const nodes = population.nodes();
    const interleaved = alone.map(() => {
      nodes.next();
      const next = points.next();
      return next.done === true ? [] : [next.value.id, next.value.vector[0]];
    });
    expect(interleaved).toEqual(alone);
  });

  it('numbers its nodes from 0 without a gap, with an id of its own each', () => {
    const population = make(500);
    const nodes = [...population.nodes()];
    expect(nodes.map(({ internalId }) => internalId)).toEqual(nodes.map((_, index) => index));
    expect(nodes).toHaveLength(population.counts.nodes);
    expect(new Set(nodes.map(({ properties }) => properties.id)).size).toBe(nodes.length);
  });

  it('refuses options that make no sense', () => {
    const wrong = [{ memories: 0 }, { dim: 1 }, { dim: 5000 }, { seed: 0.5 }, { now: new Date(NaN) }];
    for (const option of wrong) {
      expect(() => populate({ memories: 10, dim: 8, seed: 1, now, ...option })).toThrow(Failure);
    }
  });

  it('can be made with any size, dimension and seed', () => {
    const sizes = fc.record({
      memories: fc.integer({ min: 1, max: 60 }),
      dim: fc.integer({ min: 2, max: 40 }),
      seed: fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
    });
    fc.assert(
      fc.property(sizes, (options) => {
        const population = populate({ ...options, now });
        const { counts } = population;
        expect([...population.nodes()]).toHaveLength(counts.nodes);
        expect([...population.points()]).toHaveLength(counts.points);
        for (const { vector } of population.points()) {
          expect(vector).toHaveLength(options.dim);
          expect(Math.abs(Math.hypot(...vector) - 1)).toBeLessThan(1e-6);
        }
        for (const { source, target } of population.relationships()) {
          expect(source).toBeLessThan(counts.nodes);
          expect(target).toBeLessThan(counts.nodes);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('what a population holds', () => {
  const population = make(1000, 16);
  const nodes: GraphNode[] = [...population.nodes()];
  const relationships: GraphRelationship[] = [...population.relationships()];
  const points = [...population.points()];
  const byId = new Map(nodes.map((node) => [node.properties.id, node]));

  it('has every label set and every relationship type of AutoMem', () => {
    expect(new Set(nodes.map(({ labels }) => labels.join(':')))).toEqual(
      new Set([
        'Memory',
        'Memory:MetaMemory',
        'Pattern',
        'Entity',
        'ConsolidationControl',
        'ConsolidationRun',
      ]),
    );
    expect([...new Set(relationships.map(({ type }) => type))].sort()).toEqual([
      'CONTRADICTS',
      'DERIVED_FROM',
      'DISCOVERED',
      'EVOLVED_INTO',
      'EXEMPLIFIES',
      'EXPLAINS',
      'INVALIDATED_BY',
      'LEADS_TO',
      'OCCURRED_BEFORE',
      'PARALLEL_CONTEXT',
      'PART_OF',
      'PRECEDED_BY',
      'PREFERS_OVER',
      'REFERENCED_IN',
      'REINFORCES',
      'RELATES_TO',
      'SHARES_THEME',
      'SIMILAR_TO',
      'SUMMARIZES',
    ]);
  });

  it('joins the right labels', () => {
    const labelOf = (id: number): string => nodes[id]?.labels.join(':') ?? '';
    const ends = new Set(
      relationships.map(({ source, type, target }) => `${labelOf(source)} ${type} ${labelOf(target)}`),
    );
    expect(ends).toContain('Memory EXEMPLIFIES Pattern');
    expect(ends).toContain('Memory EXEMPLIFIES Memory');
    expect(ends).toContain('Memory:MetaMemory SUMMARIZES Memory');
    expect(ends).toContain('Entity REFERENCED_IN Memory');
    expect([...ends].filter((end) => !/^Memory \w+ Memory$/.test(end)).sort()).toEqual([
      'Entity REFERENCED_IN Memory',
      'Memory EXEMPLIFIES Pattern',
      'Memory:MetaMemory SUMMARIZES Memory',
    ]);
    for (const { source, target } of relationships) {
      expect(population.keyOf(source).id).toBe(nodes[source]?.properties.id);
      expect(population.keyOf(target).id).toBe(nodes[target]?.properties.id);
    }
  });

  it('has about 3.2 relationships to a memory, with parallel ones among them', () => {
    expect(relationships.length / 1000).toBeGreaterThan(2.9);
    expect(relationships.length / 1000).toBeLessThan(3.6);
    const seen = new Map<string, GraphRelationship[]>();
    for (const edge of relationships) {
      const key = `${edge.source} ${edge.type} ${edge.target}`;
      seen.set(key, [...(seen.get(key) ?? []), edge]);
    }
    const parallel = [...seen.values()].filter((edges) => edges.length > 1);
    expect(
      parallel.some(
        (edges) => edges.length === 3 && new Set(edges.map((e) => pythonJson(e.properties))).size === 2,
      ),
    ).toBe(true);
  });

  it('has both directions of SIMILAR_TO, as the metadata says, with the cosine of the vectors', () => {
    const vectorOf = new Map(points.map(({ id, vector }) => [id, vector]));
    const scores = new Map<string, number>();
    for (const { source, target, type, properties } of relationships) {
      if (type !== 'SIMILAR_TO') continue;
      scores.set(
        `${text(nodes[source]?.properties.id)} ${text(nodes[target]?.properties.id)}`,
        Number(properties.score),
      );
    }
    let seen = 0;
    for (const { id, payload } of points) {
      const { enrichment } = payload.metadata as {
        enrichment?: { semantic_neighbors: { id: string; score: number }[] };
      };
      for (const { id: other, score } of enrichment?.semantic_neighbors ?? []) {
        const [a, b] = [vectorOf.get(id) ?? [], vectorOf.get(other) ?? []];
        const cosine = a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
        expect(Math.abs(cosine - score)).toBeLessThan(1e-6);
        expect(score).toBeGreaterThanOrEqual(0.8);
        expect(scores.get(`${id} ${other}`)).toBe(score);
        expect(scores.get(`${other} ${id}`)).toBe(score);
        seen += 2;
      }
    }
    expect(seen).toBe(scores.size);
    expect(seen).toBeGreaterThan(500);
  });

  it('has vectors that depend on the content alone', () => {
    for (const { vector, payload } of points) {
      expect(vector).toEqual(deterministicVector(text(payload.content), vector.length));
    }
    // Not one memory in ten says to the letter what another one says.
    expect(new Set(points.map(({ payload }) => payload.content)).size).toBeGreaterThan(points.length * 0.9);
  });

  it('keeps node and payload in step as AutoMem does', () => {
    for (const { id, payload } of points) {
      const node = byId.get(id)?.properties ?? {};
      for (const field of [
        'content',
        'tags',
        'importance',
        'timestamp',
        'type',
        'confidence',
        'updated_at',
      ]) {
        expect(payload[field]).toEqual(node[field]);
      }
      expect(node.metadata).toBe(pythonJson(payload.metadata ?? null));
      expect(node.tag_prefixes).toEqual(tagPrefixes(node.tags as string[]));
      if (payload.tag_prefixes !== undefined) expect(payload.tag_prefixes).toEqual(node.tag_prefixes);
      if (payload.t_valid !== undefined) expect(payload.t_valid).toBe(node.t_valid);
      if (payload.archived !== undefined) expect(node.archived).toBe(true);
      expect(Object.keys(payload).sort()).toEqual(expect.arrayContaining(BASE9));
      if (typeof payload.relevance_score === 'number') {
        expect(Number(payload.relevance_score.toPrecision(15))).toBe(node.relevance_score);
      }
    }
  });

  it('has payloads of every way of writing, and properties that only the graph has', () => {
    const extras = (payload: object): string =>
      Object.keys(payload)
        .filter((key) => !BASE9.includes(key))
        .sort()
        .join();
    const shapes = new Set(points.map(({ payload }) => extras(payload)));
    for (const shape of [
      '',
      'tag_prefixes',
      'relevance_score,tag_prefixes',
      't_invalid,t_valid,tag_prefixes',
      'archived,relevance_score,tag_prefixes',
    ]) {
      expect(shapes).toContain(shape);
    }
    const memories = nodes
      .filter(({ labels }) => labels.join() === 'Memory')
      .map(({ properties }) => properties);
    for (const key of [
      'processed',
      'enriched',
      'enriched_at',
      'summary',
      'archived_at',
      'protected',
      'protected_reason',
      't_invalid',
      'embeddings',
    ]) {
      expect(
        memories.some((memory) => memory[key] !== undefined),
        key,
      ).toBe(true);
    }
    const newer = points.filter(
      ({ id, payload }) => text(byId.get(id)?.properties.last_accessed) > text(payload.last_accessed),
    );
    expect(newer.length).toBeGreaterThan(100);
    expect(points.some(({ payload }) => /\d{16}/.test(pythonJson(payload.relevance_score ?? null)))).toBe(
      true,
    );
  });

  it('makes no point of summaries and of memories without content', () => {
    const withPoint = new Set(points.map(({ id }) => id));
    for (const { labels, properties } of nodes) {
      const memory =
        labels.join() === 'Memory' && typeof properties.content === 'string' && properties.content !== '';
      expect(withPoint.has(text(properties.id))).toBe(memory);
    }
    expect(points.length).toBe(998);
  });

  it('has only what FalkorDB keeps: no null, no map, no NUL, no half characters, doubles of 15 digits', () => {
    for (const { properties } of [...nodes, ...relationships]) {
      for (const value of Object.values(properties)) {
        expect(value).not.toBeNull();
        if (Array.isArray(value)) expect(value).not.toContain(null);
        else expect(typeof value === 'object' && !(value instanceof Double)).toBe(false);
        for (const number of doublesOf(value)) expect(Number(number.toPrecision(15))).toBe(number);
      }
      for (const text of textsOf(properties)) expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
    }
  });

  it('writes its doubles as doubles also when they are whole', () => {
    const numbers = nodes
      .filter(({ labels }) => labels.join() === 'Memory')
      .map(({ properties }) => properties.importance);
    expect(numbers.some((value) => value instanceof Double && value.value === 1)).toBe(true);
    expect(numbers.filter((value) => value === 1)).toHaveLength(1);
    const strengths = relationships.map(({ properties }) => properties.strength);
    expect(strengths.some((value) => value instanceof Double)).toBe(true);
    const counts = relationships
      .filter(({ type }) => type === 'PRECEDED_BY')
      .map(({ properties }) => properties.count);
    expect(counts.every((value) => Number.isInteger(value))).toBe(true);
  });

  it('deals out every hard case', () => {
    expect(MEMORIES_FOR_ALL_HARD_CASES).toBeLessThan(1000);
    const contents = new Set(nodes.map(({ properties }) => properties.content));
    for (const { name, content } of HARD_CASES) {
      if (content !== undefined && content !== null) expect(contents.has(content), name).toBe(true);
    }
    expect(
      nodes.some(({ labels, properties }) => labels.join() === 'Memory' && properties.content === undefined),
    ).toBe(true);
    const keys = points.flatMap(({ payload }) => Object.keys(payload.metadata as object));
    expect(keys).toEqual(
      expect.arrayContaining([
        'type',
        'confidence',
        'content',
        'timestamp',
        'importance',
        'tags',
        'id',
        'archived',
        '__proto__',
      ]),
    );
  });

  it('deals the short hard cases out again in a population of thousands', () => {
    const contents = [...make(9_500, 2).points()].map(({ payload }) => payload.content);
    expect(contents.filter((content) => content === "'").length).toBeGreaterThan(1);
    expect(
      contents.filter((content) => typeof content === 'string' && content.length >= 20_000),
    ).toHaveLength(2);
  });

  it('spans two years and has both forms of times', () => {
    const times = points.map(({ payload }) => text(payload.timestamp));
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$/);
    expect(times.some((time) => time.includes('.')) && times.some((time) => !time.includes('.'))).toBe(true);
    expect(Date.parse(times.at(-1) ?? '') - Date.parse(times[0] ?? '')).toBeGreaterThan(700 * 86_400_000);
    for (const { properties } of nodes)
      expect(text(properties.last_accessed) <= isoTime(now.getTime())).toBe(true);
  });

  it('has vectors in clusters, with negative components, that a 32-bit float prints with the same digits', () => {
    for (const { vector } of points.slice(0, 200)) {
      for (const value of vector) expect(shortestFloat(value)).toBe(value);
      expect(vector.some((value) => value < 0)).toBe(true);
    }
  });
});

describe('the forms that Python writes', () => {
  it('prints doubles as repr does', () => {
    const cases: [number, string][] = [
      [1, '1.0'],
      [-0, '-0.0'],
      [0.1, '0.1'],
      [1e-5, '1e-05'],
      [0.0001, '0.0001'],
      [1.5e-7, '1.5e-07'],
      [1e16, '1e+16'],
      [2 ** 53, '9007199254740992.0'],
      [1e22, '1e+22'],
      [1e-300, '1e-300'],
      [0.30000000000000004, '0.30000000000000004'],
      [NaN, 'NaN'],
      [-Infinity, '-Infinity'],
    ];
    for (const [value, text] of cases) expect(pythonFloat(value)).toBe(text);
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => Object.is(Number(pythonFloat(value)), value)),
    );
  });

  it('escapes all but printable ASCII', () => {
    expect(pythonJson('é\u007f🧠"\\\n\u2028')).toBe('"\\u00e9\\u007f\\ud83e\\udde0\\"\\\\\\n\\u2028"');
    expect(pythonJson({ a: [1, new Double(2), null, true], b: {}, c: [] })).toBe(
      '{"a": [1, 2.0, null, true], "b": {}, "c": []}',
    );
    expect(pythonJson({ a: [1], b: {} }, 2)).toBe('{\n  "a": [\n    1\n  ],\n  "b": {}\n}');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const written = pythonJson(text);
        expect(JSON.parse(written)).toBe(text);
        expect(written).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  it('makes tag prefixes as AutoMem does', () => {
    expect(
      tagPrefixes(['ui', 'Project/Atlas', 'project:hermes', 'a//b', ':lead', 'trail:', ' Pad ']),
    ).toEqual(['ui', 'project', 'project:atlas', 'project:hermes', 'a', 'a:b', 'lead', 'trail', 'pad']);
    expect(tagPrefixes([])).toEqual([]);
  });

  it('reads and writes the time in a backup file name', () => {
    expect(backupStamp(now)).toBe('20261121_120000');
    expect(parseBackupStamp('20261121_120000')).toEqual(now);
    for (const wrong of ['20261321_120000', '2026-11-21', '20260230_000000', ''])
      expect(parseBackupStamp(wrong)).toBeNull();
  });
});
