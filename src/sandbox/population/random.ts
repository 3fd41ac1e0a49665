/**
 * Random access randomness: every fact of memory i comes from (seed, stream, i), so that any memory can be made
 * again at any time and nothing has to be held.
 */
export enum Stream {
  id = 1,
  topic,
  type,
  time,
  text,
  thread,
  repeat,
  links,
  facts,
  entity,
  pattern,
  meta,
  run,
  later,
}

/** One 32-bit hash of three 32-bit numbers (MurmurHash3 mixing). */
export function hash32(seed: number, stream: number, index: number): number {
  let h = seed | 0;
  for (const part of [stream, index]) {
    let k = Math.imul(part | 0, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The sfc32 generator (Chris Doty-Humphrey, PractRand). Same arguments, same numbers, on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, stream: Stream, index: number) {
    this.#a = hash32(seed, stream, index) | 0;
    this.#b = hash32(seed ^ 0x9e3779b9, stream, index) | 0;
    this.#c = hash32(seed ^ 0x7f4a7c15, index, stream) | 0;
    for (let round = 0; round < 12; round++) this.bits();
  }

  /** 32 random bits, as an unsigned integer. */
  bits(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** Uniform in [0, 1) with 32 random bits. */
  next(): number {
    return this.bits() / 4294967296;
  }

  /** Uniform in (0, 1) with 53 random bits: prints with 16 or 17 digits. */
  fine(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53 || 0.5;
  }

  /** A whole number in [0, below). */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.int(list.length)];
    if (item === undefined) throw new Error('pick from an empty list');
    return item;
  }

  /** `digits` lower-case hex digits. */
  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.bits().toString(16).padStart(8, '0');
    return text.slice(0, digits);
  }

  /** A UUID that looks as Python's uuid4 prints it. */
  uuid(): string {
    const h = this.hex(32);
    const variant = '89ab'[this.int(4)] ?? '8';
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-${variant}${h.slice(17, 20)}-${h.slice(20)}`;
  }
}

/** An item chosen by weight; `weights` are [item, share] with shares of any sum. */
export function weighted<T>(random: Random, weights: readonly (readonly [T, number])[]): T {
  const total = weights.reduce((sum, [, share]) => sum + share, 0);
  let left = random.next() * total;
  for (const [item, share] of weights) {
    left -= share;
    if (left < 0) return item;
  }
  const last = weights.at(-1);
  if (last === undefined) throw new Error('choice from an empty list');
  return last[0];
}
