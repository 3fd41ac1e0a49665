import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  fieldsOf,
  fingerprintNode,
  fingerprintPayload,
  sameValue,
  SHARED_FIELDS,
  sharedField,
} from '../../src/memory/fingerprint.js';
import { printPythonJson } from '../../src/memory/json.js';
import { Double, double, type Value, type ValueMap } from '../../src/memory/values.js';
import { anyKey, anyText, anyValue } from './arbitrary-values.js';

const PAYLOAD: ValueMap = {
  content: 'Chose PostgreSQL',
  tags: ['db', 'entity:tools:postgres'],
  tag_prefixes: ['db', 'entity', 'entity:tools', 'entity:tools:postgres'],
  importance: 0.8,
  timestamp: '2026-11-20T10:00:00+00:00',
  type: 'Decision',
  confidence: 0.9,
  metadata: { source: 'chat', enrichment: { score: 0.8234567890123456, ids: [1, 2, 3] } },
  updated_at: '2026-11-20T10:00:00+00:00',
  last_accessed: '2026-11-20T10:00:00+00:00',
  relevance_score: null,
};

/** The node that AutoMem writes beside a payload. */
function nodeOf(payload: ValueMap): ValueMap {
  return {
    id: '9c0bb0f4-0000-4000-8000-000000000001',
    ...Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== null)),
    metadata: printPythonJson(payload['metadata'] ?? {}),
    last_accessed: '2026-11-21T00:00:00+00:00',
    processed: true,
    enriched: true,
    summary: 'a summary',
  };
}

function isRecognised(payload: ValueMap, node: ValueMap): boolean {
  const { hash, provided } = fingerprintPayload(payload);
  return fingerprintNode(node, provided) === hash;
}

/** What callers do where fingerprints differ. */
function differences(payload: ValueMap, node: ValueMap): string[] {
  const fields = fieldsOf(fingerprintPayload(payload).provided);
  return fields.filter((field) => !sameValue(sharedField(payload, field), sharedField(node, field)));
}

describe('a payload and the node that AutoMem wrote beside it', () => {
  it('have the same fingerprint, though the node holds more and is read more often', () => {
    expect(isRecognised(PAYLOAD, nodeOf(PAYLOAD))).toBe(true);
    expect(fingerprintPayload(PAYLOAD)).toMatchObject({ damaged: 0 });
    expect(fieldsOf(fingerprintPayload(PAYLOAD).provided)).toEqual([
      'content',
      'tags',
      'importance',
      'timestamp',
      'type',
      'confidence',
      'metadata',
      'updated_at',
    ]);
  });

  it('are the same whatever the memory holds: by fingerprint, or field by field where that differs', () => {
    let recognised = 0;
    let all = 0;
    fc.assert(
      fc.property(memory, (fields) => {
        const payload = fields as ValueMap;
        const node = nodeOf(payload);
        all++;
        // The native parser may confuse keys of metadata that hold escapes, hence the second look.
        if (isRecognised(payload, node)) recognised++;
        else expect(differences(payload, node)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
    expect(recognised).toBeGreaterThan(all * 0.98);
  });

  const metadata = fc.dictionary(anyKey, anyValue, { maxKeys: 5, noNullPrototype: true });
  const memory = fc.record(
    {
      content: anyText,
      tags: fc.array(anyText, { maxLength: 4 }),
      importance: fc.double({ noNaN: true }).map(double),
      timestamp: fc.constant('2026-11-20T10:00:00.5+00:00'),
      type: fc.constantFrom('Decision', 'Context', 'own-type'),
      confidence: fc.constantFrom<Value>(0, 1, new Double(1), 0.3),
      metadata,
      relevance_score: fc.option(fc.double({ min: 0, max: 1, noNaN: true }).map(double)),
      archived: fc.boolean(),
      t_valid: anyText,
      t_invalid: fc.constant(null),
    },
    { requiredKeys: ['content', 'timestamp', 'type'] },
  );

  it('have the same fingerprint when keys of the metadata come in another order', () => {
    const node = nodeOf(PAYLOAD);
    const turned = '{"enrichment": {"ids": [1, 2, 3], "score": 0.8234567890123456}, "source": "chat"}';
    expect(node['metadata']).not.toBe(turned);
    expect(isRecognised(PAYLOAD, { ...node, metadata: turned })).toBe(true);
  });

  it('have the same fingerprint when one side counts in integers and the other in doubles', () => {
    expect(
      isRecognised({ ...PAYLOAD, importance: 1 }, nodeOf({ ...PAYLOAD, importance: new Double(1) })),
    ).toBe(true);
  });

  it('have different fingerprints as soon as a field that the payload provides differs', () => {
    const changes: [string, Value][] = [
      ['content', 'Chose PostgreSQL.'],
      ['content', 'chose PostgreSQL'],
      ['content', 'Chose PsotgreSQL'],
      ['tags', ['entity:tools:postgres', 'db']],
      ['tags', ['db']],
      ['tags', ['dbentity:tools:postgres']],
      ['importance', 0.81],
      ['importance', '0.8'],
      ['timestamp', '2026-11-20T10:00:01+00:00'],
      ['type', 'Context'],
      ['type', 'str'],
      ['metadata', { source: 'chat', enrichment: { score: 0.8234567890123456, ids: [1, 2, '3'] } }],
      ['metadata', { source: 'chat', enrichment: { score: 0.8234567890123456, ids: [1, 3, 2] } }],
      ['metadata', { source: 'chat', enrichment: { score: 0.8234567890123456, id: [1, 2, 3] } }],
      ['metadata', { source: 'chat' }],
      ['metadata', {}],
    ];
    for (const [field, value] of changes) {
      expect({ field, value, same: isRecognised(PAYLOAD, nodeOf({ ...PAYLOAD, [field]: value })) }).toEqual({
        field,
        value,
        same: false,
      });
    }
    expect(isRecognised(PAYLOAD, { ...nodeOf(PAYLOAD), content: null })).toBe(false);
  });

  it('have different fingerprints when any character of the content changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), fc.nat(), (content, where) => {
        const at = where % content.length;
        const unit = String.fromCharCode(content.charCodeAt(at) ^ 1);
        const changed = content.slice(0, at) + unit + content.slice(at + 1);
        expect(isRecognised({ ...PAYLOAD, content }, nodeOf({ ...PAYLOAD, content: changed }))).toBe(false);
      }),
    );
  });

  it.each([
    [1763700000123456, 1763700000123470],
    [1234567890123456, 1234567890123457],
    [2 ** 53 - 1, 2 ** 53 - 2],
  ])('have different fingerprints for integers as near as %d and %d', (before, after) => {
    const payload = { ...PAYLOAD, metadata: { at: before } };
    expect(isRecognised(payload, nodeOf({ ...PAYLOAD, metadata: { at: after } }))).toBe(false);
    expect(isRecognised(payload, nodeOf(payload))).toBe(true);
  });

  it('have the same fingerprint for nearly all doubles of which the graph gives 15 digits', () => {
    const all = 2000;
    let same = 0;
    for (let i = 1; i <= all; i++) {
      const importance = Math.abs(Math.sin(i));
      const node = nodeOf({ ...PAYLOAD, importance: Number(importance.toPrecision(15)) });
      if (isRecognised({ ...PAYLOAD, importance }, node)) same++;
    }
    expect(same).toBeGreaterThan(all * 0.8);
  });

  it('survive metadata text that is nested beyond all measure', () => {
    const metadata = '['.repeat(200_000) + ']'.repeat(200_000);
    const deep = `{"a": ${metadata}}`;
    expect(isRecognised({ ...PAYLOAD, metadata: deep }, { ...nodeOf(PAYLOAD), metadata: deep })).toBe(true);
    expect(sharedField({ metadata: deep }, 'metadata')).toBeUndefined();
  });
});

describe('fingerprintPayload', () => {
  it.each<[string, Value, string[]]>([
    ['type is the name of a language type', { ...PAYLOAD, type: 'str' }, ['type']],
    ['type is missing', { content: 'c', timestamp: 't' }, ['type']],
    ['tags are one text', { ...PAYLOAD, tags: 'a,b' }, ['tags']],
    ['one tag is a number', { ...PAYLOAD, tags: ['a', 1] }, ['tags']],
    ['importance is a text', { ...PAYLOAD, importance: '0.8' }, ['importance']],
    ['metadata is a list', { ...PAYLOAD, metadata: [] }, ['metadata']],
    ['metadata is text but no JSON', { ...PAYLOAD, metadata: 'x' }, ['metadata']],
    ['archived is a number', { ...PAYLOAD, archived: 1 }, ['archived']],
    ['content is an object', { ...PAYLOAD, content: {} }, ['content']],
    ['there is no payload', null, ['content', 'timestamp', 'type']],
    ['the payload is a list', [], ['content', 'timestamp', 'type']],
  ])('names the damage where %s', (_, payload, fields) => {
    expect(fieldsOf(fingerprintPayload(payload).damaged)).toEqual(fields);
  });

  it('takes metadata that is JSON text as the graph has it, also with NaN in it', () => {
    const payload = { ...PAYLOAD, metadata: '{"score": NaN}' };
    expect(fingerprintPayload(payload).damaged).toBe(0);
    expect(isRecognised(payload, { ...nodeOf(PAYLOAD), metadata: '{"score": NaN}' })).toBe(true);
  });

  it('gives whole numbers of 53 bits at most, spread over different contents', () => {
    const hashes = Array.from(
      { length: 20_000 },
      (_, i) => fingerprintPayload({ content: `memory ${i}` }).hash,
    );
    expect(hashes.every((hash) => Number.isSafeInteger(hash) && hash >= 0)).toBe(true);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('has a bit for every shared field, within the 16 that an index of points keeps', () => {
    expect(SHARED_FIELDS.length).toBeLessThanOrEqual(16);
    expect(fieldsOf(2 ** SHARED_FIELDS.length - 1)).toEqual([...SHARED_FIELDS]);
  });
});

describe('sameValue', () => {
  it('holds for any value and itself', () => {
    fc.assert(fc.property(anyValue, (value) => sameValue(value, structuredCopy(value))));
  });

  it.each<[Value | undefined, Value | undefined, boolean]>([
    [1, new Double(1), true],
    [0, new Double(-0), true],
    [0.1 + 0.2, 0.3, true],
    [0.1234567890123456, 0.123456789012346, true],
    [0.12345678901234, 0.12345678901235, false],
    [1, 1.0000000001, false],
    [1, '1', false],
    [0, null, false],
    [0, false, false],
    ['', null, false],
    [null, null, true],
    [undefined, undefined, true],
    [undefined, null, false],
    [new Double(NaN), new Double(NaN), true],
    [new Double(NaN), 0.5, false],
    [new Double(Infinity), new Double(Infinity), true],
    [new Double(Infinity), 0.5, false],
    [new Double(Infinity), new Double(-Infinity), false],
    [1763700000123456, 1763700000123457, false],
    [12345678901234567890n, 12345678901234567891n, false],
    [12345678901234567890n, 12345678901234567890n, true],
    [2n ** 60n, new Double(2 ** 60), true],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [{ a: 1, b: [2] }, { b: [2], a: 1 }, true],
    [{ a: null }, {}, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: 1 }, { a: 1, b: 1 }, false],
  ])('of %o and %o is %s', (a, b, same) => {
    expect(sameValue(a, b)).toBe(same);
    expect(sameValue(b, a)).toBe(same);
  });

  it('finds no field in what objects inherit', () => {
    expect(sameValue({ constructor: 1 }, { other: 1 })).toBe(false);
    expect(sameValue(JSON.parse('{"__proto__": 1}') as Value, { a: 1 })).toBe(false);
  });
});

function structuredCopy(value: Value): Value {
  if (value instanceof Double) return new Double(value.value);
  if (Array.isArray(value)) return value.map(structuredCopy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, structuredCopy(field)]),
  );
}
