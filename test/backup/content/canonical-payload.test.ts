import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CanonicalPayloads } from '../../../src/backup/content/canonical-payload.js';
import { canonicalText } from '../../../src/backup/content/digest.js';
import { parseJson } from '../../../src/memory/json.js';

const payloads = new CanonicalPayloads();

/** The long way: read into values, and those printed. */
const printed = (text: string): string => canonicalText(parseJson(text));

const HARD = [
  'null',
  '{}',
  '{"a":{}}',
  '{"b":1,"a":2}',
  '{"b":{"d":[{"z":1,"y":[]}],"c":null},"a":[true,false,null]}',
  '{"a":1,"a":2}',
  '{"b":{"a":1,"b":2,"a":3}}',
  '{"ab":1,"a":2,"a!":3,"a b":4,"":5}',
  '{"n":[0,-0,1,-1,1.0,-0.0,0.10,1.50,100.0,1e5,1E5,1.5e-7,0.0001,0.00001,-0.00001234,123456789012345678901234567890]}',
  '{"n":[0.1234567890123456,1234567890123456.5,99999999999999.9,0.30000000000000004,1e400,9007199254740993,5e-324]}',
  '{"n":[NaN,Infinity,-Infinity]}',
  '{"t":"\\u00e9\\u00E9\\u0041\\/\\b\\f\\n\\r\\t\\u000a\\u0007\\u001f\\u007f"}',
  '{"t":"é🧠","u":"\\ud83e\\udde0","v":"\\uD83E\\uDDE0","w":"\\ud83e"}',
  '{"t":"\\\\","u":"\\\\\\"","v":"\\\\u0041","w":"\\"","x\\"y":1,"x\\\\":2}',
  '{"t":"\u007f"}',
  '{"t":"a,b}c]d:e{f[g"}',
  '{"__proto__":{"a":1},"constructor":2,"b":3}',
  '"text"',
  '[1,"a",{"b":2,"a":1}]',
];

describe('a payload in canonical form', () => {
  it.each(HARD)('is what printing its values gives: %s', (text) => {
    // Twice: the second time its keys are known.
    for (let time = 0; time < 2; time++) expect(payloads.of(text).text).toBe(printed(text));
  });

  it('is what printing its values gives, whatever it holds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ depthSize: 'small' })), (value) => {
        const text = JSON.stringify(value);
        const ascii = text.replace(
          /[\u0080-\uffff]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        );
        for (const one of [text, ascii]) expect(payloads.of(one).text).toBe(printed(one));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the same for every number that is written in another way', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$/);
    fc.assert(
      fc.property(digits, (literal) => {
        expect(payloads.of(`{"a":${literal}}`).text).toBe(printed(`{"a":${literal}}`));
      }),
      { numRuns: 5_000 },
    );
  });

  it('gives the type of the memory', () => {
    const type = (text: string): string => payloads.of(text).type;
    expect(type('{"a":1,"type":"Decision"}')).toBe('Decision');
    expect(type('{"type":"Dec\\u00e9\\"sion"}')).toBe('Decé"sion');
    expect(type('{"type":"é"}')).toBe('é');
    expect(type('{"type":"A","type":"B"}')).toBe('B');
    for (const none of ['{"type":1}', '{"type":null}', '{"metadata":{"type":"X"}}', '{}', 'null', '["type"]'])
      expect(type(none)).toBe('');
  });

  it('keeps no more than a limited number of keys, and is right beyond it', () => {
    const wild = new CanonicalPayloads();
    for (let at = 0; at < 12_000; at++) {
      const text = `{"z${at}":1,"a${at}":{"c":2,"b":1}}`;
      expect(wild.of(text).text).toBe(`{"a${at}": {"b": 1, "c": 2}, "z${at}": 1}`);
    }
    const long = `{${Array.from({ length: 30_000 }, (_, at) => `"k${30_000 - at}":${at}`).join(',')}}`;
    expect(wild.of(long).text).toBe(printed(long));
  });
});
