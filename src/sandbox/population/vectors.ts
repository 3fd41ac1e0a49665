import { hash32, Random, Stream } from './random.js';

/** Vectors are cached this far back: neighbours are looked for among the recent memories. */
const RECENT = 32;

/**
 * Unit vectors in clusters: memories of one topic lie around one centre, with cosines of about 0.7–0.95 between
 * them. Components are whole multiples of 1e-7, so that a 32-bit float prints with the very digits that were
 * written (spacing of floats below 1 is at most 6e-8).
 */
export class VectorField {
  readonly #centers = new Map<number, Float64Array>();
  readonly #recent = new Map<number, number[]>();
  readonly #scratch: Float64Array;

  constructor(
    readonly seed: number,
    readonly dim: number,
  ) {
    this.#scratch = new Float64Array(dim);
  }

  /** The vector of a memory: `dim` numbers of unit length. Do not change it: it is cached. */
  vectorOf(memory: number, topic: number): number[] {
    const known = this.#recent.get(memory);
    if (known) return known;
    const random = new Random(this.seed, Stream.vector, memory);
    const center = this.#center(topic);
    const scale = (0.3 + 0.35 * random.next()) * Math.sqrt(3 / this.dim);
    const values = noise(hash32(this.seed, Stream.vector, memory), this.#scratch);
    for (let index = 0; index < values.length; index++) {
      values[index] = (center[index] ?? 0) + scale * (values[index] ?? 0);
    }
    const vector = unit(values);
    this.#recent.set(memory, vector);
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value ?? memory);
    return vector;
  }

  /** Cosine of two memories' vectors, rounded to the digits of a 32-bit float. */
  similarity(first: number, firstTopic: number, second: number, secondTopic: number): number {
    const a = this.vectorOf(first, firstTopic);
    const b = this.vectorOf(second, secondTopic);
    let sum = 0;
    for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
    return Math.min(1, Math.round(sum * 1e7) / 1e7);
  }

  #center(topic: number): Float64Array {
    const known = this.#centers.get(topic);
    if (known) return known;
    const center = Float64Array.from(
      unit(noise(hash32(this.seed, Stream.center, topic), new Float64Array(this.dim))),
    );
    this.#centers.set(topic, center);
    return center;
  }
}

/** Fills `values` with uniform numbers in [-1, 1) from mulberry32 (Tommy Ettinger): the hot loop of a population, so written out. */
function noise(seed: number, values: Float64Array): Float64Array {
  let state = seed | 0;
  for (let index = 0; index < values.length; index++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    values[index] = ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  }
  return values;
}

/** The same direction, of length 1, in whole multiples of 1e-7. */
function unit(values: Float64Array): number[] {
  let squares = 0;
  for (const value of values) squares += value * value;
  const scale = 1e7 / Math.sqrt(squares);
  const result = new Array<number>(values.length);
  // "+ 0" turns the -0 of a small negative number into 0.
  for (let index = 0; index < values.length; index++) {
    result[index] = Math.round((values[index] ?? 0) * scale) / 1e7 + 0;
  }
  return result;
}
