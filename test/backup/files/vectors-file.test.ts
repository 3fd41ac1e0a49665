import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { BadPoint, FilePoint } from '../../../src/backup/files/point-record.js';
import { readVectorsFile, type VectorsFileOptions } from '../../../src/backup/files/vectors-file.js';
import { Failure } from '../../../src/failure.js';
import { parseJson, printPythonJson } from '../../../src/memory/json.js';
import { isMap, type Value, type ValueMap } from '../../../src/memory/values.js';
import { anyKey, anyValue, tag } from '../../memory/arbitrary-values.js';
import { vectorsText } from '../sample.js';

const ID = '079c224a-f232-4317-a798-3ff1752f03c7';

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    // A chunk of its own, which is overwritten once it was read: nothing may rest on it.
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    yield await Promise.resolve(chunk);
    chunk.fill('#');
    at += size;
  }
}

interface Read {
  points: FilePoint[];
  bad: BadPoint[];
  fields: ValueMap;
}

async function read(
  text: string | Buffer,
  sizes: readonly number[] = [65_536],
  options?: VectorsFileOptions,
): Promise<Read> {
  const found: Read = { points: [], bad: [], fields: {} };
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  for await (const part of readVectorsFile('qdrant.json.gz', cut(bytes, sizes), options)) {
    if (part.kind === 'field') found.fields[part.name] = part.value;
    else {
      found.points.push(...part.points);
      found.bad.push(...part.bad);
    }
  }
  return found;
}

async function failure(text: string | Buffer, sizes?: readonly number[]): Promise<Failure> {
  try {
    await read(text, sizes);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('the file was read');
}

const onePoint = (members: string): string => `{"points": [{${members}}]}`;
const withVector = (vector: string): string => onePoint(`"id": "${ID}", "vector": ${vector}, "payload": {}`);

describe('the sample that AutoMem wrote', () => {
  it.each([[[262_144]], [[61]], [[7, 4096, 3]]])(
    'comes through to the letter (chunks of %j)',
    async (sizes) => {
      const text = vectorsText();
      const { points, bad, fields } = await read(text, sizes);
      const whole = parseJson(text) as { points: { id: string; vector: Value; payload: Value }[] };
      expect(bad).toEqual([]);
      expect(fields).toEqual({
        timestamp: '20261121_110916',
        collection_name: 'memories',
        stats: { points_count: 59, vector_size: 64 },
      });
      expect(points.map(({ id, vector, payload }) => [id, vector.size, tag(payload.value())])).toEqual(
        whole.points.map(({ id, payload }) => [id, 64, tag(payload)]),
      );
      // Not one digit may differ, so the texts are compared.
      const written = [...text.matchAll(/"vector": (\[[^\]]*\])/g)].map(([, list = '']) =>
        list.replace(/\s/g, ''),
      );
      expect(points.map(({ vector }) => vector.text)).toEqual(written);
      expect(points.map(({ payload }) => payload.trouble)).toEqual(points.map(() => null));
    },
  );

  it('is never taken for whole when it is cut', async () => {
    const bytes = Buffer.from(vectorsText());
    for (let length = 0; length < bytes.length; length += 997) {
      const { code, reason } = await failure(bytes.subarray(0, length));
      expect([length, code]).toEqual([length, 'backup-truncated']);
      expect(reason).toContain('the JSON ends inside');
    }
  });
});

describe('what is passed on', () => {
  const component = fc.oneof(
    fc.double({ noNaN: true, min: -3e38, max: 3e38 }).map((value) => printPythonJson(value)),
    fc.constantFrom(
      '0',
      '-0',
      '-0.0',
      '1.0',
      '1',
      '-1.00',
      '3e-05',
      '1E+2',
      '2.5e-300',
      '0.10000000149011612',
    ),
  );
  const point = fc.record({
    id: fc.oneof(fc.uuid(), fc.nat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
    vector: fc.array(component, { minLength: 1, maxLength: 8 }),
    payload: fc
      .array(fc.tuple(anyKey, anyValue), { maxLength: 5 })
      .map((entries): ValueMap => Object.fromEntries(entries)),
  });

  it('has the same vectors as bytes, which stay until more is read', async () => {
    const vectors = [['1.5', '-0'], ['3e-05'], ['0.25', '1', '2']];
    for (const space of ['', ' ', '\n  ']) {
      const points = vectors.map(
        (one, at) => `{"id":${at},"vector":[${one.join(`,${space}`)}],"payload":{}}`,
      );
      const file = Buffer.from(`{"points":[${points.join(',')}]}`);
      for (const size of [1, 7, 64, 1_000]) {
        const found: string[] = [];
        for await (const part of readVectorsFile('x', cut(file, [size]), { vectorForm: 'bytes' })) {
          if (part.kind === 'points')
            found.push(...part.points.map(({ vector }) => vector.text + vector.bytes.toString('latin1')));
        }
        expect(found).toEqual(vectors.map((one) => `[${one.join(',')}]`));
      }
    }
  });

  it('has the values that were written, however it is laid out and cut', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 4 });
    const space = fc.constantFrom('', ' ', '\n      ', '\t\r\n');
    await fc.assert(
      fc.asyncProperty(fc.array(point, { maxLength: 4 }), space, sizes, async (points, space, chunks) => {
        const texts = points.map(
          ({ id, vector, payload }) =>
            `{${space}"id":${space}${printPythonJson(id)}${space},"vector":${space}[${space}` +
            `${vector.join(`${space},${space}`)}${space}]${space},${space}"payload":${spaced(payload, space)}}`,
        );
        const file = `{${space}"points"${space}:${space}[${texts.join(`${space},${space}`)}]${space}}${space}`;
        const { points: found, bad } = await read(file, chunks);
        expect(bad).toEqual([]);
        expect(found.map(({ id }) => id)).toEqual(points.map(({ id }) => id));
        expect(found.map(({ vector: { text, size } }) => ({ text, size }))).toEqual(
          points.map(({ vector }) => ({ text: `[${vector.join(',')}]`, size: vector.length })),
        );
        expect(found.map(({ payload }) => tag(payload.value()))).toEqual(
          points.map(({ payload }) => tag(payload)),
        );
        for (const { payload } of found) expectHarmless(payload);
      }),
      { numRuns: 300 },
    );
  });

  /** Whatever Qdrant would refuse is gone from the repaired text, and nothing else has changed. */
  function expectHarmless(payload: FilePoint['payload']): void {
    const repaired = payload.repaired();
    expect(() => JSON.parse(repaired) as unknown).not.toThrow();
    expect(isWellFormed(parseJson(repaired))).toBe(true);
    if (payload.trouble === null) expect(repaired).toBe(payload.text);
    else expect(repaired).not.toBe(payload.text);
  }

  function isWellFormed(value: Value): boolean {
    if (typeof value === 'string') return value.isWellFormed();
    if (Array.isArray(value)) return value.every(isWellFormed);
    return !isMap(value) || Object.entries(value).flat().every(isWellFormed);
  }

  function spaced(value: Value, space: string): string {
    if (Array.isArray(value))
      return `[${space}${value.map((item) => spaced(item, space)).join(`${space},`)}]`;
    if (!isMap(value)) return printPythonJson(value);
    const fields = Object.entries(value).map(
      ([key, field]) => `${printPythonJson(key)}${space}:${space}${spaced(field, space)}`,
    );
    return `{${space}${fields.join(`${space},${space}`)}${space}}`;
  }

  it.each<[string, string, string, string]>([
    ['NaN', '{"a": NaN, "b": "NaN"}', 'it holds NaN, which is no JSON', '{"a":null,"b":"NaN"}'],
    ['infinity', '{"a": [-Infinity, 1.0]}', 'it holds -Infinity, which is no JSON', '{"a":[null,1.0]}'],
    ['a tab', '{"a": "x\ty  z"}', 'a text in it holds a control character', '{"a":"x\\u0009y  z"}'],
    ['half a pair', '{"a": "\\ud83e x"}', 'a text in it holds half a character', '{"a":"\\ufffd x"}'],
    [
      'the other half',
      '{"\\uDD20": "\\\\\\ud83e\\udde0"}',
      'a text in it holds half a character',
      '{"\\ufffd":"\\\\\\ud83e\\udde0"}',
    ],
  ])('tells what Qdrant would refuse: %s', async (_name, payload, trouble, repaired) => {
    const { points } = await read(onePoint(`"id": 1, "vector": [1], "payload": ${payload}`));
    expect(points[0]?.payload).toMatchObject({ trouble });
    expect(points[0]?.payload.repaired()).toBe(repaired);
  });

  it.each(['{"a": "\\ud83e\\udde0"}', '{"a": "\\\\ud83e"}', '{"a": "ä 🧠"}', '{}', 'null'])(
    'sees nothing wrong in %s',
    async (payload) => {
      const { points } = await read(onePoint(`"id": 1, "vector": [1], "payload": ${payload}`), [5]);
      expect(points[0]?.payload.trouble).toBeNull();
      expect(points[0]?.payload.text).toBe(payload.replace(': ', ':'));
    },
  );
});

describe('points that cannot be restored', () => {
  it.each<[string, string]>([
    ['[0.1, NaN]', 'component 2 of its vector is NaN'],
    ['[Infinity]', 'component 1 of its vector is Infinity'],
    ['[1, -Infinity, 2]', 'component 2 of its vector is -Infinity'],
    ['[1, null]', 'component 2 of its vector is null'],
    ['[1, "2"]', 'component 2 of its vector is a text'],
    ['[[1, 2]]', 'component 1 of its vector is no number'],
    ['[1, true]', 'component 2 of its vector is no number'],
    ['[1e39]', 'component 1 of its vector is too large for 32 bits'],
    [`[${'9'.repeat(40)}.5]`, 'component 1 of its vector is too large for 32 bits'],
    ['[1e999]', 'component 1 of its vector is Infinity'],
    ['null', 'it has no vector'],
    ['{"dense": [1]}', 'its vector has a name or is sparse, and AutoMem writes neither'],
    ['"[1]"', 'its vector is not a list'],
    ['[]', 'its vector is empty'],
  ])('a vector of %s', async (vector, reason) => {
    for (const sizes of [[65_536], [1]]) {
      const { points, bad } = await read(withVector(vector), sizes);
      expect(points).toEqual([]);
      expect(bad).toEqual([
        { id: ID, reason, record: parseJson(`{"id":"${ID}","vector":${vector},"payload":{}}`) },
      ]);
    }
  });

  it.each<[string, string, unknown]>([
    ['"vector": [1], "payload": {}', 'a point has no id', null],
    ['"id": "x y", "vector": [1]', 'the id "x y" is neither a UUID nor an integer of 64 bits', null],
    ['"id": -1, "vector": [1]', 'the id that it has is neither a UUID nor an integer of 64 bits', null],
    [
      '"id": 18446744073709551616, "vector": [1]',
      'the id that it has is neither a UUID nor an integer of 64 bits',
      null,
    ],
    ['"id": 3, "payload": {}', 'it has no vector', 3],
    ['"id": 3, "vector": [1], "payload": [1]', 'its payload is not an object', 3],
    ['"id": 3, "vector": [1], "payload": "{}"', 'its payload is not an object', 3],
    [
      `"id": 3, "vector": [1], "payload": ${'{"a":'.repeat(125)}1${'}'.repeat(125)}`,
      'its payload is nested 125 levels deep, and Qdrant takes no more than 124',
      3,
    ],
  ])('a point of %s', async (members, reason, id) => {
    const { points, bad } = await read(onePoint(members));
    expect(points).toEqual([]);
    expect(bad).toMatchObject([{ id, reason }]);
  });

  it('a wrong number of components, where the right one is known', async () => {
    const text = `{"points": [{"id": 1, "vector": [1, 2]}, {"id": 2, "vector": [1]}, 7]}`;
    const { points, bad } = await read(text, [9], { vectorSize: 2 });
    expect(points.map(({ id }) => id)).toEqual([1]);
    expect(bad.map(({ id, reason }) => [id, reason])).toEqual([
      [2, 'its vector has 1 components instead of 2'],
      [null, 'a point is not an object'],
    ]);
  });

  it('takes components at the edges of 32 bits', async () => {
    const text = `[3.4028234663852886e38,-3.4028234663852886e+38,1e-60,${'1'.repeat(38)}]`;
    expect((await read(withVector(text))).points[0]?.vector).toMatchObject({ text, size: 4 });
  });
});

describe('what is not JSON', () => {
  it.each<[string, string, string]>([
    ['a list', '[]', 'expected "{" but found "["'],
    ['no JSON', 'PK\u0003\u0004', 'expected "{" but found "P"'],
    ['numbers without a comma', withVector('[1 2]'), 'expected "," or the end of a list or object'],
    ['a number in two pieces', withVector('[1. 5]'), 'expected "," or the end of a list or object'],
    ['a leading zero', withVector('[01]'), 'expected a value but found "0"'],
    ['no digits behind the point', withVector('[1.]'), 'expected a value but found "1"'],
    ['a plus', withVector('[+1]'), 'expected a value but found "+"'],
    ['a broken exponent', withVector('[1e-]'), 'expected a value but found "1"'],
    ['a comma too many', withVector('[1,]'), 'expected a value but found "]"'],
    ['wrong brackets', withVector('[1}'), 'expected "," or "]" but found "}"'],
    ['a broken payload', onePoint('"id": 1, "vector": [1], "payload": {"a": tru}'), 'expected "true"'],
    ['a broken escape', onePoint('"id": 1, "vector": [1], "payload": {"a": "\\x"}'), 'invalid escape'],
    ['a NUL', onePoint('"id": 1, \0"vector": [1]'), 'expected a key'],
    [
      'a NUL in a payload',
      onePoint('"id": 1, "payload": {"a": \0}'),
      'a NUL byte stands outside of a string',
    ],
    ['points without a comma', '{"points": [{"id": 1, "vector": [1]} {}]}', 'expected "," but found "{"'],
    ['a point that is no JSON', '{"points": [nope]}', 'expected "null"'],
    ['something after the end', '{"points": []} x', 'something follows the end of the JSON'],
    [
      'a bottomless value',
      `{"points": [], "x": ${'['.repeat(2000)}`,
      'values are nested deeper than 1000 levels',
    ],
  ])('%s', async (_name, text, reason) => {
    for (const sizes of [[65_536], [1]]) {
      const found = await failure(text, sizes);
      expect([found.code, found.reason]).toEqual(['backup-not-json', expect.stringContaining(reason)]);
    }
  });

  it('text that is not UTF-8', async () => {
    const text = Buffer.from(onePoint('"id": 1, "vector": [1], "payload": {"a": "?"}'));
    text[text.indexOf('?')] = 0xff;
    expect(await failure(text)).toMatchObject({ code: 'backup-not-json' });
  });

  it('says where', async () => {
    const text = `{"timestamp": "x", "points": [{"id": 1, "vector": [1]}, {"id": 2, "vector": [1 1]}]}`;
    const { reason } = await failure(text, [10]);
    expect(reason).toContain(`at byte ${text.indexOf(', {"id": 2')} of the uncompressed JSON`);
  });
});

it('takes a byte order mark, members in any order, and what Qdrant itself adds to a point', async () => {
  const point =
    '{"payload": {"b": [ ]}, "score": 1.0, "vector": [ ], "vector": [ 1.0 ], "id": 7, "shard_key": null}';
  const text = `\ufeff{"stats": {"points_count": 1}, "points": [${point}], "x": [1, {"points": []}]}`;
  const { points, fields } = await read(text, [3]);
  expect(points).toMatchObject([
    { id: 7, vector: { text: '[1.0]', size: 1 }, payload: { text: '{"b":[]}' } },
  ]);
  expect(fields).toEqual({ stats: { points_count: 1 }, x: [1, { points: [] }] });
});

it('takes a bare list only where it is told to, and ids from payloads', async () => {
  const text = `[{"vector": [1], "payload": {"memory_id": "${ID}"}}, {"vector": [1], "payload": {}}]`;
  expect((await failure(text)).reason).toContain('expected "{"');
  const { points, bad } = await read(text, [11], { bareList: true, idInPayload: true });
  expect(points.map(({ id }) => id)).toEqual([ID]);
  expect(bad.map(({ reason }) => reason)).toEqual(['a point has no id']);
});

it('refuses a record without an end before it fills all memory, and takes one that fills a request', async () => {
  const fed = async (mebibytes: number, end: string): Promise<number> => {
    let read = 0;
    async function* chunks(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(
        Buffer.from(`{"points": [{"id": "${ID}", "vector": [0.5], "payload": {"a": "`),
      );
      for (const chunk = Buffer.alloc(1024 * 1024, 'x'); read < mebibytes; read++) yield chunk;
      yield Buffer.from(end);
    }
    for await (const part of readVectorsFile('qdrant.json.gz', chunks())) expect(part.kind).not.toBe('field');
    return read;
  };
  await expect(fed(200, '')).rejects.toMatchObject({
    ...{ code: 'backup-not-json', exitCode: 4 },
    reason: expect.stringContaining('one record is larger than 64 MB') as string,
  });
  expect(await fed(33, '"}}]}')).toBe(33);
});
