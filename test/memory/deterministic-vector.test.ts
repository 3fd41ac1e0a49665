import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { cosine } from '../../src/memory/placeholder.js';

const near = (a: string, b: string): number =>
  cosine(deterministicVector(a, 768), deterministicVector(b, 768));

describe('deterministicVector', () => {
  it('gives any text a vector of unit length in whole multiples of 1e-7, always the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
        fc.integer({ min: 1, max: 64 }),
        (text, size) => {
          const vector = deterministicVector(text, size);
          expect(vector).toHaveLength(size);
          expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
          expect(vector.filter((component) => Number(component.toFixed(7)) !== component)).toEqual([]);
          expect(deterministicVector(text, size)).toEqual(vector);
        },
      ),
    );
  });

  it('keeps its digits in a float of 32 bits', () => {
    for (const component of deterministicVector('the words of a memory', 512))
      expect(Number(Math.fround(component).toPrecision(7)).toFixed(7)).toBe(component.toFixed(7));
  });

  it('is pinned: drills and stored test data rest on it', () => {
    expect(deterministicVector('The quick brown fox', 4)).toEqual([
      -0.3798578, 0.6885754, 0.6055935, -0.1217721,
    ]);
  });

  it('puts texts that share words near each other, and others at right angles', () => {
    expect(near('Deploy the API at night', 'at night: deploy the api!')).toBeCloseTo(1, 6);
    expect(
      near('the API deploy failed at night', 'at night the API deploy failed once more'),
    ).toBeGreaterThan(0.7);
    expect(Math.abs(near('postgres chosen over mysql', 'dark mode is preferred'))).toBeLessThan(0.15);
    expect(Math.abs(near('', '!?'))).toBeLessThan(0.15);
  });

  it('does not depend on what it was asked before', () => {
    const first = deterministicVector('alpha beta', 16);
    for (let index = 0; index < 3_000; index++) deterministicVector(`word${index}`, 32);
    expect(deterministicVector('alpha beta', 16)).toEqual(first);
    expect(deterministicVector('word2999 word1', 32)).toEqual(deterministicVector('word1 word2999', 32));
  });
});
