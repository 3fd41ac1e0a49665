import { Double, isMap, numeric, type Value, type ValueMap } from './values.js';
import { MAX_DEPTH, parseJson } from './json.js';
import { isMemoryType } from './contract.js';

/**
 * The fields that both stores hold and that say whether a memory changed. Derived fields (`tag_prefixes`) and fields
 * that AutoMem updates in the graph alone (`last_accessed`) say nothing and are left out.
 */
export const SHARED_FIELDS = [
  'content',
  'tags',
  'importance',
  'timestamp',
  'type',
  'confidence',
  'metadata',
  'updated_at',
  'relevance_score',
  'archived',
  't_valid',
  't_invalid',
] as const;

export type SharedField = (typeof SHARED_FIELDS)[number];

/** What a payload says of a memory, small enough to keep one for each of a million points. */
export interface Fingerprint {
  /** 53-bit hash of the fields that the payload provides. */
  hash: number;
  /** Bit i is set when the payload provides `SHARED_FIELDS[i]` in a usable form. */
  provided: number;
  /** Bit i is set when the field is there but unusable, or missing where every memory has it. */
  damaged: number;
}

/** Fields that AutoMem writes into every payload, whichever path wrote it. */
const ALWAYS_PRESENT = new Set<SharedField>(['content', 'timestamp', 'type']);

/** The names behind a bit set of a {@link Fingerprint}. */
export function fieldsOf(bits: number): SharedField[] {
  return SHARED_FIELDS.filter((_, i) => (bits & (1 << i)) !== 0);
}

/**
 * A shared field in the form in which both stores agree, or undefined where it is missing or damaged.
 * `metadata` is JSON text in the graph and an object in the payload; here it is the object.
 *
 * @param exact reads metadata text with our own parser. The native one is several times faster, but V8 may confuse keys
 *   that hold escapes (nodejs/node#63785): good enough for a hash, whose mismatch is looked into, and for nothing else.
 */
export function sharedField(fields: ValueMap, field: SharedField, exact = true): Value | undefined {
  const value = fields[field];
  if (value === undefined || value === null) return undefined;
  switch (field) {
    case 'tags':
      return Array.isArray(value) && value.every((tag) => typeof tag === 'string') ? value : undefined;
    case 'importance':
    case 'confidence':
    case 'relevance_score':
      return numeric(value) === null ? undefined : value;
    case 'archived':
      return typeof value === 'boolean' ? value : undefined;
    case 'metadata':
      return metadataObject(value, exact);
    case 'type':
      return isMemoryType(value) ? value : undefined;
    case 'content':
    case 'timestamp':
    case 'updated_at':
    case 't_valid':
    case 't_invalid':
      return typeof value === 'string' ? value : undefined;
  }
}

function metadataObject(value: Value, exact: boolean): ValueMap | undefined {
  if (isMap(value)) return value;
  if (typeof value !== 'string') return undefined;
  const parsed = exact ? parseExactly(value) : parseFast(value);
  return isMap(parsed) ? parsed : undefined;
}

function parseExactly(text: string): Value | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function parseFast(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    // NaN and Infinity, which Python writes, are not JSON to the native parser.
    return parseExactly(text);
  }
}

/** The fingerprint of a payload. A payload that is not an object provides nothing. */
export function fingerprintPayload(payload: Value): Fingerprint {
  let provided = 0;
  let damaged = 0;
  const mixer = new Mixer();
  const fields = isMap(payload) ? payload : {};
  for (let i = 0; i < SHARED_FIELDS.length; i++) {
    const field = SHARED_FIELDS[i] as SharedField;
    const value = sharedField(fields, field, false);
    if (value !== undefined) {
      provided |= 1 << i;
      mixer.addValue(value);
    } else if ((fields[field] ?? null) !== null || ALWAYS_PRESENT.has(field)) damaged |= 1 << i;
  }
  return { hash: mixer.digest(), provided, damaged };
}

/** The hash of a graph node over the fields that a payload provided; comparable with that payload's. */
export function fingerprintNode(properties: ValueMap, provided: number): number {
  const mixer = new Mixer();
  for (let i = 0; i < SHARED_FIELDS.length; i++) {
    if ((provided & (1 << i)) === 0) continue;
    const value = sharedField(properties, SHARED_FIELDS[i] as SharedField, false);
    if (value !== undefined) mixer.addValue(value);
    else mixer.addMissing();
  }
  return mixer.digest();
}

/**
 * One 32-bit hash for each shared field, for comparing a node with a payload whichever of them is read first. Equal fields
 * have equal hashes but for the last digit of a double; different ones differ but for one in four thousand million.
 *
 * @param into gets `SHARED_FIELDS.length` hashes from index `at` on; 0 for a field that is missing or unusable.
 * @returns the bit set of the fields that are there, as in {@link Fingerprint}.
 */
export function fieldHashes(fields: ValueMap, into: Uint32Array, at: number): number {
  let provided = 0;
  for (let i = 0; i < SHARED_FIELDS.length; i++) {
    const value = sharedField(fields, SHARED_FIELDS[i] as SharedField, false);
    into[at + i] = value === undefined ? 0 : fieldMixer.hash(value);
    if (value !== undefined) provided |= 1 << i;
  }
  return provided;
}

/**
 * Whether two values are the same to the stores: doubles within one unit of their 15th digit (FalkorDB answers with 15
 * digits, Qdrant's reader may change the last one), integers exactly, an integer and a double by value, key order free.
 */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if (isExactInteger(a) && isExactInteger(b)) return false;
  const left = numeric(a);
  const right = numeric(b);
  if (left !== null || right !== null) return left !== null && right !== null && sameNumber(left, right);
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]))
  );
}

/** Both stores keep 64-bit integers to the last digit. */
function isExactInteger(value: Value): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

/** The first field in which a node is not what its payload says, or null. */
export function differingField(payload: Value, properties: ValueMap, provided: number): string | null {
  return fieldsOf(provided).find((field) => differsIn(field, payload, properties)) ?? null;
}

/** Every field in which a node is not what its payload says, as a bit set. */
export function differingBits(payload: Value, properties: ValueMap, provided: number): number {
  let bits = 0;
  for (let i = 0; i < SHARED_FIELDS.length; i++) {
    const isProvided = (provided & (1 << i)) !== 0;
    if (isProvided && differsIn(SHARED_FIELDS[i] as SharedField, payload, properties)) bits |= 1 << i;
  }
  return bits;
}

function differsIn(field: SharedField, payload: Value, properties: ValueMap): boolean {
  const expected = storedForm(sharedField(isMap(payload) ? payload : {}, field));
  return !sameValue(expected, sharedField(properties, field));
}

/** What the graph keeps of a text: NUL and half surrogate pairs cannot be stored. */
function storedForm(value: Value | undefined): Value | undefined {
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed();
  if (Array.isArray(value)) return value.map((item) => storedForm(item) ?? null);
  return value;
}

function sameNumber(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Object.is(a, b);
  const [left, right] = [finite(a), finite(b)];
  return Math.abs(left - right) <= 1e-14 * Math.max(Math.abs(left), Math.abs(right));
}

/** The 15 digits that FalkorDB gives of the largest doubles are rounded up, and read as infinity. */
function finite(value: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));
}

const SEED_A = 0x9e3779b9 | 0;
const SEED_B = 0x85ebca6b | 0;

// Two views of one number's bits, for hashing doubles without making text of them.
const asDouble = new Float64Array(1);
const asBits = new Uint32Array(asDouble.buffer);

/** A fast non-cryptographic hash: two 32-bit lanes of multiply-xor, 53 bits out. It only ever compares one id with itself. */
class Mixer {
  private a = SEED_A;
  private b = SEED_B;

  /** The hash of one value alone; what was added before is forgotten. */
  hash(value: Value): number {
    this.a = SEED_A;
    this.b = SEED_B;
    this.addValue(value);
    return (Math.imul(this.a ^ (this.a >>> 15), 0x2c1b3c6d) ^ this.b ^ (this.b >>> 13)) >>> 0;
  }

  addMissing(): void {
    this.add(0x7f4a7c15);
  }

  addValue(value: Value, depth = 0): void {
    if (typeof value === 'string') this.addText(value);
    else if (typeof value === 'number') this.addNumber(value);
    else if (value === null) this.add(1);
    else if (typeof value === 'boolean') this.add(value ? 3 : 2);
    else if (value instanceof Double) this.addNumber(value.value);
    else if (typeof value === 'bigint') this.addNumber(Number(value));
    else if (depth > MAX_DEPTH) this.addMissing();
    else if (Array.isArray(value)) {
      this.add(5 + value.length);
      for (const item of value) this.addValue(item, depth + 1);
    } else this.addMap(value, depth + 1);
  }

  digest(): number {
    const high = Math.imul(this.a ^ (this.a >>> 15), 0x2c1b3c6d) ^ (this.b >>> 13);
    const low = Math.imul(this.b ^ (this.b >>> 16), 0x297a2d39) ^ (this.a >>> 12);
    return (high & 0x1fffff) * 0x100000000 + (low >>> 0);
  }

  private add(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x9e3779b1);
    this.a ^= this.a >>> 16;
    this.b = Math.imul(this.b ^ word, 0x5f356495);
    this.b ^= this.b >>> 15;
  }

  private addText(text: string): void {
    let a = this.a ^ text.length;
    let b = this.b;
    const whole = text.length & ~3;
    for (let i = 0; i < whole; i += 4) {
      const left = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
      const right = text.charCodeAt(i + 2) | (text.charCodeAt(i + 3) << 16);
      // Each lane takes from what the other one was before, so that neither multiplication waits for the other.
      const before = a;
      a = Math.imul(a ^ left ^ (b >>> 17), 0x9e3779b1);
      b = Math.imul(b ^ right ^ (before >>> 15), 0x5f356495);
    }
    for (let i = whole; i < text.length; i++) a = Math.imul(a ^ text.charCodeAt(i), 0x9e3779b1);
    b = Math.imul(b ^ (a >>> 15), 0x5f356495);
    this.a = a ^ (a >>> 16);
    this.b = b ^ (b >>> 15);
  }

  private addNumber(value: number): void {
    asDouble[0] = value;
    const low = asBits[0] as number;
    const high = asBits[1] as number;
    if (Number.isInteger(value)) {
      // Stores keep integers to the last digit, and ids and times in microseconds differ only there.
      this.add(low);
      this.add(high);
      return;
    }
    // Rounded to 45 bits of mantissa, so that a change in the last digit rarely changes the hash; where it does, the
    // memories are compared field by field.
    const rounded = (low >>> 0) + 0x80;
    this.add(rounded > 0xffffffff ? 0 : (rounded & 0xffffff00) | 0);
    this.add(rounded > 0xffffffff ? high + 1 : high);
  }

  private addMap(map: ValueMap, depth: number): void {
    // Keys are summed, not chained: neither store promises their order.
    let a = 0;
    let b = 0;
    const before = { a: this.a, b: this.b };
    for (const key in map) {
      // Each entry is hashed from the start, in this same mixer: there are millions of them.
      this.a = SEED_A;
      this.b = SEED_B;
      this.addText(key);
      this.addValue(map[key] as Value, depth);
      a = (a + this.a) | 0;
      b = (b + this.b) | 0;
    }
    this.a = before.a;
    this.b = before.b;
    this.add(a);
    this.add(b ^ 0x3c6ef372);
  }
}

const fieldMixer = new Mixer();
