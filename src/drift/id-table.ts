import { joinKey } from '../memory/ids.js';

const WORDS = 4;
const UUID_LENGTH = 36;
const HYPHEN = 45;
const FREE = 0;

/** Value of a hexadecimal digit by its character code; -1 for capitals too, which joinKey makes small. */
const DIGITS = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

// The words of the id in hand: a table is asked millions of times, and an array for each would be garbage.
const parsed = new Uint32Array(WORDS);

/**
 * Ids in small: each joined id (see joinKey) gets a position, counted from 0 in the order of arrival, by which a caller
 * keeps columns of what it knows. A UUID is four 32-bit words in an open-addressed table, 22 to 40 bytes where a Map of
 * texts takes 150; any other id is kept as text in a Map.
 */
export class IdTable {
  private words: Uint32Array;
  /** Position + 1 by hash; linear probing, at most two thirds full. */
  private slots: Int32Array;
  private readonly others = new Map<string, number>();
  private readonly otherKeys = new Map<number, string>();
  private count = 0;

  /** @param expected how many ids there will be, more or less: a table that fits need not grow. */
  constructor(expected = 1_024) {
    const capacity = Math.max(16, expected);
    this.words = new Uint32Array(capacity * WORDS);
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(capacity * 1.5)));
  }

  /** Number of different ids. */
  get size(): number {
    return this.count;
  }

  /** @returns the position of an id, which is new where it equals the size before. */
  add(id: string | number | bigint): number {
    const key = parseUuid(id) ? null : joinKey(id);
    if (key !== null && !parseUuid(key)) return this.addOther(key);
    const slot = this.slotOf();
    const taken = this.slots[slot] as number;
    if (taken !== FREE) return taken - 1;
    const position = this.count++;
    if ((position + 1) * WORDS > this.words.length) this.growWords();
    this.words.set(parsed, position * WORDS);
    this.slots[slot] = position + 1;
    if (this.count * 3 > this.slots.length * 2) this.growSlots();
    return position;
  }

  /** @returns the position of an id, or -1. */
  find(id: string | number | bigint): number {
    const key = parseUuid(id) ? null : joinKey(id);
    if (key !== null && !parseUuid(key)) return this.others.get(key) ?? -1;
    return (this.slots[this.slotOf()] as number) - 1;
  }

  /** The joined id at a position below {@link size}. */
  keyAt(position: number): string {
    const other = this.otherKeys.get(position);
    if (other !== undefined) return other;
    const at = position * WORDS;
    const [a, b, c, d] = [0, 1, 2, 3].map((word) => this.words[at + word] as number) as [
      number,
      number,
      number,
      number,
    ];
    return `${hex(a)}-${hex(b).slice(0, 4)}-${hex(b).slice(4)}-${hex(c).slice(0, 4)}-${hex(c).slice(4)}${hex(d)}`;
  }

  private addOther(key: string): number {
    const known = this.others.get(key);
    if (known !== undefined) return known;
    const position = this.count++;
    this.others.set(key, position);
    this.otherKeys.set(position, key);
    // Its words stay unused: positions count all ids alike.
    if ((position + 1) * WORDS > this.words.length) this.growWords();
    return position;
  }

  /** The slot that holds the id in hand, or the free one where it belongs. */
  private slotOf(): number {
    const mask = this.slots.length - 1;
    for (let slot = hashOf(parsed, 0) & mask; ; slot = (slot + 1) & mask) {
      const taken = this.slots[slot] as number;
      if (taken === FREE || this.isInHand(taken - 1)) return slot;
    }
  }

  private isInHand(position: number): boolean {
    const { words } = this;
    const at = position * WORDS;
    return (
      words[at] === parsed[0] &&
      words[at + 1] === parsed[1] &&
      words[at + 2] === parsed[2] &&
      words[at + 3] === parsed[3]
    );
  }

  private growWords(): void {
    const grown = new Uint32Array(this.words.length * 2);
    grown.set(this.words);
    this.words = grown;
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const mask = slots.length - 1;
    for (let position = 0; position < this.count; position++) {
      if (this.otherKeys.has(position)) continue;
      let slot = hashOf(this.words, position * WORDS) & mask;
      while (slots[slot] !== FREE) slot = (slot + 1) & mask;
      slots[slot] = position + 1;
    }
    this.slots = slots;
  }
}

/** Reads a UUID as Qdrant writes it, hyphenated and in small letters, into the words in hand. */
function parseUuid(id: string | number | bigint): boolean {
  if (typeof id !== 'string' || id.length !== UUID_LENGTH) return false;
  let word = 0;
  let digits = 0;
  for (let i = 0; i < UUID_LENGTH; i++) {
    const code = id.charCodeAt(i);
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (code !== HYPHEN) return false;
      continue;
    }
    const digit = code < 128 ? (DIGITS[code] as number) : -1;
    if (digit < 0) return false;
    word = (word << 4) | digit;
    if ((++digits & 7) === 0) parsed[(digits >> 3) - 1] = word;
  }
  return true;
}

/** Random UUIDs need no mixing; ids that somebody counted up do. */
function hashOf(words: Uint32Array, at: number): number {
  let hash = words[at] as number;
  for (let i = 1; i < WORDS; i++) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (words[at + i] as number);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x297a2d39);
  return hash ^ (hash >>> 13);
}

function hex(word: number): string {
  return `${HEX[word >>> 24] as string}${HEX[(word >>> 16) & 255] as string}${HEX[(word >>> 8) & 255] as string}${HEX[word & 255] as string}`;
}
