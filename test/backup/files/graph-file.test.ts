import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  asNode,
  asRelationship,
  readBackupFile,
  type FilePart,
} from '../../../src/backup/files/graph-file.js';
import { Failure } from '../../../src/failure.js';
import { printPythonJson } from '../../../src/memory/json.js';
import { Double, type Value, type ValueMap } from '../../../src/memory/values.js';
import { anyValue, tag } from '../../memory/arbitrary-values.js';

const LISTS = new Set(['nodes', 'relationships']);

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

interface Read {
  fields: ValueMap;
  records: Record<string, Value[]>;
  order: string[];
  /** Also those without records. */
  lists: string[];
}

/** Everything a file holds, with its members in the order in which they came. */
async function read(text: string | Buffer, sizes: readonly number[] = [65_536]): Promise<Read> {
  const found: Read = { fields: {}, records: {}, order: [], lists: [] };
  const note = (name: string): void => {
    if (found.order.at(-1) !== name) found.order.push(name);
  };
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  for await (const part of readBackupFile('graph.json.gz', cut(bytes, sizes), LISTS)) add(part);
  return found;

  function add(part: FilePart): void {
    if (part.kind === 'field') {
      found.fields[part.name] = part.value;
      note(part.name);
      return;
    }
    if (part.kind === 'records') {
      expect(part.records.length).toBeGreaterThan(0);
      (found.records[part.list] ??= []).push(...part.records);
    } else {
      expect(found.lists).not.toContain(part.list);
      found.lists.push(part.list);
    }
    note(part.list);
  }
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

const SAMPLE = `{
  "timestamp": "20261120_030000",
  "nodes": [
    {"id": 0, "labels": ["Memory"], "properties": {"id": "a", "importance": 1.0, "score": NaN}},
    {"id": 1, "labels": [], "properties": {"content": "caf\\u00e9 \\"x\\" \\\\", "low": -Infinity}}
  ],
  "relationships": [],
  "stats": {"node_count": 2, "relationship_count": 0}
}
`;

describe('readBackupFile', () => {
  it('gives records as they are and small members whole', async () => {
    expect(await read(SAMPLE)).toEqual({
      fields: { timestamp: '20261120_030000', stats: { node_count: 2, relationship_count: 0 } },
      records: {
        nodes: [
          {
            id: 0,
            labels: ['Memory'],
            properties: { id: 'a', importance: new Double(1), score: new Double(NaN) },
          },
          { id: 1, labels: [], properties: { content: 'café "x" \\', low: new Double(-Infinity) } },
        ],
      },
      order: ['timestamp', 'nodes', 'relationships', 'stats'],
      lists: ['nodes', 'relationships'],
    });
  });

  const member = fc.oneof(
    fc.record({
      name: fc.constantFrom('nodes', 'relationships'),
      value: fc.array(anyValue, { maxLength: 6 }),
    }),
    fc.record({ name: fc.constantFrom('timestamp', 'stats', 'é"\\', ''), value: anyValue }),
  );
  const file = fc.uniqueArray(member, { selector: ({ name }) => name, maxLength: 5 });

  it('gives the same whatever the file holds, in whatever order, and however it is cut', async () => {
    const spaces = fc.constantFrom('', ' ', '\n  ');
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(file, spaces, sizes, fc.boolean(), async (members, space, chunks, isRaw) => {
        const print = (value: Value): string =>
          isRaw ? unescaped(printPythonJson(value)) : printPythonJson(value);
        const parts = members.map(
          ({ name, value }) => `${space}${print(name)}${space}:${space}${print(value)}`,
        );
        const text = `{${parts.join(`${space},`)}${space}}${space}`;
        const whole = await read(text);
        for (const sizesToTry of [chunks, [1]])
          expect(shape(await read(text, sizesToTry))).toEqual(shape(whole));
        for (const { name, value } of members) {
          if (LISTS.has(name) && Array.isArray(value))
            expect(tag(whole.records[name] ?? [])).toEqual(tag(value));
          else expect(tag(whole.fields[name] ?? null)).toEqual(tag(value));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('says that a file is cut short, wherever it is', async () => {
    const end = SAMPLE.trimEnd().length;
    for (const sizes of [[65_536], [1]]) {
      for (let length = 0; length < end; length++) {
        const { code, exitCode, subject, reason } = await failure(SAMPLE.slice(0, length), sizes);
        expect({ length, code, exitCode, subject }).toEqual({
          length,
          code: 'backup-truncated',
          exitCode: 4,
          subject: 'graph.json.gz',
        });
        expect(reason).toContain(`at byte ${length} of the uncompressed JSON`);
      }
      await read(SAMPLE.slice(0, end), sizes);
    }
  });

  it.each<[string, string, string]>([
    ['no JSON at all', 'PK\u0003\u0004', 'expected "{" but found "P", at byte 0'],
    ['a list', '[]', 'expected "{" but found "[", at byte 0'],
    ['a wrong literal', '{"a": nope}', 'expected "null", at byte 6'],
    ['a wrong literal in a record', '{"nodes": [{"a": tru}]}', 'expected "true", at byte 17'],
    ['records without a comma', '{"nodes": [1 2]}', 'expected "," but found "2", at byte 13'],
    ['a comma before the records', '{"nodes": [,1]}', 'expected a value but found ",", at byte 11'],
    ['a comma after the records', '{"nodes": [1,]}', 'expected a value but found "]", at byte 13'],
    ['members without a comma', '{"a": 1 "b": 2}', 'expected "," but found "\\"", at byte 8'],
    ['a comma before the members', '{,"a": 1}', 'expected a key, at byte 1'],
    ['a comma after the members', '{"a": 1,}', 'expected a key, at byte 8'],
    ['a key without quotes', '{abc": 1}', 'expected a key, at byte 1'],
    ['no colon', '{"a", 1}', 'expected ":" but found ",", at byte 4'],
    ['something after the end', '{"a": 1} x', 'something follows the object, at byte 9'],
    ['a second object', '{}\n{}', 'something follows the object, at byte 3'],
    ['an error behind wide characters', '{"é漢🧠": nope}', 'expected "null", at byte 14'],
    ['an invalid escape', '{"nodes": ["\\x"]}', 'a string holds an invalid escape, at byte 11'],
    [
      'too many levels',
      `{"nodes": [${'['.repeat(5000)}`,
      'values are nested deeper than 1000 levels, at byte 1012',
    ],
  ])('says where a file holds %s, however it is cut', async (_, text, reason) => {
    for (const sizes of [[65_536], [1], [3]]) {
      const { code, reason: found, exitCode } = await failure(text, sizes);
      expect({ code, exitCode, found }).toEqual({
        code: 'backup-not-json',
        exitCode: 4,
        found: `${reason} of the uncompressed JSON`,
      });
    }
  });

  it('refuses text that is not UTF-8 rather than reading other characters', async () => {
    const bytes = Buffer.from('{"nodes": ["caf\u00e9"]}', 'latin1');
    for (const sizes of [[65_536], [1]]) {
      expect(await failure(bytes, sizes)).toMatchObject({ code: 'backup-not-json' });
    }
    expect((await failure(bytes)).reason).toContain('the text is not UTF-8');
  });

  it('calls a file that ends within a character cut short', async () => {
    const bytes = Buffer.from('{"nodes": ["🧠');
    for (let cutOff = 1; cutOff < 4; cutOff++) {
      expect(await failure(bytes.subarray(0, -cutOff))).toMatchObject({ code: 'backup-truncated' });
    }
  });

  it('reads a record that is much larger than a chunk', async () => {
    const content = 'é"\\ 🧠 '.repeat(700_000);
    const text = JSON.stringify({ nodes: [{ a: 1 }, { content }, { b: 2 }], stats: null });
    const started = performance.now();
    const { records, fields } = await read(text, [16_384]);
    expect(records['nodes']).toEqual([{ a: 1 }, { content }, { b: 2 }]);
    expect(fields).toEqual({ stats: null });
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  it('refuses a record without an end before it fills all memory', async () => {
    let mebibytes = 0;
    async function* bomb(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from('{"nodes": [{"a": 1}, {"content": "'));
      for (const chunk = Buffer.alloc(1024 * 1024, 'x'); mebibytes < 200; mebibytes++) yield chunk;
    }
    const reading = async (): Promise<void> => {
      const parts = readBackupFile('graph.json.gz', bomb(), LISTS);
      while ((await parts.next()).done !== true);
    };
    await expect(reading()).rejects.toMatchObject({
      code: 'backup-record-too-large',
      subject: 'graph.json.gz',
      exitCode: 4,
      reason: 'one record is larger than 64 MB, at byte 19 of the uncompressed JSON',
    });
    expect(mebibytes).toBeLessThan(70);
  });

  it('gives what a chunk completed before the next one is read', async () => {
    let chunks = 0;
    async function* slowly(): AsyncGenerator<Buffer> {
      for (const text of ['{"nodes": [1, 2', ', 3', '], "stats": 4}']) {
        chunks++;
        yield await Promise.resolve(Buffer.from(text));
      }
    }
    const seen: unknown[] = [];
    for await (const part of readBackupFile('f', slowly(), LISTS)) seen.push([chunks, part]);
    expect(seen).toEqual([
      [1, { kind: 'list', list: 'nodes' }],
      [1, { kind: 'records', list: 'nodes', records: [1] }],
      [2, { kind: 'records', list: 'nodes', records: [2] }],
      [3, { kind: 'records', list: 'nodes', records: [3] }],
      [3, { kind: 'field', name: 'stats', value: 4 }],
    ]);
  });

  it('delivers a member whole that should be a list and is none', async () => {
    expect(await read('{"nodes": null, "relationships": {"a": 1}}')).toMatchObject({
      fields: { nodes: null, relationships: { a: 1 } },
      records: {},
    });
  });

  it('passes over a byte order mark at the beginning, and keeps one inside a text', async () => {
    const bytes = Buffer.from('\ufeff{"nodes": ["\ufeffx"]}');
    for (const sizes of [[65_536], [1], [15]]) {
      expect((await read(bytes, sizes)).records).toEqual({ nodes: ['\ufeffx'] });
    }
  });

  it('lets an error of the source through as it is', async () => {
    const broken = new Error('the disk is gone');
    async function* source(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from('{"nodes": ['));
      throw broken;
    }
    const reading = async (): Promise<void> => {
      for await (const part of readBackupFile('f', source(), LISTS))
        expect(part).toEqual({ kind: 'list', list: 'nodes' });
    };
    await expect(reading()).rejects.toBe(broken);
  });
});

describe('asNode', () => {
  it('takes what AutoMem writes', () => {
    const properties = { id: 'a' };
    expect(asNode({ id: 7, labels: ['Memory', 'MetaMemory'], properties })).toEqual({
      internalId: 7,
      labels: ['Memory', 'MetaMemory'],
      properties,
    });
    expect(asNode({ id: 0, labels: [], properties: {} })).toMatchObject({ internalId: 0 });
  });

  it.each<[Value, string]>([
    [null, 'a node is not an object'],
    [[], 'a node is not an object'],
    [{ labels: [], properties: {} }, 'a node has no internal id'],
    [{ id: '7', labels: [], properties: {} }, 'a node has no internal id'],
    [{ id: -1, labels: [], properties: {} }, 'a node has no internal id'],
    [{ id: 1.5, labels: [], properties: {} }, 'a node has no internal id'],
    [{ id: 1, labels: 'Memory', properties: {} }, 'the labels of a node are not a list of texts'],
    [{ id: 1, labels: [1], properties: {} }, 'the labels of a node are not a list of texts'],
    [{ id: 1, labels: [] }, 'a node has no properties object'],
    [{ id: 1, labels: [], properties: [] }, 'a node has no properties object'],
  ])('says what is wrong with %j', (record, reason) => {
    expect(asNode(record)).toEqual({ reason, record });
  });
});

describe('asRelationship', () => {
  it('takes what AutoMem writes, and one without properties', () => {
    const record = { source_id: 1, target_id: 2, type: 'RELATES_TO' };
    const read = { source: 1, target: 2, type: 'RELATES_TO' };
    expect(asRelationship({ ...record, properties: { a: 1 } })).toEqual({ ...read, properties: { a: 1 } });
    expect(asRelationship({ ...record, properties: null })).toEqual({ ...read, properties: {} });
    expect(asRelationship(record)).toEqual({ ...read, properties: {} });
  });

  it.each<[Value, string]>([
    ['x', 'a relationship is not an object'],
    [{ target_id: 2, type: 'A' }, 'a relationship lacks an end'],
    [{ source_id: '1', target_id: 2, type: 'A' }, 'a relationship lacks an end'],
    [{ source_id: 1, target_id: 2 }, 'a relationship has no type'],
    [{ source_id: 1, target_id: 2, type: '' }, 'a relationship has no type'],
    [
      { source_id: 1, target_id: 2, type: 'A', properties: [1] },
      'the properties of a relationship are not an object',
    ],
    [
      { source_id: 1, target_id: 2, type: 'A', properties: 'x' },
      'the properties of a relationship are not an object',
    ],
  ])('says what is wrong with %j', (record, reason) => {
    expect(asRelationship(record)).toEqual({ reason, record });
  });
});

/** JSON text with characters outside ASCII as they are; halves of pairs stay escaped, for UTF-8 has none. */
function unescaped(text: string): string {
  return text.replace(
    /\\\\|\\u([0-9a-f]{4})(?:\\u([0-9a-f]{4}))?/g,
    (whole, first?: string, second?: string) => {
      if (first === undefined) return whole;
      const units = [first, second].filter((unit) => unit !== undefined).map((unit) => parseInt(unit, 16));
      const plain = String.fromCharCode(...units);
      return plain.isWellFormed() && units.every((unit) => unit > 0x7e) ? plain : whole;
    },
  );
}

function shape({ fields, records, order }: Read): unknown {
  return { fields: tag(fields), records: tag(records), order };
}
