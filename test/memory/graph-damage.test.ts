import { describe, expect, it } from 'vitest';

import { payloadPatch } from '../../src/memory/encode-payload.js';
import { damageInGraph, withoutDamage } from '../../src/memory/graph-damage.js';
import { double, type Value, type ValueMap } from '../../src/memory/values.js';

const ID = '9c0bb0f4-0000-4000-8000-000000000001';
const PAYLOAD: ValueMap = {
  content: 'Chose PostgreSQL',
  tags: ['db:postgres'],
  importance: 0.8,
  timestamp: '2026-11-20T10:00:00+00:00',
  type: 'Decision',
  confidence: double(1),
  metadata: { a: double(1) },
  updated_at: '2026-11-20T10:00:00+00:00',
  archived: true,
};
const NODE: ValueMap = { ...PAYLOAD, id: ID, metadata: '{"a": 1.0}', summary: 'mine', processed: true };

const damage = (node: ValueMap, payload: Value = PAYLOAD) => damageInGraph({ ...NODE, ...node }, payload);

describe('damageInGraph', () => {
  it('leaves the word to a graph that is whole, also where it says something else', () => {
    expect(damage({})).toBeNull();
    expect(
      damage({ type: 'Style', content: 'Chose SQLite', tags: [], importance: 0.1, metadata: '{}' }),
    ).toBeNull();
    // What not every memory has may have been taken away.
    expect(damage({ archived: null, t_invalid: null })).toBeNull();
  });

  it.each(['str', 'dict', 'NoneType', 'float', '', "{'source': 'slack'}", "['import', 'cli']", 7])(
    'takes the type from the payload where the graph has %j for one',
    (type) => {
      expect(damage({ type })).toEqual({
        set: { type: 'Decision' },
        salvaged: [{ field: 'type', rule: 'damaged in the graph: taken from the payload' }],
      });
    },
  );

  it('does not take one damage for another', () => {
    expect(damage({ type: 'str' }, { ...PAYLOAD, type: 'dict' })).toBeNull();
    expect(damage({ type: 'str' }, { ...PAYLOAD, type: "['a']" })).toBeNull();
    expect(damage({ type: 'str' }, { ...PAYLOAD, type: null })).toBeNull();
    expect(damage({ content: ' ' }, { ...PAYLOAD, content: '' })).toBeNull();
    expect(damage({ type: 'str' }, null)).toBeNull();
    expect(damage({ type: 'str' }, { type: 'Decision' })).toBeNull();
  });

  it.each([NaN, Infinity, -Infinity])(
    'takes a number from the payload where the graph holds %d',
    (number) => {
      expect(damage({ importance: number })?.set).toEqual({ importance: PAYLOAD['importance'] });
      expect(damage({ importance: number }, { ...PAYLOAD, importance: Infinity })).toBeNull();
    },
  );

  it('takes every field that all memories have where the graph lost it, in the form of the graph', () => {
    const found = damage({
      content: '  ',
      tags: null,
      metadata: 'no JSON',
      importance: 'high',
      timestamp: null,
    });
    expect(found?.set).toEqual({
      content: 'Chose PostgreSQL',
      tags: ['db:postgres'],
      tag_prefixes: ['db', 'db:postgres'],
      metadata: '{"a": 1.0}',
      importance: 0.8,
      timestamp: PAYLOAD['timestamp'],
    });
    expect(found?.salvaged.map(({ field, rule }) => `${field} ${rule.split(' ')[0] ?? ''}`)).toEqual([
      'content damaged',
      'tags missing',
      'importance damaged',
      'timestamp missing',
      'metadata damaged',
    ]);
  });
});

describe('payloadPatch', () => {
  it('carries no damage of the graph into a payload that is whole', () => {
    expect(payloadPatch(PAYLOAD, { ...NODE, type: 'str', tags: null })).toEqual(payloadPatch(PAYLOAD, NODE));
    expect(payloadPatch(PAYLOAD, { ...NODE, type: 'str', importance: 0.1 })?.set).toMatchObject({
      importance: 0.1,
    });
    expect(payloadPatch(PAYLOAD, { ...NODE, type: 'str', importance: 0.1 })?.set).not.toHaveProperty('type');
  });
});

describe('withoutDamage', () => {
  it('is the node itself where nothing is damaged, else the node with the fields of the payload', () => {
    expect(withoutDamage(NODE, PAYLOAD)).toBe(NODE);
    expect(withoutDamage({ ...NODE, type: 'str' }, PAYLOAD)).toEqual(NODE);
  });
});
