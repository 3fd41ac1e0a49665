import { cosine, isPlaceholder } from '../memory/placeholder.js';
import { embedAll } from './embed-all.js';
import type { Patience } from './patience.js';
import type { EmbeddingProvider } from './provider.js';

/** A stored vector and the text it was made of. */
export interface SpaceSample {
  readonly id: string;
  readonly content: string;
  readonly vector: readonly number[];
}

/** Whether a provider makes vectors that can be searched together with the stored ones. */
export interface SpaceVerdict {
  readonly verdict: 'same' | 'other' | 'unknown';
  /** How near each stored vector is to one made now. */
  readonly cosines: readonly { readonly id: string; readonly cosine: number }[];
  /** Samples that were not compared: placeholders, texts that the provider does not take, more than are needed. */
  readonly leftOut: number;
  /** In plain words. */
  readonly reason: string;
}

const MAX_SAMPLES = 8;

/**
 * At and above: the same model. The same text gives the same vector but for the rounding of 32-bit or half-precision
 * floats and of the hardware (above 0.999); a quantised build of the same weights stays above 0.98 and can be searched
 * together with the original.
 */
const SAME = 0.98;

/**
 * Below: not the same model. Two models lay out their spaces independently, so their vectors of one text are about at
 * right angles (in 768 components the cosine of chance is 0 ± 0.04). In between lie relatives: a newer release trained
 * on from the old one, or a text changed a little since it was embedded. Neither "same" nor "other" would be honest.
 */
const OTHER = 0.9;

/** Of the samples must agree: single vectors may be older than their text, whatever the model. */
const AGREEING = 0.75;

/**
 * Embeds up to eight stored texts again and compares: nothing in the stores says which model made the vectors, and two
 * models of one size mix without any error, but no search works across them.
 *
 * @throws Failure where the provider cannot be had; the signal's reason once it is aborted.
 */
export async function checkVectorSpace(
  provider: EmbeddingProvider,
  samples: readonly SpaceSample[],
  signal: AbortSignal,
  patience: Patience = {},
): Promise<SpaceVerdict> {
  const telling = samples.filter(isTelling);
  const embedded = await embed(provider, spread(telling), signal, patience);
  const leftOut = samples.length - embedded.length;
  const [first] = embedded;
  if (first === undefined) {
    return { verdict: 'unknown', cosines: [], leftOut, reason: 'there is no stored vector to compare with' };
  }
  const [stored, made] = [first.item.vector.length, first.vector.length];
  if (stored !== made) {
    const reason = `the stored vectors have ${stored} components, and ${nameOf(provider)} gives ${made}`;
    return { verdict: 'other', cosines: [], leftOut, reason };
  }
  const cosines = embedded.map(({ item, vector }) => ({ id: item.id, cosine: cosine(item.vector, vector) }));
  return { ...judge(provider, cosines), cosines, leftOut };
}

function isTelling({ content, vector }: SpaceSample): boolean {
  if (content.trim() === '' || !vector.some((component) => component !== 0)) return false;
  return !isPlaceholder(vector, content);
}

/** From the whole list, not its beginning: a collection may have changed its model on the way. */
function spread<T>(list: readonly T[]): T[] {
  const step = Math.max(1, list.length / MAX_SAMPLES);
  return list.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
}

async function embed(
  provider: EmbeddingProvider,
  samples: readonly SpaceSample[],
  signal: AbortSignal,
  patience: Patience,
): Promise<{ item: SpaceSample; vector: number[] }[]> {
  const source = samples.map((sample) => ({ sample, text: sample.content }));
  const embedded = [];
  for await (const { items } of embedAll(provider, source, { ...patience, size: null, signal })) {
    embedded.push(...items.map(({ item, vector }) => ({ item: item.sample, vector })));
  }
  return embedded;
}

function judge(
  provider: EmbeddingProvider,
  cosines: SpaceVerdict['cosines'],
): Pick<SpaceVerdict, 'verdict' | 'reason'> {
  const all = cosines.length;
  const same = cosines.filter((sample) => sample.cosine >= SAME).length;
  const other = cosines.filter((sample) => sample.cosine < OTHER).length;
  const model = nameOf(provider);
  if (same >= all * AGREEING) {
    return {
      verdict: 'same',
      reason: `${same} of ${all} stored vectors are what ${model} makes of their texts`,
    };
  }
  if (all > 1 && other >= all * AGREEING) {
    const reason = `${other} of ${all} stored vectors are not what ${model} makes of their texts: another model made them`;
    return { verdict: 'other', reason };
  }
  const reason = `${same} of ${all} stored vectors are what ${model} makes of their texts, ${other} are far from it: too mixed to tell`;
  return { verdict: 'unknown', reason };
}

function nameOf({ name, model }: EmbeddingProvider): string {
  return `${name} (${model})`;
}
