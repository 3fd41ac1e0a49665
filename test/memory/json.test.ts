import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  IncompleteJson,
  InvalidJson,
  JsonReader,
  MAX_DEPTH,
  parseJson,
  printPythonJson,
} from '../../src/memory/json.js';
import { Double, type Value } from '../../src/memory/values.js';
import { anyValue, PYTHON_TAGS, sorted, tag, type Tagged } from './arbitrary-values.js';
import { python } from './python.js';

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

/** What went wrong, with its offset, or the value. */
function attempt(text: string): Value | InvalidJson {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof InvalidJson) return error;
    throw error;
  }
}

describe('printPythonJson', () => {
  it('writes what json.dumps writes, for any value', () => {
    const values = fc.sample(anyValue, 3000);
    const texts = python(
      `${PYTHON_TAGS}\nanswer = [json.dumps(untag(value)) for value in data]`,
      values.map(tag),
    ) as string[];
    for (const [i, value] of values.entries()) expect(printPythonJson(value)).toBe(texts[i]);
  });

  it.each([
    [1, '1'],
    [new Double(1), '1.0'],
    [new Double(-0), '-0.0'],
    [new Double(1e16), '1e+16'],
    [new Double(1e22), '1e+22'],
    [1.5e-7, '1.5e-07'],
    [0.0001, '0.0001'],
    [5e-324, '5e-324'],
    [new Double(NaN), 'NaN'],
    [new Double(-Infinity), '-Infinity'],
    [2n ** 53n + 1n, '9007199254740993'],
    ['é\u007f🧠\ud800', '"\\u00e9\\u007f\\ud83e\\udde0\\ud800"'],
    [{ a: [], b: {} }, '{"a": [], "b": {}}'],
  ] satisfies [Value, string][])('writes %s as %s', (value, text) => {
    expect(printPythonJson(value)).toBe(text);
  });
});

describe('parseJson', () => {
  it('gives back any value that was printed', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(tag(parseJson(printPythonJson(value)))).toEqual(tag(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('reads what Python reads and refuses what Python refuses, also in texts with a slip', () => {
    const slip = fc.tuple(
      anyValue.map(printPythonJson),
      fc.nat(),
      fc.nat({ max: 2 }),
      fc.constantFrom(...Array.from('{}[]",:\\ \n\t\0-+.eE019nNtIfué\ud800')),
    );
    const texts = fc.sample(slip, 4000).map(([text, where, removed, added]) => {
      const at = where % (text.length + 1);
      return text.slice(0, at) + added + text.slice(at + removed);
    });
    const wanted = python(
      `${PYTHON_TAGS}
def read(text):
    try: return tag(json.loads(text, strict=False))
    except ValueError: return 'refused'
answer = [read(text) for text in data]`,
      texts,
    ) as (Tagged | 'refused')[];
    for (const [i, text] of texts.entries()) {
      const found = attempt(text);
      const described = found instanceof InvalidJson ? 'refused' : sorted(tag(found));
      const expected = wanted[i] as Tagged | 'refused';
      expect({ text, found: described }).toEqual({
        text,
        found: expected === 'refused' ? expected : sorted(expected),
      });
    }
  });

  it.each([
    ['1', 1],
    ['1.0', new Double(1)],
    ['1e0', new Double(1)],
    ['-0', 0],
    ['-0.0', new Double(-0)],
    ['1e22', new Double(1e22)],
    ['1e400', new Double(Infinity)],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['NaN', new Double(NaN)],
    ['Infinity', new Double(Infinity)],
    ['-Infinity', new Double(-Infinity)],
    ['0.1', 0.1],
    ['"\\ud83e\\udde0"', '🧠'],
    ['"\\ud83e"', '\ud83e'],
    ['"\\\\\\""', '\\"'],
    ['"a\tb\\n\u0001"', 'a\tb\n\u0001'],
    [' \r\n\t[ 1 , 2 ] ', [1, 2]],
  ] satisfies [string, Value][])('reads %s without loss', (text, value) => {
    expect(parseJson(text)).toStrictEqual(value);
  });

  it('keeps keys that JavaScript treats in its own way', () => {
    const map = parseJson('{"__proto__": {"x": 1}, "constructor": null, "7": "seven", "": 0}') as Record<
      string,
      Value
    >;
    expect(Object.keys(map).sort()).toEqual(['', '7', '__proto__', 'constructor']);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(map, '__proto__')?.value).toEqual({ x: 1 });
  });

  it('tells keys apart that differ only in how they are escaped', () => {
    // The native parser may take one escaped key for another after it has seen many objects of one shape.
    const keys = ['a\\', 'a\\\\', 'a"', 'a\\"', '\\u0041', 'A', '\\', '"'];
    for (let round = 0; round < 200; round++) {
      const entries = keys.map((key, i) => [key, i + round]);
      const text = JSON.stringify(Object.fromEntries(entries));
      expect(Object.entries(parseJson(text) as object)).toEqual(entries);
    }
  });

  it('lets the last of two equal keys win, as Python does', () => {
    expect(parseJson('{"a": 1, "b": 2, "a": 3}')).toEqual({ a: 3, b: 2 });
  });

  it.each([
    ['', 0, 'the text ends inside a value'],
    ['[1, 2', 5, 'the text ends inside a value'],
    ['"abc', 4, 'the text ends inside a value'],
    ['nul', 3, 'the text ends inside a value'],
    ['[1.', 3, 'the text ends inside a value'],
    ['-1.5e+', 6, 'the text ends inside a value'],
    ['[-Inf', 5, 'the text ends inside a value'],
    ['nil', 0, 'expected "null"'],
    ['-Info', 0, 'expected "-Infinity"'],
    ['[1 2]', 3, 'expected "," or "]" but found "2"'],
    ['[1,]', 3, 'expected a value but found "]"'],
    ['[,1]', 1, 'expected a value but found ","'],
    ['{"a" 1}', 5, 'expected ":" but found "1"'],
    ['{"a": 1 "b"}', 8, 'expected "," or "}" but found "\\""'],
    ['{"a": 1,}', 8, 'expected a key'],
    ['{a: 1}', 1, 'expected a key'],
    ['01', 0, 'expected a value but found "0"'],
    ['[1.]', 1, 'expected a value but found "1"'],
    ['-NaN', 0, 'expected a value but found "-"'],
    ['+1', 0, 'expected a value but found "+"'],
    ["'a'", 0, 'expected a value but found "\'"'],
    ['["ok", "\\x41"]', 7, 'a string holds an invalid escape'],
    ['"\\u12G4"', 0, 'a string holds an invalid escape'],
    ['{} {}', 3, 'something follows the value'],
    ['\ufeff{}', 0, 'expected a value but found "\ufeff"'],
  ])('refuses %j at character %i: %s', (text, offset, message) => {
    const error = attempt(text);
    expect(error).toBeInstanceOf(InvalidJson);
    expect(error).toMatchObject({ offset, message: `${message} at character ${offset}` });
  });

  it('follows values as deep as Python does and refuses deeper ones in words', () => {
    expect(printPythonJson(parseJson(nested(MAX_DEPTH)))).toBe(nested(MAX_DEPTH));
    const tooDeep = {
      offset: MAX_DEPTH + 1,
      message: expect.stringContaining('nested deeper than 1000 levels') as string,
    };
    expect(attempt(nested(10_000))).toMatchObject(tooDeep);
    expect(attempt('['.repeat(1_000_000))).toMatchObject(tooDeep);
    expect(attempt('{"a":'.repeat(10_000))).toBeInstanceOf(InvalidJson);
  });

  it('counts depth, not how many values there are', () => {
    const wide = `[${Array.from({ length: 5000 }, () => '[{}]').join(',')}]`;
    expect(parseJson(wide)).toHaveLength(5000);
  });
});

describe('JsonReader', () => {
  it('never takes the beginning of a text for a whole value, nor for an invalid one', () => {
    fc.assert(
      fc.property(anyValue, fc.constantFrom('', ' ', '\n'), (value, after) => {
        const text = printPythonJson(value) + after;
        for (let length = 0; length <= text.length; length++) {
          try {
            const found = new JsonReader(text.slice(0, length), false).value();
            expect(tag(found)).toEqual(tag(value));
          } catch (error) {
            if (!(error instanceof IncompleteJson)) throw error;
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each(['-Infinity', 'Infinity', 'NaN', 'true', 'false', 'null', '-1.5e-7', '"\\ud83e\\udde0\\\\"'])(
    'waits for the rest of %s wherever it is cut',
    (text) => {
      for (let length = 0; length < text.length; length++) {
        expect(() => new JsonReader(text.slice(0, length), false).value()).toThrow(IncompleteJson);
      }
      expect(tag(new JsonReader(`${text} `, false).value())).toEqual(tag(parseJson(text)));
    },
  );

  it('takes a number that touches the end as whole only where no more text can follow', () => {
    expect(() => new JsonReader('12', false).value()).toThrow(IncompleteJson);
    expect(new JsonReader('12', true).value()).toBe(12);
  });

  it('reads values one after another', () => {
    const reader = new JsonReader(' {"a": 1} [2] "\\n" 3.0');
    expect([reader.value(), reader.value(), reader.value(), reader.value()]).toEqual([
      { a: 1 },
      [2],
      '\n',
      new Double(3),
    ]);
    expect(reader.atEnd()).toBe(true);
  });

  it('reads a text of many escaped strings in a time that grows with its length only', () => {
    const text = JSON.stringify(
      Array.from({ length: 100_000 }, (_, i) => (i % 2 === 0 ? `"${i}"\\` : `plain ${i}`)),
    );
    const started = performance.now();
    expect(new JsonReader(text).value()).toHaveLength(100_000);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});
