import { deterministicVector } from '../../memory/deterministic-vector.js';

/** Vectors are remembered this far back: neighbours are looked for among the recent memories. */
const RECENT = 160;

/**
 * The vectors of a population: each depends on the memory's content alone, so that a drill can embed any of them anew
 * with the deterministic provider and is back in the very same space.
 */
export class VectorField {
  readonly #recent = new Map<number, number[]>();

  constructor(
    readonly dim: number,
    private readonly contentOf: (memory: number) => string | null,
  ) {}

  /** The vector of a memory: `dim` numbers of unit length. Do not change it: it is cached. */
  vectorOf(memory: number): number[] {
    const known = this.#recent.get(memory);
    if (known) return known;
    const vector = deterministicVector(this.contentOf(memory) ?? '', this.dim);
    this.#recent.set(memory, vector);
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value ?? memory);
    return vector;
  }

  /** Cosine of two memories' vectors, rounded to the digits of a 32-bit float. */
  similarity(first: number, second: number): number {
    const a = this.vectorOf(first);
    const b = this.vectorOf(second);
    let sum = 0;
    for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
    return Math.min(1, Math.round(sum * 1e7) / 1e7);
  }
}
