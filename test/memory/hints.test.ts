import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readHints } from '../../src/memory/hints.js';
import { Double, type Value } from '../../src/memory/values.js';
import { anyValue } from './arbitrary-values.js';

const NONE = { relationships: [], patterns: [], enrichedAt: null, temporalLinks: 0, unusable: [] };
const RUN = '2026-11-20T10:00:00+00:00';

describe('readHints', () => {
  it.each<Value | undefined>([
    undefined,
    null,
    '{}',
    [],
    7,
    {},
    { enrichment: null },
    { enrichment: 'x' },
    { enrichment: {} },
  ])('finds nothing in %j', (metadata) => {
    expect(readHints('a', metadata)).toEqual(NONE);
  });

  it('makes SIMILAR_TO in both directions of each neighbour', () => {
    const metadata = {
      enrichment: {
        last_run: RUN,
        semantic_neighbors: [
          { id: 'b', score: 0.91 },
          { id: 'c', score: 1, more: true },
        ],
      },
    };
    const similar = (source: string, target: string, score: number) => ({
      type: 'SIMILAR_TO',
      source,
      target,
      properties: { score, updated_at: RUN },
    });
    expect(readHints('a', metadata)).toEqual({
      ...NONE,
      enrichedAt: RUN,
      relationships: [
        similar('a', 'b', 0.91),
        similar('b', 'a', 0.91),
        similar('a', 'c', 1),
        similar('c', 'a', 1),
      ],
    });
  });

  it('does without a score and a time that are not there', () => {
    const { relationships } = readHints('a', {
      enrichment: { semantic_neighbors: [{ id: 'b', score: 'high' }] },
    });
    expect(relationships.map(({ properties }) => properties)).toEqual([{}, {}]);
  });

  it('reads the patterns with their terms', () => {
    const patterns_detected = [
      { type: 'Decision', similar_memories: 4, key_terms: ['sql', 7, 'db'] },
      { type: 'Habit', similar_memories: new Double(2), key_terms: 'none' },
    ];
    expect(readHints('a', { enrichment: { patterns_detected } }).patterns).toEqual([
      { type: 'Decision', similarMemories: 4, keyTerms: ['sql', 'db'] },
      { type: 'Habit', similarMemories: 2, keyTerms: [] },
    ]);
  });

  it.each<[Value, number]>([
    [3, 3],
    [new Double(3), 3],
    [-1, 0],
    ['3', 0],
    [null, 0],
    [[{ id: 'b' }], 0],
  ])('counts temporal links given as %o as %d', (temporal_links, count) => {
    expect(readHints('a', { enrichment: { temporal_links } }).temporalLinks).toBe(count);
  });

  it('names the entries of enrichment that lead nowhere', () => {
    const metadata = {
      enrichment: {
        semantic_neighbors: [null, 'b', { id: 7 }, { id: '' }],
        patterns_detected: [{}, { type: '' }, 'x'],
      },
    };
    const hints = readHints('a', metadata);
    expect(hints).toMatchObject({ relationships: [], patterns: [] });
    expect(hints.unusable).toEqual([
      'metadata.enrichment.semantic_neighbors: null names no memory',
      'metadata.enrichment.semantic_neighbors: "b" names no memory',
      'metadata.enrichment.semantic_neighbors: {"id": 7} names no memory',
      'metadata.enrichment.semantic_neighbors: {"id": ""} names no memory',
      'metadata.enrichment.patterns_detected: {} names no type',
      'metadata.enrichment.patterns_detected: {"type": ""} names no type',
      'metadata.enrichment.patterns_detected: "x" names no type',
    ]);
  });

  const leadsTo = (properties = {}) => [{ type: 'LEADS_TO', source: 'a', target: 'b', properties }];
  it.each<[string, Value]>([
    ['a list of type and target', [{ type: 'LEADS_TO', target: 'b' }]],
    ['a list of relation and to', [{ relation: 'LEADS_TO', to: 'b' }]],
    ['a list of relationship and memory2_id', [{ relationship: 'LEADS_TO', memory2_id: 'b' }]],
    ['a single entry', { type: 'LEADS_TO', target_id: 'b' }],
    ['a map to one target', { LEADS_TO: 'b' }],
    ['a map to targets', { LEADS_TO: ['b'] }],
    ['a map to an object', { LEADS_TO: { memory_id: 'b' } }],
    ['a map to objects', { LEADS_TO: [{ id: 'b' }] }],
  ])('takes declared relationships as %s', (_, relationships) => {
    expect(readHints('a', { relationships })).toEqual({ ...NONE, relationships: leadsTo() });
  });

  it('carries the properties of declared relationships, in a form that the graph can hold', () => {
    const relationships = [
      {
        type: 'LEADS_TO',
        target: 'b',
        strength: new Double(1),
        count: 2,
        terms: ['x', 'y'],
        detail: { a: 1 },
        nothing: null,
      },
    ];
    expect(readHints('a', { relationships }).relationships).toEqual(
      leadsTo({ strength: new Double(1), count: 2, terms: ['x', 'y'], detail: '{"a": 1}' }),
    );
  });

  it('lets the key of a map decide over a type inside it, which stays a property', () => {
    expect(
      readHints('a', { relationships: { LEADS_TO: { target: 'b', type: 'own' } } }).relationships,
    ).toEqual(leadsTo({ type: 'own' }));
  });

  it.each<[Value]>([
    [['b']],
    [[{ target: 'b' }]],
    [[{ type: 'LEADS_TO' }]],
    [[{ type: 'LEADS TO', target: 'b' }]],
    [[{ type: 'A`]->() DETACH DELETE n //', target: 'b' }]],
    [[{ type: '', target: 'b' }]],
    [[{ type: 'LEADS_TO', target: 7 }]],
    [[null]],
    [{ LEADS_TO: null }],
    [{ 'LEADS-TO': 'b' }],
    [{ LEADS_TO: [['b']] }],
  ])('names %j, which declares no usable relationship', (relationships) => {
    const hints = readHints('a', { relationships });
    expect(hints.relationships).toEqual([]);
    expect(hints.unusable).toEqual([
      expect.stringMatching(/^metadata\.relationships: .* names no usable type or target$/),
    ]);
  });

  it('passes over relationships that are no list and no map', () => {
    for (const relationships of ['LEADS_TO b', 7, null, true])
      expect(readHints('a', { relationships })).toEqual(NONE);
  });

  it('never throws, whatever a metadata holds', () => {
    const junk = fc.record({
      enrichment: fc.oneof(
        anyValue,
        fc.record({
          semantic_neighbors: anyValue,
          patterns_detected: anyValue,
          temporal_links: anyValue,
          last_run: anyValue,
        }),
      ),
      relationships: anyValue,
    });
    fc.assert(
      fc.property(junk, (metadata) => {
        const { relationships, unusable } = readHints('a', metadata);
        for (const { source, target, type } of relationships) {
          expect([source, target]).toContain('a');
          expect(type).toMatch(/^\w+$/);
        }
        for (const problem of unusable) expect(problem.length).toBeLessThan(160);
      }),
    );
  });
});
