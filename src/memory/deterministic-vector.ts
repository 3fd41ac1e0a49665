import { fillWithNoise, unitVector } from './directions.js';

/** Words whose directions are remembered: 2,000 of 1,024 components take 16 MB. */
const REMEMBERED = 2000;

/** What is remembered serves one size at a time: a run knows only one. */
let remembered: { readonly size: number; readonly words: Map<string, Float64Array> } = {
  size: 0,
  words: new Map(),
};

/**
 * A vector of a text without a model, for drills and tests: each word points in a direction of its own, and the text in
 * the weighted sum of its words'. Texts that share words are near each other (cosine about the share of the words they
 * have in common), others are about at right angles. Case and punctuation do not count.
 *
 * It knows no meanings: never mix its vectors with those of a model. A text and a size always give the same vector.
 *
 * @param content any text; one without a word has a direction of its own, too.
 * @param size number of components, at least 1.
 * @returns `size` numbers of unit length, whole multiples of 1e-7 (see `unitVector`).
 */
export function deterministicVector(content: string, size: number): number[] {
  const sum = new Float64Array(size);
  for (const [word, count] of countWords(content)) {
    const weight = weightOf(word, count);
    const direction = directionOf(word, size);
    for (let index = 0; index < size; index++)
      sum[index] = (sum[index] ?? 0) + weight * (direction[index] ?? 0);
  }
  // No words, or words that cancel each other (only possible with very few components).
  return unitVector(sum) ?? lonely(content, size);
}

function countWords(content: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of content.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** A repeated word counts a little more, a short one ("a", "of", "the") less: it says little about its text. */
function weightOf(word: string, count: number): number {
  return (1 + Math.log(count)) * (word.length / (word.length + 3));
}

function directionOf(word: string, size: number): Float64Array {
  if (remembered.size !== size) remembered = { size, words: new Map() };
  const { words } = remembered;
  const known = words.get(word);
  if (known) return known;
  const direction = fillWithNoise(hashText(word), new Float64Array(size));
  // The first words to come are, by and large, the frequent ones: they stay, and rare ones are made again.
  if (words.size < REMEMBERED) words.set(word, direction);
  return direction;
}

function lonely(content: string, size: number): number[] {
  const noise = fillWithNoise(hashText(content), new Float64Array(size));
  return unitVector(noise) ?? Array.from(noise, (_, index) => (index === 0 ? 1 : 0));
}

/** FNV-1a over the UTF-16 code units, with the last mix of MurmurHash3, so that near words are far apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
