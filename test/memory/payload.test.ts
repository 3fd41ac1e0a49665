import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseJson } from '../../src/memory/json.js';
import { decodePayload, isStorable } from '../../src/memory/payload.js';
import { tagPrefixes } from '../../src/memory/tags.js';
import { Double, type Value, type ValueMap } from '../../src/memory/values.js';
import { anyKey, anyValue } from './arbitrary-values.js';

const ID = '9c0bb0f4-0000-4000-8000-000000000001';
const TIME = '2026-11-20T10:00:00+00:00';
const WHOLE: ValueMap = {
  content: 'Chose PostgreSQL',
  tags: ['DB', 'entity:tools:postgres'],
  tag_prefixes: ['stale'],
  importance: 0.8,
  timestamp: TIME,
  type: 'Decision',
  confidence: 0.9,
  metadata: { source: 'chat', score: new Double(1) },
  updated_at: '2026-11-20T11:00:00+00:00',
  last_accessed: '2026-11-20T12:00:00+00:00',
  relevance_score: null,
};

function decode(changes: ValueMap, without: string[] = []) {
  const payload = Object.fromEntries(
    Object.entries({ ...WHOLE, ...changes }).filter(([key]) => !without.includes(key)),
  );
  const decoded = decodePayload(ID, payload);
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded;
}

describe('decodePayload', () => {
  it('makes the node that AutoMem would have written, with nothing to salvage', () => {
    expect(decodePayload(ID, WHOLE)).toEqual({
      ok: true,
      salvaged: [],
      properties: {
        id: ID,
        content: 'Chose PostgreSQL',
        tags: ['DB', 'entity:tools:postgres'],
        tag_prefixes: ['db', 'entity', 'entity:tools', 'entity:tools:postgres'],
        type: 'Decision',
        importance: 0.8,
        confidence: 0.9,
        metadata: '{"source": "chat", "score": 1.0}',
        processed: false,
        timestamp: TIME,
        updated_at: '2026-11-20T11:00:00+00:00',
        last_accessed: '2026-11-20T12:00:00+00:00',
        t_valid: TIME,
      },
    });
  });

  it('keeps integers and doubles apart and what only some write paths give', () => {
    const { properties, salvaged } = decode({
      importance: 1,
      confidence: new Double(1),
      relevance_score: 0.25,
      archived: true,
      t_valid: '2026-01-01',
      t_invalid: '2026-02-02',
    });
    expect(properties).toMatchObject({ importance: 1, confidence: new Double(1), relevance_score: 0.25 });
    expect(properties).toMatchObject({ archived: true, t_valid: '2026-01-01', t_invalid: '2026-02-02' });
    expect(salvaged).toEqual([]);
  });

  it.each<[string, ValueMap, ValueMap, string[]]>([
    [
      'tags in one text',
      { tags: ' a, B:c ,, ' },
      { tags: ['a', 'B:c'], tag_prefixes: ['a', 'b', 'b:c'] },
      ['were one text: split into a list'],
    ],
    [
      'tags as the text of a list',
      { tags: '["a", "b,c"]' },
      { tags: ['a', 'b,c'] },
      ['were one text: split into a list'],
    ],
    [
      'tags as the text of a mixed list',
      { tags: '["a", 7, null]' },
      { tags: ['a', '7'] },
      ['were one text: split into a list', 'held values that are not texts: kept as texts, nulls left out'],
    ],
    [
      'tags as a text that only begins like a list',
      { tags: '[draft], x' },
      { tags: ['[draft]', 'x'] },
      ['were one text: split into a list'],
    ],
    ['tags as an empty text', { tags: '' }, { tags: [] }, ['were one text: split into a list']],
    [
      'tags of mixed kinds',
      { tags: ['a\0', 1, new Double(1), true, null, { b: 1 }] },
      { tags: ['a', '1', '1.0', 'true', '{"b": 1}'] },
      [
        'held values that are not texts: kept as texts, nulls left out',
        'held NUL characters, which the graph cannot hold: removed',
      ],
    ],
    ['tags as a number', { tags: 7 }, { tags: [], tag_prefixes: [] }, ['were a number: left empty']],
    ['tags as an object', { tags: { a: 1 } }, { tags: [] }, ['were an object: left empty']],
    ['tags null', { tags: null }, { tags: [] }, []],
  ])('salvages %s', (_, changes, expected, rules) => {
    const { properties, salvaged } = decode(changes);
    expect(properties).toMatchObject(expected);
    expect(salvaged).toEqual(rules.map((rule) => ({ field: 'tags', rule })));
  });

  it.each([
    'str',
    'Str',
    ' int ',
    'boolean',
    'NoneType',
    'dict',
    '',
    '  ',
    '\0',
    7,
    null,
    ['Decision'],
    { a: 1 },
    true,
  ])('gives the fallback type where it is %j', (type) => {
    const { properties, salvaged } = decode({ type });
    expect(properties['type']).toBe('Memory');
    expect(salvaged.at(-1)).toMatchObject({
      field: 'type',
      rule: expect.stringMatching(/^was .*: set to Memory$/) as string,
    });
  });

  it('says that a type was missing', () => {
    expect(decode({}, ['type']).salvaged).toEqual([{ field: 'type', rule: 'was missing: set to Memory' }]);
  });

  it.each(['Decision', 'MetaPattern', 'my own type', 'Strategy', 'Listing'])('keeps the type %s', (type) => {
    expect(decode({ type })).toMatchObject({ properties: { type }, salvaged: [] });
  });

  it.each<[string, Value, Value, string]>([
    ['importance', '0.7', 0.7, 'was the text "0.7": read as a number'],
    ['importance', ' 1 ', new Double(1), 'was the text " 1 ": read as a number'],
    ['confidence', 'high', 0.5, 'was the text "high": set to AutoMem\'s default 0.5'],
    ['confidence', true, 0.5, "was a boolean: set to AutoMem's default 0.5"],
    ['confidence', null, 0.5, "missing: set to AutoMem's default 0.5"],
    ['importance', 'Infinity', 0.5, 'was the text "Infinity": set to AutoMem\'s default 0.5'],
    ['importance', '', 0.5, 'was the text "": set to AutoMem\'s default 0.5'],
    ['importance', [0.7], 0.5, "was a list: set to AutoMem's default 0.5"],
    ['archived', 'TRUE', true, 'was the text "TRUE": read as a boolean'],
    ['archived', 0, false, 'was a number: read as a boolean'],
    ['archived', new Double(1), true, 'was a number: read as a boolean'],
  ])('says once what became of %s when it is %o', (field, value, kept, rule) => {
    const { properties, salvaged } = decode({ [field]: value });
    expect(properties[field]).toEqual(kept);
    expect(salvaged).toEqual([{ field, rule }]);
  });

  it.each<[string, Value, string]>([
    ['relevance_score', 'none', 'was the text "none": left out'],
    ['relevance_score', [], 'was a list: left out'],
    ['archived', 'perhaps', 'was the text "perhaps": left out'],
    ['archived', 2, 'was a number: left out'],
    ['t_invalid', 5, 'was a number: left out'],
    ['t_valid', { at: 1 }, 'was an object: left out'],
  ])('leaves out %s when it is %o, and says so', (field, value, rule) => {
    const { properties, salvaged } = decode({ [field]: value });
    expect(properties[field]).toBe(field === 't_valid' ? TIME : undefined);
    expect(salvaged).toEqual([{ field, rule }]);
  });

  it('keeps numbers outside their range: AutoMem does not check them either', () => {
    expect(decode({ importance: 7, confidence: -1.5 })).toMatchObject({
      properties: { importance: 7, confidence: -1.5 },
      salvaged: [],
    });
  });

  it.each<[string, Value, string, number]>([
    ['JSON text of an object', '{"a": 1.0}', '{"a": 1.0}', 1],
    ['JSON text of a list', '[1]', '{"value": "[1]"}', 1],
    ['any text', 'note', '{"value": "note"}', 1],
    ['a list', [1, new Double(2)], '{"value": [1, 2.0]}', 1],
    ['a number', 7, '{"value": 7}', 1],
    ['null', null, '{}', 0],
    ['an object with NUL and half a pair', { a: '\0\ud800' }, '{"a": "\\u0000\\ud800"}', 0],
    ['too deep text', '['.repeat(2000), `{"value": "${'['.repeat(2000)}"}`, 1],
  ])('turns metadata that is %s into text', (_, metadata, text, salvages) => {
    const { properties, salvaged } = decode({ metadata });
    expect(properties['metadata']).toBe(text);
    expect(salvaged.map(({ field }) => field)).toEqual(Array.from({ length: salvages }, () => 'metadata'));
  });

  it.each<[string, ValueMap, string[], string]>([
    ['created_at', { created_at: '2020-01-01' }, ['timestamp'], '2020-01-01'],
    ['updated_at', {}, ['timestamp'], '2026-11-20T11:00:00+00:00'],
    ['t_valid', { t_valid: '2021-01-01' }, ['timestamp', 'updated_at'], '2021-01-01'],
  ])('takes a missing timestamp from %s', (_, changes, without, timestamp) => {
    const { properties, salvaged } = decode(changes, without);
    expect(properties['timestamp']).toBe(timestamp);
    expect(salvaged).toEqual([
      { field: 'timestamp', rule: 'missing: taken from another time of the memory' },
    ]);
  });

  it('does without a timestamp where no time is known', () => {
    const { properties, salvaged } = decode({}, ['timestamp', 'updated_at', 'last_accessed']);
    expect(Object.keys(properties)).not.toEqual(expect.arrayContaining(['timestamp']));
    expect(properties).not.toHaveProperty('t_valid');
    expect(salvaged).toEqual([{ field: 'timestamp', rule: 'missing, and no other time is known: left out' }]);
  });

  it('says both that a timestamp was unusable and where the new one is from', () => {
    const { properties, salvaged } = decode({ timestamp: 1_763_640_000 });
    expect(properties['timestamp']).toBe('2026-11-20T11:00:00+00:00');
    expect(salvaged.map(({ rule }) => rule)).toEqual([
      'was a number: left out',
      'missing: taken from another time of the memory',
    ]);
  });

  it.each(['content', 'type', 'timestamp', 'own_field'])(
    'removes from %s what the graph cannot hold',
    (field) => {
      const { properties, salvaged } = decode({ [field]: 'a\0b\ud800c' });
      expect(properties[field]).toBe('ab\ufffdc');
      expect(salvaged).toEqual([
        { field, rule: 'held NUL characters, which the graph cannot hold: removed' },
        { field, rule: 'held half a surrogate pair, which is no text: replaced by U+FFFD' },
      ]);
    },
  );

  it.each<[string, Value, string]>([
    ['a number', 42, '42'],
    ['a whole double', new Double(42), '42.0'],
    ['a boolean', false, 'false'],
  ])('keeps content that is %s as text', (what, content, text) => {
    const { properties, salvaged } = decode({ content });
    expect(properties['content']).toBe(text);
    expect(salvaged).toEqual([
      { field: 'content', rule: `was ${what === 'a boolean' ? what : 'a number'}: kept as text` },
    ]);
  });

  it.each<[string, Value | undefined, string]>([
    ['nothing', undefined, 'the point has no payload'],
    ['null', null, 'the point has no payload'],
    ['a list', [], 'the payload is a list, not an object'],
    ['a text', 'x', 'the payload is the text "x", not an object'],
    ['a number', new Double(1), 'the payload is a number, not an object'],
    ['an empty object', {}, 'content is missing: there is nothing to rebuild the memory from'],
    [
      'null content',
      { ...WHOLE, content: null },
      'content is null: there is nothing to rebuild the memory from',
    ],
    [
      'a list as content',
      { content: ['a'] },
      'content is a list: there is nothing to rebuild the memory from',
    ],
  ])('gives up on %s with the reason', (_, payload, reason) => {
    expect(decodePayload(ID, payload)).toEqual({ ok: false, reason });
  });

  it('keeps empty content and content of 5 MB', () => {
    expect(decode({ content: '' }).properties['content']).toBe('');
    const content = 'é🧠 '.repeat(1_250_000);
    expect(decode({ content }).properties['content']).toBe(content);
  });

  it('keeps fields that it does not know, as the graph can hold them', () => {
    const { properties, salvaged } = decode({
      protected: true,
      nested: [[1, 2], [3]],
      empty: [],
      map: { a: new Double(1) },
      holes: [1, null],
      huge: 2n ** 70n,
      big: 2n ** 60n,
      nothing: null,
      'odd key\n': 'kept',
    });
    expect(properties).toMatchObject({
      protected: true,
      nested: [[1, 2], [3]],
      empty: [],
      map: '{"a": 1.0}',
      holes: '[1, null]',
      huge: '1180591620717411303424',
      big: 2n ** 60n,
      'odd key\n': 'kept',
    });
    expect(properties).not.toHaveProperty('nothing');
    expect(salvaged).toEqual(
      ['map', 'holes', 'huge'].map((field) => ({
        field,
        rule: 'the graph cannot hold its shape: kept as JSON text',
      })),
    );
  });

  it('keeps a field named __proto__ as a property like any other', () => {
    const payload = { ...WHOLE, ...(JSON.parse('{"__proto__": "kept", "constructor": "too"}') as ValueMap) };
    const decoded = decodePayload(ID, payload);
    expect(decoded.ok && Object.getOwnPropertyDescriptor(decoded.properties, '__proto__')?.value).toBe(
      'kept',
    );
    expect(decoded.ok && decoded.properties['constructor']).toBe('too');
  });

  it.each(['', 'a`b', 'a\0b', '\ud800'])('leaves out a field named %j, and says so', (field) => {
    const { properties, salvaged } = decode({ [field]: 'x' });
    expect(Object.keys(properties)).not.toContain(field);
    expect(salvaged).toEqual([{ field, rule: 'its name cannot be a property: left out' }]);
  });

  it('takes the id from the point, and says where the payload names another', () => {
    expect(decode({ id: ID.toUpperCase(), memory_id: ID })).toMatchObject({
      properties: { id: ID },
      salvaged: [],
    });
    expect(decode({ memory_id: 'another' })).toMatchObject({
      properties: { id: ID },
      salvaged: [
        { field: 'memory_id', rule: 'was the text "another", which is not the id of its point: left out' },
      ],
    });
  });

  it('shortens long texts in what it says', () => {
    const [salvage] = decode({ importance: 'x'.repeat(1000) }).salvaged;
    expect(salvage?.rule.length).toBeLessThan(120);
  });

  it('makes something that the graph can hold of any payload with content, and reports every loss', () => {
    const anyPayload = fc.record(
      {
        content: fc.oneof(anyValue, fc.constant('text')),
        tags: anyValue,
        type: anyValue,
        importance: anyValue,
        metadata: anyValue,
        timestamp: anyValue,
        archived: anyValue,
        other: fc.dictionary(anyKey, anyValue, { maxKeys: 4, noNullPrototype: true }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyPayload, ({ other, ...fields }) => {
        const decoded = decodePayload(ID, { ...other, ...(fields as ValueMap) });
        if (!decoded.ok) return;
        const { properties, salvaged } = decoded;
        for (const [key, value] of Object.entries(properties))
          expect({ key, ok: isStorable(value) }).toEqual({ key, ok: true });
        expect(properties['tag_prefixes']).toEqual(tagPrefixes(properties['tags'] as string[]));
        expect(parseJson(properties['metadata'] as string)).toBeTypeOf('object');
        const known = new Set([
          ...Object.keys(properties),
          ...salvaged.map(({ field }) => field),
          'tag_prefixes',
        ]);
        for (const [key, value] of Object.entries({ ...other, ...fields })) {
          if (value !== null) expect([...known]).toContain(key);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('isStorable', () => {
  it.each<[Value, boolean]>([
    [1, true],
    [new Double(NaN), true],
    [true, true],
    ['text', true],
    ['', true],
    [[], true],
    [[[1], ['a']], true],
    [2n ** 63n - 1n, true],
    [-(2n ** 63n), true],
    [2n ** 63n, false],
    [null, false],
    [[null], false],
    [[[null]], false],
    [{}, false],
    [[{}], false],
    ['a\0', false],
    ['\udc00', false],
  ])('of %o is %s', (value, storable) => {
    expect(isStorable(value)).toBe(storable);
  });
});
