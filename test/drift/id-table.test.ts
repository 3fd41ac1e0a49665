import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { IdTable } from '../../src/drift/id-table.js';
import { joinKey } from '../../src/memory/ids.js';

const uuid = fc.uuid();
const shouted = uuid.map((id) => id.toUpperCase());
const bare = uuid.map((id) => id.replaceAll('-', ''));
const nearly = uuid.map((id) => id.replace('-', '_'));
/** Counted up, as somebody's own ids are: they differ in a few bits. */
const counted = fc.nat(200).map((n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`);
const integer = fc.oneof(fc.nat(), fc.bigInt(0n, 2n ** 64n - 1n));
const id = fc.oneof(
  uuid,
  shouted,
  bare,
  nearly,
  counted,
  integer,
  fc.string(),
  fc.string({ unit: 'binary' }),
);

describe('a table of ids', () => {
  it('is a Map from joined ids to the order of their arrival, whatever the ids are', () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 300 }), fc.array(id), fc.nat(64), (added, others, expected) => {
        const table = new IdTable(expected);
        const model = new Map<string, number>();
        for (const one of added) {
          const key = joinKey(one);
          if (!model.has(key)) model.set(key, model.size);
          expect(table.add(one)).toBe(model.get(key));
        }
        expect(table.size).toBe(model.size);
        for (const one of [...added, ...others]) expect(table.find(one)).toBe(model.get(joinKey(one)) ?? -1);
        for (const [key, position] of model) expect(table.keyAt(position)).toBe(key);
      }),
    );
  });

  it('joins what the stores write differently, and keeps apart what only looks alike', () => {
    const table = new IdTable();
    const position = table.add('0A000000-0000-4000-8000-00000000000F');
    expect(table.find('0a000000-0000-4000-8000-00000000000f')).toBe(position);
    expect(table.find('0a00000000004000800000000000000f')).toBe(position);
    expect(table.find('0a000000-0000-4000-8000-00000000000g')).toBe(-1);
    expect(table.add(42)).toBe(table.add('42'));
    expect(table.find('042')).toBe(-1);
  });

  it('holds many ids in little memory', () => {
    const table = new IdTable();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200_000; i++) table.add(`${hex(i)}-0000-4000-8000-${hex(i * 7)}0000`);
    expect(table.size).toBe(200_000);
    expect(table.keyAt(table.find(`${hex(4711)}-0000-4000-8000-${hex(4711 * 7)}0000`))).toBe(
      `${hex(4711)}-0000-4000-8000-${hex(4711 * 7)}0000`,
    );
    // What growing leaves behind is collected later.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200_000 * 100);
  });
});

function hex(n: number): string {
  return n.toString(16).padStart(8, '0');
}
