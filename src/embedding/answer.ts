import { ProviderError } from './provider-error.js';

/**
 * The vectors of an answer of the form `{data: [{index, embedding}], usage: {total_tokens}}`, put into the order of the
 * texts by `index`: OpenAI's form, which Voyage and many others took over. The order of the list means nothing.
 *
 * @param count number of texts.
 * @throws ProviderError malformed: a vector missing, twice, or without its number.
 */
export function vectorsByIndex(
  answer: unknown,
  count: number,
): { vectors: number[][]; tokens: number | null } {
  const { data, usage } = (answer ?? {}) as { data?: unknown; usage?: { total_tokens?: unknown } };
  if (!Array.isArray(data)) throw malformed('its answer holds no list of vectors');
  const items = data as ({ index?: unknown; embedding?: unknown } | null)[];
  if (items.length !== count)
    throw malformed(`it was given ${texts(count)} and sent ${items.length} vectors`);
  const vectors = new Array<number[] | undefined>(count);
  for (const item of items) {
    // A single vector needs no number.
    const index = item?.index ?? (count === 1 ? 0 : undefined);
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count)
      throw malformed('it does not say which vector belongs to which text');
    if (vectors[index] !== undefined) throw malformed(`it sent two vectors for text ${index + 1}`);
    vectors[index] = asVector(item?.embedding);
  }
  const total = usage?.total_tokens;
  return { vectors: vectors as number[][], tokens: typeof total === 'number' ? total : null };
}

/** A list that should be a vector; what is in it is looked at by {@link checkVectors}. */
export function asVector(value: unknown): number[] {
  if (!Array.isArray(value)) throw malformed('its answer holds something else than vectors');
  return value as number[];
}

/**
 * That there is a vector for every text, of the size that is needed, made of numbers, and with a direction.
 *
 * @param size components; null takes any size that is the same for all.
 * @throws ProviderError malformed or size.
 */
export function checkVectors(
  vectors: readonly (readonly number[])[],
  count: number,
  size: number | null,
): void {
  if (vectors.length !== count)
    throw malformed(`it was given ${texts(count)} and sent ${vectors.length} vectors`);
  const expected = size ?? vectors[0]?.length ?? 0;
  for (const vector of vectors) {
    if (vector.length !== expected) throw wrongSize(vector.length, expected);
    if (!vector.every((component) => Number.isFinite(component)))
      throw malformed('a vector holds something that is not a finite number');
    if (vector.every((component) => component === 0)) throw malformed('a vector is all zeros');
  }
}

function malformed(reason: string): ProviderError {
  return new ProviderError({
    trouble: 'malformed',
    reason,
    hint: 'The provider is at fault: look at its log, or use another one.',
  });
}

function wrongSize(found: number, expected: number): ProviderError {
  return new ProviderError({
    trouble: 'size',
    reason: `the model gives ${found} components, and the collection has ${expected}`,
    hint: 'Set the provider and the model that AutoMem uses with this collection.',
  });
}

function texts(count: number): string {
  return count === 1 ? 'one text' : `${count} texts`;
}
