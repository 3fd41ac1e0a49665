import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { IdSet, InternalIdSet } from '../../../src/backup/pair/id-set.js';
import { joinKey } from '../../../src/memory/ids.js';

describe('IdSet', () => {
  const counting = fc
    .nat({ max: 40 })
    .map((n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`);
  const id = fc.oneof(
    counting,
    counting.map((uuid) => uuid.toUpperCase()),
    counting.map((uuid) => uuid.replaceAll('-', '')),
    fc.uuid(),
    fc.nat({ max: 20 }),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 5n }),
    fc.constantFrom(
      '',
      'pattern-x',
      '00000000-0000-4000-8000-00000000000g',
      '0000000000000-4000-8000-000000000000-',
    ),
  );

  it('knows what a Set of joined ids knows, with positions', () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 60 }), fc.array(id, { maxLength: 20 }), (added, asked) => {
        const set = new IdSet();
        const model = new Map<string, number>();
        for (const one of added) {
          const key = joinKey(one);
          if (!model.has(key)) model.set(key, model.size);
          expect(set.add(one)).toBe(model.get(key));
        }
        expect(set.size).toBe(model.size);
        for (const [key, position] of model) expect(set.at(position)).toBe(key);
        for (const one of [...added, ...asked]) expect(set.find(one)).toBe(model.get(joinKey(one)) ?? -1);
      }),
    );
  });

  it('grows', () => {
    const set = new IdSet();
    const uuid = (n: number): string => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
    for (let n = 0; n < 20_000; n++) expect(set.add(n % 3 === 0 ? n : uuid(n))).toBe(n);
    for (let n = 0; n < 20_000; n++) expect(set.find(n % 3 === 0 ? n : uuid(n))).toBe(n);
    expect(set.find(uuid(20_001))).toBe(-1);
    expect(set.at(19_999)).toBe(uuid(19_999));
  });
});

it('InternalIdSet knows small and large ids', () => {
  const set = new InternalIdSet();
  const ids = [0, 1, 7, 8, 100_000, 64 * 1024 * 1024 - 1, 64 * 1024 * 1024, 2 ** 40];
  for (const id of ids) expect(set.add(id)).toBe(true);
  for (const id of ids) expect([set.add(id), set.has(id)]).toEqual([false, true]);
  for (const id of [2, 9, 99_999, 2 ** 40 + 1, -1, 0.5]) expect(set.has(id)).toBe(false);
});
