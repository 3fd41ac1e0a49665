import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { cosine, isPlaceholder, placeholderVector } from '../../src/memory/placeholder.js';
import { python } from './python.js';

/** AutoMem's placeholder provider, in its own words. */
const RULE = `
import hashlib, random
def vector(content, size):
    rng = random.Random(int.from_bytes(hashlib.sha256(content.encode('utf-8')).digest()[:8], 'little'))
    return [rng.random() for _ in range(size)]
answer = [vector(content, size) for content, size in data]`;

const normalised = (vector: number[]): number[] => vector.map((x) => x / Math.hypot(...vector));

describe('placeholderVector', () => {
  it('is, to the last bit, the vector that AutoMem stores without a provider', () => {
    const contents = [
      '',
      'Chose PostgreSQL',
      'é🧠 漢字',
      'x'.repeat(100_000),
      ...fc.sample(fc.string({ unit: 'grapheme' }), 100),
    ];
    const cases = contents.map((content, i): [string, number] => [content, i % 7 === 0 ? 1300 : 64]);
    const wanted = python(RULE, cases) as number[][];
    for (const [i, [content, size]] of cases.entries()) {
      expect({ content, vector: placeholderVector(content, size) }).toEqual({ content, vector: wanted[i] });
    }
  });
});

describe('isPlaceholder', () => {
  const content = 'Chose PostgreSQL';
  it('knows a placeholder as it was made and as Qdrant normalises it, in single precision', () => {
    const made = placeholderVector(content, 768);
    expect(isPlaceholder(made, content)).toBe(true);
    expect(isPlaceholder([...Float32Array.from(normalised(made))], content)).toBe(true);
  });

  it('does not take a real vector, another memory’s placeholder or nothing for one', () => {
    const made = placeholderVector(content, 768);
    expect(isPlaceholder(made, 'Chose SQLite')).toBe(false);
    expect(isPlaceholder([-0.001, ...made.slice(1)], content)).toBe(false);
    expect(
      isPlaceholder(
        Array.from({ length: 768 }, () => 0),
        content,
      ),
    ).toBe(false);
    expect(isPlaceholder([], content)).toBe(false);
  });
});

describe('cosine', () => {
  it.each([
    [[1, 0], [2, 0], 1],
    [[1, 0], [0, 3], 0],
    [[1, 0], [-1, 0], -1],
    [[0, 0], [1, 0], 0],
    [[], [], 0],
  ])('of %j and %j is %d', (a, b, expected) => {
    expect(cosine(a, b)).toBeCloseTo(expected, 12);
  });
});
