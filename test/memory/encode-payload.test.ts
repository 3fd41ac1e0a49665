import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodePayload, payloadPatch, payloadValue } from '../../src/memory/encode-payload.js';
import {
  SHARED_FIELDS,
  differingField,
  fieldsOf,
  fingerprintNode,
  fingerprintPayload,
  sameValue,
  sharedField,
} from '../../src/memory/fingerprint.js';
import { withoutDamage } from '../../src/memory/graph-damage.js';
import { parseJson, printPythonJson } from '../../src/memory/json.js';
import { decodePayload } from '../../src/memory/payload.js';
import { tagPrefixes } from '../../src/memory/tags.js';
import { Double, double, type Value, type ValueMap } from '../../src/memory/values.js';
import { anyKey, anyValue, sorted, tag } from './arbitrary-values.js';

const ID = '9c0bb0f4-0000-4000-8000-000000000001';
const TIME = '2026-11-20T10:00:00+00:00';
const LATER = '2026-11-20T12:00:00+00:00';
const NODE: ValueMap = {
  id: ID,
  content: 'Chose PostgreSQL',
  tags: ['DB', 'entity:tools:postgres'],
  tag_prefixes: ['stale'],
  importance: 0.8,
  timestamp: TIME,
  type: 'Decision',
  confidence: new Double(1),
  metadata: '{"source": "chat", "score": 1.0, "count": 1, "big": 9007199254740993}',
  updated_at: TIME,
  last_accessed: LATER,
  t_valid: TIME,
  processed: true,
  summary: 'PostgreSQL',
  protected: true,
};

/** What both stores can hold of a text. */
const text = fc.string({ unit: 'grapheme-composite', maxLength: 12 }).map((one) => one.replaceAll('\0', ''));
const time = fc
  .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
  .map((date) => date.toISOString().replace('Z', '+00:00'));
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(double),
  fc.maxSafeInteger().map((value) => value + 0),
);
/** Metadata as services write it: what Qdrant can hold. */
const metadata = fc
  .array(fc.tuple(anyKey, anyValue), { maxLength: 4 })
  .map((entries) => payloadValue(Object.fromEntries(entries)));

/** A memory as AutoMem writes it, with all that it may have. */
const node: fc.Arbitrary<ValueMap> = fc
  .record(
    {
      content: text,
      tags: fc.array(text, { maxLength: 4 }),
      importance: number,
      timestamp: time,
      type: fc.constantFrom('Decision', 'Memory', 'Eigenart'),
      confidence: number,
      metadata: metadata.map(printPythonJson),
      updated_at: time,
      last_accessed: time,
      tag_prefixes: fc.array(text, { maxLength: 2 }),
      relevance_score: number,
      archived: fc.boolean(),
      t_valid: time,
      t_invalid: time,
      processed: fc.boolean(),
      summary: text,
    },
    {
      requiredKeys: [
        'content',
        'tags',
        'importance',
        'timestamp',
        'type',
        'confidence',
        'metadata',
        'updated_at',
        'last_accessed',
      ],
    },
  )
  .map((properties) => ({ id: ID, ...properties }));

describe('encodePayload', () => {
  it('writes what AutoMem writes, and nothing that only the graph holds', () => {
    expect(encodePayload(NODE)).toEqual({
      content: 'Chose PostgreSQL',
      tags: ['DB', 'entity:tools:postgres'],
      tag_prefixes: ['db', 'entity', 'entity:tools', 'entity:tools:postgres'],
      importance: 0.8,
      timestamp: TIME,
      type: 'Decision',
      confidence: new Double(1),
      updated_at: TIME,
      last_accessed: LATER,
      metadata: { source: 'chat', score: new Double(1), count: 1, big: 9007199254740993n },
      t_valid: TIME,
    });
  });

  it('gives what is missing the defaults of the embedding worker', () => {
    expect(encodePayload({ id: ID, content: 'x', timestamp: TIME })).toEqual({
      content: 'x',
      tags: [],
      tag_prefixes: [],
      importance: 0.5,
      timestamp: TIME,
      type: 'Memory',
      confidence: 0.5,
      updated_at: TIME,
      last_accessed: TIME,
      metadata: {},
    });
    expect(encodePayload({ t_valid: LATER })).toMatchObject({ timestamp: LATER, updated_at: LATER });
    expect(encodePayload({ content: 'x' })).not.toHaveProperty('timestamp');
  });

  it('keeps odd values as the graph has them', () => {
    const odd: ValueMap = { importance: 'high', type: 7, tags: 'a,b', tag_prefixes: ['a'], archived: 'yes' };
    expect(encodePayload(odd)).toMatchObject(odd);
  });

  it.each([
    ['not json', 'not json'],
    ['["a"]', '["a"]'],
    ['7', '7'],
    ['', {}],
    [' ', {}],
    ['{}', {}],
    ['{"a": NaN}', { a: 'NaN' }],
    ['{"a": [-Infinity, "\\ud83d"]}', { a: ['-Infinity', '\ufffd'] }],
  ])('makes of the metadata %j: %j', (stored, expected) => {
    expect(encodePayload({ ...NODE, metadata: stored })['metadata']).toEqual(expected);
  });

  it('holds what is nested too deep for Qdrant as text, and keys such as __proto__', () => {
    let deep = '1';
    for (let level = 0; level < 300; level++) deep = `[${deep}]`;
    const { metadata: encoded } = encodePayload({
      ...NODE,
      metadata: `{"deep": ${deep}, "__proto__": {"a": NaN}}`,
    });
    const printed = printPythonJson(encoded ?? null);
    expect(printed).toContain('"__proto__": {"a": "NaN"}');
    const depth = /\[+/.exec(printed)?.[0].length ?? 0;
    expect(depth).toBeGreaterThan(100);
    expect(depth).toBeLessThan(124);
    expect(printed.match(/[[\]]/g)).toHaveLength(600);
  });

  it('is undone by decodePayload, field by field', () => {
    fc.assert(
      fc.property(node, (properties) => {
        const decoded = decodePayload(ID, encodePayload(properties));
        if (!decoded.ok) throw new Error(decoded.reason);
        expect(decoded.salvaged).toEqual([]);
        for (const field of SHARED_FIELDS) {
          if (field === 'metadata' || (field === 't_valid' && properties[field] === undefined)) continue;
          expect(decoded.properties[field], field).toEqual(properties[field]);
        }
        expect(decoded.properties['last_accessed']).toEqual(properties['last_accessed']);
        expect(decoded.properties['tag_prefixes']).toEqual(tagPrefixes(properties['tags'] as string[]));
        expect(asTags(decoded.properties['metadata'])).toEqual(asTags(properties['metadata']));
      }),
    );
  });

  it('gives a payload whose fingerprint is that of the node', () => {
    fc.assert(
      fc.property(node, (properties) => {
        const payload = encodePayload(properties);
        const { hash, provided, damaged } = fingerprintPayload(payload);
        expect(damaged).toBe(0);
        expect(differingField(payload, properties, provided)).toBeNull();
        // The hash is made with the native parser, which may confuse keys that hold escapes.
        const isHashExact = !(properties['metadata'] as string).includes('\\');
        if (isHashExact) expect(fingerprintNode(properties, provided)).toBe(hash);
        expect(fieldsOf(provided)).toEqual(SHARED_FIELDS.filter((field) => properties[field] !== undefined));
      }),
    );
  });
});

function asTags(stored: Value | undefined) {
  return sorted(tag(parseJson(stored as string)));
}

describe('payloadValue', () => {
  it('leaves alone what Qdrant holds, and makes everything else so', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const held = payloadValue(value);
        expect(payloadValue(held)).toBe(held);
        const printed = printPythonJson(held);
        expect(() => void JSON.parse(printed)).not.toThrow();
        expect(parseAll(printed).isWellFormed()).toBe(true);
      }),
    );
  });
});

/** Every text in it, one after the other. */
function parseAll(printed: string): string {
  return [...printed.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([one]) => JSON.parse(one) as string).join('\n');
}

describe('payloadPatch', () => {
  const patch = (changes: ValueMap, node = NODE) =>
    payloadPatch({ ...encodePayload(NODE), ...changes }, node);

  it.each<[string, ValueMap]>([
    ['is what the graph says', {}],
    ['has fields of its own', { note: 'mine', id: ID }],
    ['knows an older access', { last_accessed: TIME }],
    ['has a whole double as an integer', { confidence: 1 }],
    ['leaves out a t_valid that is the timestamp', { t_valid: null }],
    ['holds nulls', { relevance_score: null, archived: null, t_invalid: null }],
    ['has a last digit that a reader changed', { importance: 0.8000000000000002 }],
  ])('asks for nothing where the payload %s', (_, changes) => {
    expect(patch(changes)).toBeNull();
  });

  it.each<[string, ValueMap, ValueMap, string[]]>([
    ['another content', { content: 'old' }, { content: 'Chose PostgreSQL' }, []],
    [
      'an older access too',
      { type: 'x', last_accessed: TIME },
      { type: 'Decision', last_accessed: LATER },
      [],
    ],
    ['metadata as text', { metadata: NODE['metadata'] ?? null }, { metadata: metadataOfNode() }, []],
    ['an end of validity', { t_invalid: LATER }, {}, ['t_invalid']],
    ['a mark as archived', { archived: true, relevance_score: 0.1 }, {}, ['relevance_score', 'archived']],
    [
      'stale prefixes',
      { tag_prefixes: [] },
      { tag_prefixes: ['db', 'entity', 'entity:tools', 'entity:tools:postgres'] },
      [],
    ],
  ])('mends a payload with %s', (_, changes, set, unset) => {
    expect(patch(changes)).toEqual({ set, delete: unset });
  });

  it('sets a t_valid that hides the memory, and the mark of an archived one', () => {
    const hidden = { ...NODE, t_valid: LATER, archived: true };
    expect(patch({ t_valid: null }, hidden)).toEqual({ set: { archived: true, t_valid: LATER }, delete: [] });
  });

  it('makes a whole payload of none', () => {
    expect(payloadPatch(null, NODE)).toEqual({ set: encodePayload(NODE), delete: [] });
    expect(payloadPatch('text', NODE)?.set).toEqual(encodePayload(NODE));
  });

  it('brings any payload to what the graph says, as far as it is whole, and leaves other fields alone', () => {
    const payload = fc.oneof(
      node.map(encodePayload),
      fc.dictionary(fc.oneof(fc.constantFrom(...SHARED_FIELDS, 'note', 'last_accessed'), text), anyValue),
    );
    fc.assert(
      fc.property(payload, node, (before, properties) => {
        const asked = payloadPatch(before, properties);
        const after = { ...before, ...asked?.set };
        for (const field of asked?.delete ?? []) Reflect.deleteProperty(after, field);
        expect(payloadPatch(after, properties)).toBeNull();
        const whole = withoutDamage(properties, before);
        for (const field of SHARED_FIELDS) {
          const says = sharedField(after, field);
          if (says === undefined && field === 't_valid') continue;
          expect(sameValue(says, sharedField(whole, field)) || says === whole[field], field).toBe(true);
        }
        const known = new Set<string>([...SHARED_FIELDS, 'tag_prefixes', 'last_accessed']);
        for (const key of Object.keys(before)) {
          if (!known.has(key)) expect(after[key]).toBe(before[key]);
        }
      }),
    );
  });
});

function metadataOfNode(): Value {
  return encodePayload(NODE)['metadata'] ?? null;
}
