import { describe, expect, it } from 'vitest';

import { CANONICAL_TYPES, FALLBACK_TYPE, isMemoryType, isVectorEligible } from '../../src/memory/contract.js';
import { idPeculiarity, joinKey } from '../../src/memory/ids.js';
import { Double, double, isMap, numeric } from '../../src/memory/values.js';

const UUID = '9c0bb0f4-1a2b-4c3d-8e4f-0123456789ab';

describe('joinKey', () => {
  it.each([
    [UUID, UUID],
    [UUID.toUpperCase(), UUID],
    [UUID.replaceAll('-', ''), UUID],
    [`{${UUID}}`, UUID],
    [`urn:uuid:${UUID}`, UUID],
    [`URN:UUID:${UUID.toUpperCase()}`, UUID],
    [7, '7'],
    [18446744073709551615n, '18446744073709551615'],
    ['Pattern-X', 'Pattern-X'],
    [`${UUID}0`, `${UUID}0`],
    [` ${UUID}`, ` ${UUID}`],
    ['', ''],
  ])('of %o is %o', (id, key) => {
    expect(joinKey(id)).toBe(key);
  });
});

describe('idPeculiarity', () => {
  it.each([
    [UUID, null],
    [UUID.toUpperCase(), null],
    [7, 'an integer, where AutoMem writes UUIDs'],
    [7n, 'an integer, where AutoMem writes UUIDs'],
    ['note-7', 'not a UUID'],
    ['', 'not a UUID'],
  ])('of %o is %o', (id, peculiarity) => {
    expect(idPeculiarity(id)).toBe(peculiarity);
  });
});

describe('isMemoryType', () => {
  it.each([...CANONICAL_TYPES, FALLBACK_TYPE, 'MetaPattern', 'anything', 'Integer sums'])(
    'takes %s',
    (type) => {
      expect(isMemoryType(type)).toBe(true);
    },
  );
  it.each([
    'str',
    'STRING',
    ' int ',
    'NoneType',
    'object',
    'undefined',
    'NaN',
    '',
    '\t',
    7,
    null,
    undefined,
    [],
  ])('refuses %o', (type) => {
    expect(isMemoryType(type)).toBe(false);
  });
});

describe('isVectorEligible', () => {
  const excluded = new Set(['MetaPattern']);
  it.each([
    [{ type: 'Decision', content: 'x' }, true],
    [{ content: 'x' }, true],
    [{ type: null, content: 'x' }, true],
    [{ type: 7, content: 'x' }, true],
    [{ type: 'metapattern', content: 'x' }, true],
    [{ type: 'MetaPattern', content: 'x' }, false],
    [{ type: 'Decision', content: '' }, false],
    [{ type: 'Decision', content: ' \n' }, false],
    [{ type: 'Decision', content: null }, false],
    [{ type: 'Decision' }, false],
    [{ type: 'Decision', content: 7 }, false],
  ])('of %o is %s', (memory, eligible) => {
    expect(isVectorEligible(memory, excluded)).toBe(eligible);
  });
});

describe('values', () => {
  it('wrap a double exactly where it would read as something else', () => {
    expect(double(0.5)).toBe(0.5);
    for (const value of [1, 0, -0, 1e22, NaN, Infinity, -Infinity])
      expect(double(value)).toStrictEqual(new Double(value));
  });

  it('have a numeric value or none', () => {
    expect([1, 2n, new Double(3), '4', null, undefined, true, [5]].map(numeric)).toEqual([
      1,
      2,
      3,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  it('are maps only where JSON has an object', () => {
    expect([{}, [], null, undefined, 'x', new Double(1)].map(isMap)).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('print as JSON that a person can read', () => {
    const values = [new Double(1), new Double(1e22), new Double(NaN), new Double(-Infinity)];
    expect(JSON.stringify(values)).toBe('[1,1e+22,"NaN","-Infinity"]');
  });
});
