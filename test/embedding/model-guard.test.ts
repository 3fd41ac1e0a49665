import { describe, expect, it } from 'vitest';
import { DeterministicProvider } from '../../src/embedding/deterministic.js';
import { checkVectorSpace, type SpaceSample } from '../../src/embedding/model-guard.js';
import type { EmbeddingProvider } from '../../src/embedding/provider.js';
import { ProviderError } from '../../src/embedding/provider-error.js';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { placeholderVector } from '../../src/memory/placeholder.js';

const SIZE = 256;
const forever = new AbortController().signal;
const provider = new DeterministicProvider(SIZE);

function sample(index: number, change: Partial<SpaceSample> = {}): SpaceSample {
  const content = `decision ${index}: use engine ${index * 7} for plan ${index + 3}`;
  return { id: `id-${index}`, content, vector: deterministicVector(content, SIZE), ...change };
}
const samples = (
  count: number,
  change: (index: number) => Partial<SpaceSample> = () => ({}),
): SpaceSample[] => Array.from({ length: count }, (_, index) => sample(index, change(index)));
/** A vector of another model: the same text under other words. */
const foreign = (index: number): Partial<SpaceSample> => ({
  vector: deterministicVector(`other ${index}`, SIZE),
});

describe('checkVectorSpace', () => {
  it('knows its own vectors, however long the stored ones are', async () => {
    const stored = samples(3, (index) => ({
      vector: sample(index).vector.map((component) => component * 3),
    }));
    const verdict = await checkVectorSpace(provider, stored, forever);
    expect(verdict.verdict).toBe('same');
    expect(verdict.cosines.map(({ id }) => id)).toEqual(['id-0', 'id-1', 'id-2']);
    expect(Math.min(...verdict.cosines.map(({ cosine }) => cosine))).toBeGreaterThan(0.9999);
  });

  it('knows the vectors of another model of the same size', async () => {
    const { verdict, reason } = await checkVectorSpace(provider, samples(4, foreign), forever);
    expect(verdict).toBe('other');
    expect(reason).toBe(
      '4 of 4 stored vectors are not what deterministic (words) makes of their texts: another model made them',
    );
  });

  it('calls another size another space, without failing', async () => {
    const stored = samples(2, (index) => ({ vector: deterministicVector(`decision ${index}`, SIZE / 2) }));
    const { verdict, reason } = await checkVectorSpace(provider, stored, forever);
    expect(verdict).toBe('other');
    expect(reason).toContain('128 components, and deterministic (words) gives 256');
  });

  it('is not misled by one vector that is older than its text', async () => {
    const stored = samples(4, (index) => (index === 1 ? foreign(index) : {}));
    expect((await checkVectorSpace(provider, stored, forever)).verdict).toBe('same');
  });

  it('does not decide between two halves, nor by one stranger', async () => {
    const mixed = samples(8, (index) => (index < 4 ? foreign(index) : {}));
    expect((await checkVectorSpace(provider, mixed, forever)).verdict).toBe('unknown');
    expect((await checkVectorSpace(provider, samples(1, foreign), forever)).verdict).toBe('unknown');
  });

  it('leaves out placeholders, empty texts and vectors, and knows nothing where nothing is left', async () => {
    const placeholders = samples(5, (index) => ({ vector: placeholderVector(sample(index).content, SIZE) }));
    const all = [...placeholders, sample(6, { content: ' ' }), sample(7, { vector: [0, 0] })];
    expect(await checkVectorSpace(provider, all, forever)).toMatchObject({
      verdict: 'unknown',
      leftOut: 7,
      cosines: [],
    });
    const { verdict, leftOut } = await checkVectorSpace(provider, [...all, sample(8)], forever);
    expect([verdict, leftOut]).toEqual(['same', 7]);
  });

  it('asks for eight at most, from the whole list', async () => {
    const { cosines } = await checkVectorSpace(provider, samples(80), forever);
    expect(cosines.map(({ id }) => id)).toEqual(
      [0, 10, 20, 30, 40, 50, 60, 70].map((index) => `id-${index}`),
    );
    expect((await checkVectorSpace(provider, samples(13), forever)).cosines).toHaveLength(8);
  });

  it('does without a text that the provider does not take', async () => {
    const picky: EmbeddingProvider = {
      name: 'picky',
      model: 'm',
      size: SIZE,
      batchSize: 4,
      concurrency: 1,
      embed(texts, signal) {
        if (texts.some((text) => text.startsWith('decision 1:')))
          throw new ProviderError({ trouble: 'refused', reason: 'too long', hint: '', aboutText: true });
        return provider.embed(texts, signal);
      },
    };
    expect(await checkVectorSpace(picky, samples(3), forever)).toMatchObject({ verdict: 'same', leftOut: 1 });
  });
});
