import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { rawObjects, valueEnd } from '../../src/memory/json-skip.js';
import { anyKey } from './arbitrary-values.js';

const anyJson = fc.jsonValue({ stringUnit: 'binary' });
const plainKey = anyKey.filter((key) => !/["\\\p{Cc}\ud800-\udfff]/u.test(key));

describe('valueEnd', () => {
  it('finds the end of any value in the midst of a text', () => {
    const space = fc.constantFrom(undefined, 1);
    fc.assert(
      fc.property(
        anyJson,
        space,
        fc.constantFrom('', ',1', ']', '}', ' ', '\n"x"'),
        (value, indent, after) => {
          const text = JSON.stringify(value, null, indent);
          expect(valueEnd(`[${text}${after}`, 1)).toBe(text.length + 1);
        },
      ),
    );
  });

  it.each(['"abc', '"a\\"', '[1,2', '{"a":{}', '["]"', '{"a":"}"'])(
    'refuses %s, which is cut short',
    (text) => {
      expect(() => valueEnd(text, 0)).toThrow(RangeError);
    },
  );
});

describe('rawObjects', () => {
  it('cuts the fields out as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(plainKey, anyJson), { maxLength: 4 }), (objects) => {
        const found = rawObjects(`{"points":${JSON.stringify(objects)},"x":1}`, 10);
        const written = objects.map(
          (one) => new Map(Object.entries(one).map(([k, v]) => [k, JSON.stringify(v)])),
        );
        expect(found.map((fields) => [...fields])).toEqual(written.map((fields) => [...fields]));
      }),
    );
  });

  it('leaves numbers as they are, whatever white space is around', () => {
    expect(rawObjects(' [ { "id" : 1.0 , "v":[1e-05, -0.0 ] } , {} ] ', 1)).toEqual([
      new Map([
        ['id', '1.0'],
        ['v', '[1e-05, -0.0 ]'],
      ]),
      new Map(),
    ]);
  });

  it.each(['[{"a":1}', '[{"a":1', '[{"a"', '[1]', '[{a:1}]', '{}'])('refuses %s', (text) => {
    expect(() => rawObjects(text, 0)).toThrow(RangeError);
  });
});
