import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BlockWriter } from '../../src/backup/create/block-writer.js';
import { PagePoints, type PagePoint } from '../../src/backup/create/page-points.js';
import { VectorsExport, type ExportedVectors } from '../../src/backup/create/vectors-export.js';
import { canonicalText, PointHasher, pointHash } from '../../src/backup/content/digest.js';
import { ExitCode } from '../../src/failure.js';
import { InvalidJson, parseJson, printPythonJson } from '../../src/memory/json.js';
import { BodyBuffer } from '../../src/stores/vectors/body-buffer.js';
import { VectorStore } from '../../src/stores/vectors/vector-store.js';
import { anyKey, anyValue, tag } from '../memory/arbitrary-values.js';

const ID = '079c224a-f232-4317-a798-3ff1752f03c7';

/** An answer in memory that held a longer one before, which must not shine through. */
function body(text: string | Buffer): BodyBuffer {
  const answer = new BodyBuffer();
  const bytes = Buffer.from(text);
  answer.append(Buffer.alloc(bytes.length + 100, '{"id":1,"vector":[1]},'));
  answer.begin(bytes.length);
  answer.append(bytes);
  return answer;
}

interface Read extends Omit<PagePoint, 'vector'> {
  vector: string;
  isPlain: boolean;
}

/** The points up to where it fails; they stand only until the next one is asked for. */
function read(text: string | Buffer, scanner = new PagePoints()): { points: Read[]; error: unknown } {
  const points: Read[] = [];
  try {
    for (const { id, vector, payload } of scanner.of(body(text)))
      points.push({ id, vector: vector.toString('latin1'), isPlain: typeof vector !== 'string', payload });
    return { points, error: null };
  } catch (error) {
    return { points, error };
  }
}

function all(text: string): Read[] {
  const { points, error } = read(text);
  expect(error).toBeNull();
  return points;
}

const answer = (points: readonly string[], comma = ','): string =>
  `{"result":{"points":[${points.join(comma)}],"next_page_offset":"${ID}"},"status":"ok","time":0.1}`;
const withVector = (vector: string): string => answer([`{"id":"${ID}","payload":{},"vector":${vector}}`]);
const vectorOf = (vector: string): Read | undefined => all(withVector(vector))[0];

const anyNumbers = fc.array(
  fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('0', '-0.0', '1.0', '1e-45', '3.4028235e+38', '-1.17549435E-38', '0.10000000149011612'),
  ),
  { minLength: 1, maxLength: 8 },
);
const anyPlain = fc.record({ numbers: anyNumbers, comma: fc.constantFrom(',', ', ', ' ,\n\t', ',\r\n') });
const anyOther = fc.constantFrom(
  'null',
  '{}',
  '[]',
  '[[1.0,2.0],[3.0,4.0]]',
  '{"":[1.0,2.0],"other":[3.0]}',
  '{"sparse":{"indices":[1,7],"values":[0.5,1.0]}}',
  '[1.0,null]',
  '[1.0,"]"]',
);
const anyPoint = fc.record({
  id: fc.oneof(fc.uuid(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  vector: fc.oneof(anyPlain, anyOther),
  payload: fc.oneof(fc.constant(null), fc.dictionary(anyKey, anyValue, { maxKeys: 4 })),
  /** Where the members stand, and what else. */
  order: fc.shuffledSubarray(['id', 'vector', 'payload', 'version', 'shard_key'], { minLength: 5 }),
  isPython: fc.boolean(),
});
type AnyPoint = typeof anyPoint extends fc.Arbitrary<infer T> ? T : never;

function written({ id, vector, payload, order, isPython }: AnyPoint): string {
  const members: Record<string, string> = {
    id: typeof id === 'string' ? `"${id}"` : id.toString(),
    vector: typeof vector === 'string' ? vector : `[${vector.numbers.join(vector.comma)}]`,
    // Both as ASCII alone and as UTF-8.
    payload: isPython ? printPythonJson(payload) : utf8(printPythonJson(payload)),
    version: '7',
    shard_key: '"},{\\"]"',
  };
  return `{${order.map((name) => `"${name}":${isPython ? ' ' : ''}${members[name] ?? ''}`).join(',')}}`;
}

/** With characters instead of escapes, where they are whole ones. */
function utf8(json: string): string {
  return json.replace(/(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})/g, (escape, before: string, digits: string) => {
    const unit = parseInt(digits, 16);
    return unit < 0x80 || (unit >= 0xd800 && unit < 0xe000) ? escape : before + String.fromCharCode(unit);
  });
}

describe('the points of an answer', () => {
  it('come as they stand, without white space, whatever the order of their members', () => {
    const scanner = new PagePoints();
    fc.assert(
      fc.property(fc.array(anyPoint, { maxLength: 5 }), fc.constantFrom(',', ', '), (points, comma) => {
        const found = read(answer(points.map(written), comma), scanner);
        expect(found.error).toBeNull();
        expect(found.points).toHaveLength(points.length);
        for (const [at, { id, vector, payload }] of points.entries()) {
          const point = found.points[at];
          expect(point?.id).toBe(typeof id === 'string' ? `"${id}"` : id.toString());
          expect(point?.isPlain).toBe(typeof vector !== 'string');
          expect(point?.vector).toBe(typeof vector === 'string' ? vector : `[${vector.numbers.join(',')}]`);
          expect(tag(parseJson(point?.payload ?? ''))).toEqual(tag(parseJson(printPythonJson(payload))));
        }
      }),
    );
  });

  it('are cut off at no place without being missed', () => {
    const text = Buffer.from(
      answer([
        `{"id":"${ID}","payload":{"content":"a \\"]}, ü 🧠 \\\\","n":1.0},"vector":[0.5, -1e-05, 2]}`,
        '{"id":18446744073709551615,"payload":null,"vector":{"a":[1.0],"b":{"indices":[1],"values":[2]}}}',
        `{"id":3,"vector":[1,2],"payload":{"vector":[1,"["]}}`,
      ]),
    );
    const whole = read(text);
    expect(whole.points).toHaveLength(3);
    const end = text.indexOf(',"next_page_offset"');
    const scanner = new PagePoints();
    for (let at = 0; at < end; at++) {
      const { points, error } = read(text.subarray(0, at), scanner);
      expect(error).toBeInstanceOf(InvalidJson);
      expect(points).toEqual(whole.points.slice(0, points.length));
    }
    expect(read(text.subarray(0, end), scanner)).toEqual(whole);
  });

  it('keep every digit of numbers, with and without a space between', () => {
    const numbers = ['0.10000000149011612', '-0.0', '1e-45', '3.4028235E+38', '7'];
    for (const comma of [',', ', ', ' , ', ',\n      '])
      expect(vectorOf(`[${numbers.join(comma)}]`)).toMatchObject({
        vector: `[${numbers.join(',')}]`,
        isPlain: true,
      });
    expect(vectorOf('[ 1.50 ]')).toMatchObject({ vector: '[1.50]', isPlain: true });
  });

  it('have vectors of other kinds as JSON', () => {
    for (const vector of ['null', '[]', '{"a":[1,2]}', '[[1],[2]]', '[1,"x"]', '[NaN]', '{}'])
      expect(vectorOf(vector)).toMatchObject({ vector, isPlain: false });
    expect(all(answer(['{"id":1}']))).toEqual([{ id: '1', vector: '{}', isPlain: false, payload: 'null' }]);
  });

  it('may be none', () => {
    expect(all(answer([]))).toEqual([]);
    expect(all('{"result": {"points" : [ ] }}')).toEqual([]);
  });

  it('are refused where they are none', () => {
    const bad = [
      '',
      '{"result":null}',
      '{"result":{"points":null}}',
      answer(['{"payload":{},"vector":[1]}']),
      answer(['{"id":1,"vector":[1]}{"id":2}']),
      answer(['{"id":1 "vector":[1]}']),
      answer(['7']),
      withVector(']'),
    ];
    for (const text of bad) expect(read(text).error).toBeInstanceOf(InvalidJson);
    const noUtf8 = Buffer.from(answer(['{"id":1,"payload":{"a":"?"}}']).replace('?', '\xfc'), 'latin1');
    expect(read(noUtf8).error).toBeInstanceOf(InvalidJson);
  });
});

describe('the body of an answer', () => {
  it('is the same however it comes in parts', () => {
    const text = Buffer.from(withVector('[0.5, 1]').replace('{}', '{"a":"ü🧠"}'));
    const whole = read(text);
    const parts = new BodyBuffer();
    for (let at = 0; at <= text.length; at++) {
      parts.begin(at % 2 === 0 ? text.length : 0);
      parts.append(text.subarray(0, at));
      parts.append(text.subarray(at));
      expect(parts.length).toBe(text.length);
      expect(parts.bytes[parts.length]).toBe(0);
      expect(parts.text()).toBe(text.toString());
      expect([...new PagePoints().of(parts)]).toHaveLength(whole.points.length);
    }
  });

  it('takes no memory for what a server only says', () => {
    const answerOfLies = new BodyBuffer();
    answerOfLies.begin(2 ** 52);
    expect(answerOfLies.bytes.length).toBeLessThan(2 ** 26);
    answerOfLies.begin(Number.NaN);
    expect(answerOfLies.text()).toBe('');
  });
});

describe('the hash of a point whose vector is bytes', () => {
  it('is that of the same vector as a text', () => {
    const hasher = new PointHasher();
    fc.assert(
      fc.property(anyNumbers, anyValue, (numbers, payload) => {
        const text = `[${numbers.join(',')}]`;
        expect(hasher.hash(ID, Buffer.from(text), canonicalText(payload))).toEqual(
          pointHash(ID, text, payload),
        );
      }),
    );
    const long = `[${'1,'.repeat(100_000)}1]`;
    expect(hasher.hash(7n, Buffer.from(long), 'null')).toEqual(pointHash(7n, long, null));
  });
});

/** Exports what a server answers that is told what to answer, request by request. */
async function exported(...answers: ((response: ServerResponse) => void)[]): Promise<ExportedVectors> {
  const server = createServer((_, response) => answers.shift()?.(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const store = new VectorStore({ url: `http://127.0.0.1:${port}`, timeoutMs: 10_000 });
  const writer = new BlockWriter(() => Promise.resolve());
  const { signal } = new AbortController();
  try {
    return await new VectorsExport(store, 'memories', writer, () => undefined, signal).write(
      '20261101_030000',
      2,
    );
  } finally {
    store.close();
    server.close();
  }
}

describe('the export of points', () => {
  const last = answer([`{"id":7,"payload":{"type":"Insight"},"vector":[1,2]}`]).replace(`"${ID}"`, 'null');

  it('is of whole answers, where one breaks off and comes again', async () => {
    const first = withVector('[1, 2]');
    const broken = (response: ServerResponse): void => {
      response.writeHead(200, { 'content-length': first.length });
      response.write(first.slice(0, -40), () => response.destroy());
    };
    const whole = await exported(
      (response) => response.end(first),
      (response) => response.end(last),
    );
    expect(whole).toMatchObject({ points: 2, byType: { '': 1, Insight: 1 }, bySize: { 2: 2 } });
    const again = await exported(
      broken,
      (response) => response.end(first),
      (response) => response.end(last),
    );
    expect(again).toEqual(whole);
  });

  it('fails in words where an answer holds something else', async () => {
    for (const [text, reason] of [
      [last.slice(0, 60), /the answer ends too soon/],
      ['{"result":{}}', /the answer holds no points/],
      [last.replace('7', '7 8'), /HTTP 200/],
    ] as const)
      await expect(exported((response) => response.end(text))).rejects.toMatchObject({
        operation: 'read the points',
        code: 'qdrant-error',
        exitCode: ExitCode.failed,
        reason: expect.stringMatching(reason) as string,
      });
  });
});
