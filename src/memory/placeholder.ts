import { createHash } from 'node:crypto';

/**
 * The vector that AutoMem stores, unmarked, where no embedding provider answered: the first eight bytes of the content's
 * SHA-256, little-endian, seed Python's Mersenne Twister, whose `random()` gives each component in [0, 1).
 *
 * Source: AutoMem's placeholder provider; Python's `random.seed(int)` and `random.random()` (MT19937, init_by_array).
 *
 * @param size number of components.
 */
export function placeholderVector(content: string, size: number): number[] {
  const digest = createHash('sha256').update(content, 'utf8').digest();
  const words = [digest.readUInt32LE(0), digest.readUInt32LE(4)];
  // Python drops leading zero words of the seed.
  const twister = new MersenneTwister(words[1] === 0 ? words.slice(0, 1) : words);
  return Array.from({ length: size }, () => twister.random());
}

/**
 * Whether a stored vector is the placeholder of a content. Qdrant normalises cosine vectors, so directions are compared.
 */
export function isPlaceholder(vector: readonly number[], content: string): boolean {
  if (vector.some((component) => component < 0)) return false;
  return cosine(vector, placeholderVector(content, vector.length)) > 0.99999;
}

/** Cosine of two vectors of one size; 0 where either has no length. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  let dot = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    dot += x * y;
    lengthA += x * x;
    lengthB += y * y;
  }
  return lengthA === 0 || lengthB === 0 ? 0 : dot / Math.sqrt(lengthA * lengthB);
}

const SIZE = 624;
const SHIFT = 397;

class MersenneTwister {
  private readonly state = new Uint32Array(SIZE);
  private index = SIZE;

  constructor(key: readonly number[]) {
    this.seed(19_650_218);
    this.mixKey(key);
  }

  private seed(value: number): void {
    this.state[0] = value;
    for (let i = 1; i < SIZE; i++) this.state[i] = Math.imul(1_812_433_253, this.carry(i - 1)) + i;
  }

  private carry(i: number): number {
    const word = this.state[i] as number;
    return word ^ (word >>> 30);
  }

  private mixKey(key: readonly number[]): void {
    const { state } = this;
    let i = 1;
    const advance = (): void => {
      if (++i < SIZE) return;
      state[0] = state[SIZE - 1] as number;
      i = 1;
    };
    for (let k = 0; k < SIZE; k++) {
      const j = k % key.length;
      state[i] = ((state[i] as number) ^ Math.imul(this.carry(i - 1), 1_664_525)) + (key[j] as number) + j;
      advance();
    }
    for (let k = 1; k < SIZE; k++) {
      state[i] = ((state[i] as number) ^ Math.imul(this.carry(i - 1), 1_566_083_941)) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  /** 53 random bits in [0, 1). */
  random(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  private next(): number {
    if (this.index === SIZE) this.twist();
    let word = this.state[this.index++] as number;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < SIZE; i++) {
      const mixed = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % SIZE] as number) & 0x7fffffff);
      state[i] = (state[(i + SHIFT) % SIZE] as number) ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.index = 0;
  }
}
