import { joinKey } from '../../memory/ids.js';

const CANONICAL_LENGTH = 36;
const WORDS = 4;

/** The value of each hexadecimal digit in lower case, 255 for anything else. */
const HEX = new Uint8Array(128).fill(255);
for (let value = 0; value < 16; value++) HEX[value.toString(16).charCodeAt(0)] = value;

/** Where hyphens stand in a UUID, and where its digits. */
const HYPHENS = [8, 13, 18, 23];
const DIGITS = Array.from({ length: CANONICAL_LENGTH }, (_, at) => at).filter((at) => !HYPHENS.includes(at));

/** An {@link IdSet} as plain data, which can go from one thread to another. */
export interface IdSetData {
  words: Uint32Array<ArrayBuffer>;
  slots: Int32Array<ArrayBuffer>;
  /** Ids that are not UUIDs, and where they stand. */
  others: ReadonlyMap<string, number>;
  count: number;
}

/**
 * A set of ids, joined as {@link joinKey} does, each with the position at which it was added. A UUID takes 24 bytes, so
 * that the ids of a million memories fit where a million strings would not.
 */
export class IdSet {
  private words = new Uint32Array(1024 * WORDS);
  /** Position + 1 of the UUID in each slot of a hash table with open addressing. */
  private slots = new Int32Array(2048);
  /** Ids that are not UUIDs, and where they stand. */
  private readonly others = new Map<string, number>();
  private readonly otherKeys = new Map<number, string>();
  private readonly packed = new Uint32Array(WORDS);
  private count = 0;

  /** The same set; the data is not copied. */
  static from({ words, slots, others, count }: IdSetData): IdSet {
    const set = new IdSet();
    Object.assign(set, { words, slots, count });
    for (const [key, position] of others) {
      set.others.set(key, position);
      set.otherKeys.set(position, key);
    }
    return set;
  }

  data(): IdSetData {
    const { words, slots, others, count } = this;
    return { words, slots, others, count };
  }

  get size(): number {
    return this.count;
  }

  /** @returns the position of the id: `size` as it was before when it is new, else that of its first occurrence. */
  add(id: string | number | bigint): number {
    const key = joinKey(id);
    if (!this.pack(key)) return this.addOther(key);
    if ((this.count + 1) * WORDS > this.words.length || this.count * 2 >= this.slots.length) this.grow();
    const slot = this.slotOf(this.packed, 0);
    const found = this.slots[slot] as number;
    if (found > 0) return found - 1;
    this.words.set(this.packed, this.count * WORDS);
    this.slots[slot] = this.count + 1;
    return this.count++;
  }

  /** @returns the position at which the id was added, or -1 */
  find(id: string | number | bigint): number {
    const key = joinKey(id);
    if (!this.pack(key)) return this.others.get(key) ?? -1;
    return (this.slots[this.slotOf(this.packed, 0)] as number) - 1;
  }

  /** As {@link find}, of the id that stands at a position of another set: no text is made of it. */
  findOf(other: IdSet, position: number): number {
    const key = other.otherKeys.get(position);
    if (key !== undefined) return this.others.get(key) ?? -1;
    return (this.slots[this.slotOf(other.words, position * WORDS)] as number) - 1;
  }

  /** The id that was added at a position. */
  at(position: number): string {
    const other = this.otherKeys.get(position);
    if (other !== undefined) return other;
    let hex = '';
    for (let word = 0; word < WORDS; word++) {
      hex += (this.words[position * WORDS + word] as number).toString(16).padStart(8, '0');
    }
    return joinKey(hex);
  }

  private addOther(key: string): number {
    const known = this.others.get(key);
    if (known !== undefined) return known;
    if ((this.count + 1) * WORDS > this.words.length) this.grow();
    // Copied: a piece of a chunk's text would keep the whole chunk in memory.
    const kept = Buffer.from(key, 'utf16le').toString('utf16le');
    this.others.set(kept, this.count);
    this.otherKeys.set(this.count, kept);
    return this.count++;
  }

  /** Packs a UUID into `packed`; false for any other id. */
  private pack(key: string): boolean {
    if (key.length !== CANONICAL_LENGTH || HYPHENS.some((at) => key[at] !== '-')) return false;
    let word = 0;
    for (let digit = 0; digit < DIGITS.length; digit++) {
      const value = HEX[key.charCodeAt(DIGITS[digit] as number)] ?? 255;
      if (value > 15) return false;
      word = (word << 4) | value;
      if (digit % 8 === 7) this.packed[digit >> 3] = word;
    }
    return true;
  }

  /** The slot that holds the UUID at `from`, or the empty one where it belongs. */
  private slotOf(words: Uint32Array, from: number): number {
    const mask = this.slots.length - 1;
    let hash = 0;
    for (let word = 0; word < WORDS; word++) hash = mix(hash ^ (words[from + word] as number));
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.slots[slot] as number;
      if (found === 0 || this.isAt((found - 1) * WORDS, words, from)) return slot;
    }
  }

  private isAt(position: number, words: Uint32Array, from: number): boolean {
    for (let word = 0; word < WORDS; word++) {
      if (this.words[position + word] !== words[from + word]) return false;
    }
    return true;
  }

  private grow(): void {
    const words = new Uint32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
    this.slots = new Int32Array(this.slots.length * 2);
    for (let position = 0; position < this.count; position++) {
      if (!this.otherKeys.has(position)) this.slots[this.slotOf(this.words, position * WORDS)] = position + 1;
    }
  }
}

/** Multiplies and folds: ids that count upwards must not fill one stretch of the table. */
function mix(hash: number): number {
  const product = Math.imul(hash, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** Internal ids beyond this are not dense in any sense. */
const DENSE_LIMIT = 64 * 1024 * 1024;

/** A set of internal ids of a graph: small and dense, so that one bit each serves. */
export class InternalIdSet {
  private bits = new Uint8Array(1024);
  private readonly sparse = new Set<number>();

  /** @returns false when the id was there already */
  add(id: number): boolean {
    if (this.has(id)) return false;
    if (id >= DENSE_LIMIT) {
      this.sparse.add(id);
      return true;
    }
    if (id >> 3 >= this.bits.length) {
      const larger = new Uint8Array(Math.max((id >> 3) + 1, this.bits.length * 2));
      larger.set(this.bits);
      this.bits = larger;
    }
    this.bits[id >> 3] = (this.bits[id >> 3] as number) | (1 << (id & 7));
    return true;
  }

  has(id: number): boolean {
    if (id >= DENSE_LIMIT || !Number.isInteger(id) || id < 0) return this.sparse.has(id);
    return ((this.bits[id >> 3] ?? 0) & (1 << (id & 7))) !== 0;
  }
}
