import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.js';
import { Double, type Value } from '../../src/memory/values.js';
import { quoteName, toCypherLiteral } from '../../src/stores/graph/cypher.js';
import { startEngines, type TestEngines } from '../support/engines.js';

let engines: TestEngines;
let redis: Redis;

beforeAll(async () => {
  engines = await startEngines();
  redis = new Redis({ ...engines.graph, stringNumbers: true });
});

afterAll(async () => {
  redis.disconnect();
  await engines.stop();
});

/** What the server understood: its compact reply for one value, as [type, value]. */
async function understood(value: Value): Promise<unknown> {
  const query = `CYPHER v=${toCypherLiteral(value)} RETURN $v`;
  const reply = (await redis.call('GRAPH.QUERY', 'literals', query, '--compact')) as [unknown, unknown[][]];
  return reply[1][0]?.[0];
}

describe('Cypher literals', () => {
  it('arrive as they were: type and value', async () => {
    const cases: [Value, [string, unknown]][] = [
      [null, ['1', null]],
      [true, ['4', 'true']],
      [1, ['3', '1']],
      [new Double(1), ['5', '1']],
      [new Double(-0), ['5', '-0']],
      [new Double(1e22), ['5', '1e+22']],
      [0.1, ['5', '0.1']],
      [1e-7, ['5', '1e-07']],
      [5e-324, ['5', '4.94065645841247e-324']],
      [1.7976931348623157e308, ['5', '1.79769313486232e+308']],
      [9_223_372_036_854_775_807n, ['3', '9223372036854775807']],
      [-9_223_372_036_854_775_808n, ['3', '-9223372036854775808']],
      [[], ['6', []]],
      [
        [1, new Double(1), 'x'],
        [
          '6',
          [
            ['3', '1'],
            ['5', '1'],
            ['2', 'x'],
          ],
        ],
      ],
      [{ 'odd key "\'': [] }, ['10', ['odd key "\'', ['6', []]]]],
      [{}, ['10', []]],
    ];
    for (const [value, expected] of cases) {
      // Node's own replies for the types that ioredis leaves as numbers.
      expect(
        JSON.parse(
          JSON.stringify(await understood(value), (_key, item: unknown) =>
            typeof item === 'number' ? String(item) : item,
          ),
        ),
      ).toEqual(expected);
    }
  });

  it('keep every text, whatever is in it', async () => {
    const texts = [
      "it's",
      '\\',
      "\\'",
      "'}) DETACH DELETE n //",
      '$x',
      '`',
      '\\u0041',
      '\\n',
      'a\nb\r\n\t\u0001\u007f',
      '\u2028',
      '👨‍👩‍👧',
      '"',
      '',
    ];
    for (const text of texts) expect(await understood(text)).toEqual(['2', text]);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 50 }).filter((text) => !text.includes('\0')),
        async (text) => {
          expect(await understood(text)).toEqual(['2', text]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keep every double to the last bit', async () => {
    const doubles = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new Double(value));
    await fc.assert(
      fc.asyncProperty(doubles, async (value) => {
        // Against the same number with more digits than any double needs: equal only if both were read exactly.
        const query = `CYPHER v=${toCypherLiteral(value)} w=${value.value.toExponential(20)} RETURN $v = $w`;
        const reply = (await redis.call('GRAPH.QUERY', 'literals', query)) as [unknown, string[][]];
        expect(reply[1][0]?.[0]).toBe('true');
      }),
      { numRuns: 200 },
    );
  });

  it('refuse what the graph cannot hold', () => {
    const values: Value[] = [
      new Double(NaN),
      new Double(Infinity),
      2n ** 63n,
      -(2n ** 63n) - 1n,
      'a\0b',
      '\ud83e',
      { 'a`b': 1 },
    ];
    for (const value of values) expect(() => toCypherLiteral(value)).toThrow(Failure);
  });
});

describe('quoted names', () => {
  it('make labels, types and keys of any words', async () => {
    const label = quoteName('Odd: "label" \\ \'x\' 🧠');
    await redis.call(
      'GRAPH.QUERY',
      'names',
      `CREATE (:${label} {${quoteName('a key')}: 1})-[:${quoteName('TYPE-1')}]->(:B)`,
    );
    const reply = (await redis.call(
      'GRAPH.QUERY',
      'names',
      'MATCH (a)-[e]->() RETURN labels(a), keys(a), type(e)',
    )) as [unknown, unknown[]];
    expect(reply[1]).toEqual([['[Odd: "label" \\ \'x\' 🧠]', '[a key]', 'TYPE-1']]);
  });

  it('refuse what would end the quotes', () => {
    for (const name of ['', 'a`b', 'a\0b', '\ud83e']) expect(() => quoteName(name)).toThrow(Failure);
  });
});
