import { Double, type Value, type ValueMap } from './values.js';

const SEED_HIGH = 0x9e3779b9 | 0;
const SEED_LOW = 0x85ebca6b | 0;

const enum Kind {
  Null = 1,
  False,
  True,
  Text,
  Integer,
  BigInteger,
  Double,
  List,
  Map,
}

// Two views of one number's bits, for hashing doubles without making text of them.
const asDouble = new Float64Array(1);
const asBits = new Uint32Array(asDouble.buffer);

/**
 * A fast 64-bit hash of nodes and relationships that tells what FalkorDB tells apart: the text "1", the integer 1 and the
 * double 1.0. Doubles count by the 15 digits with which the server answers. The order of labels and of properties is free.
 */
export class ExactHash {
  /** Both halves of the last hash, 32 bits each. */
  high = 0;
  low = 0;
  /** Names are few and come again and again. */
  private readonly names = new Map<string, { high: number; low: number }>();

  node(labels: readonly string[], properties: ValueMap): void {
    let high = 0;
    let low = 0;
    for (const [at, label] of labels.entries()) {
      if (labels.indexOf(label) !== at) continue;
      const name = this.name(label);
      high = (high + name.high) | 0;
      low = (low + name.low) | 0;
    }
    this.finish(high, low, properties);
  }

  /** @param target what stands for the node at its end */
  relationship(type: string, target: number, properties: ValueMap): void {
    const name = this.name(type);
    this.high = name.high;
    this.low = name.low;
    this.add(target);
    this.finish(this.high, this.low, properties);
  }

  /** The hash of a text together with numbers that were added up from other hashes. */
  texts(text: string, high: number, low: number): void {
    this.high = SEED_HIGH;
    this.low = SEED_LOW;
    this.text(text);
    this.add(high);
    this.add(low);
  }

  /** The hash of a name; it stays the same for as long as this object lives. */
  named(text: string): { readonly high: number; readonly low: number } {
    return this.name(text);
  }

  private finish(high: number, low: number, properties: ValueMap): void {
    this.properties(properties);
    this.add(high);
    this.add(low ^ 0x3c6ef372);
    this.high = Math.imul(this.high ^ (this.high >>> 15), 0x2c1b3c6d) ^ (this.low >>> 13);
    this.low = Math.imul(this.low ^ (this.low >>> 16), 0x297a2d39) ^ (this.high >>> 12);
  }

  /** Entries are summed, not chained: the server promises no order. Null is the same as absent. */
  private properties(map: ValueMap): void {
    let high = 0;
    let low = 0;
    for (const key in map) {
      const value = map[key] as Value;
      if (value === null) continue;
      const name = this.name(key);
      this.high = name.high;
      this.low = name.low;
      this.value(value);
      high = (high + this.high) | 0;
      low = (low + this.low) | 0;
    }
    this.high = high;
    this.low = low;
  }

  private name(text: string): { high: number; low: number } {
    const known = this.names.get(text);
    if (known !== undefined) return known;
    this.high = SEED_HIGH;
    this.low = SEED_LOW;
    this.text(text);
    const name = { high: this.high, low: this.low };
    this.names.set(text, name);
    return name;
  }

  private value(value: Value): void {
    if (typeof value === 'string') this.text(value);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'boolean') this.add(value ? Kind.True : Kind.False);
    else if (value instanceof Double) this.double(value.value);
    else if (typeof value === 'bigint') this.integer(value);
    else if (value === null) this.add(Kind.Null);
    else if (Array.isArray(value)) {
      this.add(Kind.List);
      this.add(value.length);
      for (const item of value) this.value(item);
    } else this.map(value);
  }

  /** No graph holds a map as a property: it stands for what the server gave and cannot have been written. */
  private map(value: ValueMap): void {
    const { high, low } = this;
    this.properties(value);
    this.add(high);
    this.add(low ^ Kind.Map);
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value)) {
      this.double(value);
      return;
    }
    this.add(Kind.Integer);
    // Minus zero as an integer is zero.
    this.bits(value + 0);
  }

  private integer(value: bigint): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) {
      this.number(number);
      return;
    }
    this.add(Kind.BigInteger);
    this.add(Number(BigInt.asIntN(32, value)));
    this.add(Number(BigInt.asIntN(32, value >> 32n)));
  }

  private double(value: number): void {
    this.add(Kind.Double);
    this.bits(asAnswered(value));
  }

  private bits(value: number): void {
    asDouble[0] = value;
    this.add(asBits[0] as number);
    this.add(asBits[1] as number);
  }

  private text(text: string): void {
    this.add(Kind.Text);
    let high = this.high ^ text.length;
    let low = this.low;
    const even = text.length & ~1;
    for (let i = 0; i < even; i += 2) {
      const pair = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
      high = Math.imul(high ^ pair, 0x9e3779b1);
      low = Math.imul(low ^ pair ^ (high >>> 15), 0x5f356495);
    }
    if (even < text.length) {
      high = Math.imul(high ^ text.charCodeAt(even), 0x9e3779b1);
      low = Math.imul(low ^ high, 0x5f356495);
    }
    this.high = high ^ (high >>> 16);
    this.low = low ^ (low >>> 15);
  }

  private add(word: number): void {
    this.high = Math.imul(this.high ^ word, 0x9e3779b1);
    this.high ^= this.high >>> 16;
    this.low = Math.imul(this.low ^ word ^ (this.high >>> 7), 0x5f356495);
    this.low ^= this.low >>> 15;
  }
}

const DIGITS = 15;
/** Doubles of so few decimals are known without looking at their digits. */
const SHORT = 1e6;

/**
 * The double that is read where FalkorDB answers with another one: it prints 15 digits (C's `%.15g`).
 */
function asAnswered(value: number): number {
  const shifted = Math.round(value * SHORT);
  if (Math.abs(shifted) < 1e15 && shifted / SHORT === value) return value;
  const rounded = Number(value.toPrecision(DIGITS));
  return rounded === value || !isTie(value) ? rounded : toEven(rounded);
}

/** Whether a double stands exactly in the middle of two numbers of 15 digits: C then takes the even one. */
function isTie(value: number): boolean {
  const [digits = ''] = value
    .toExponential(DIGITS * 3)
    .replace(/^-?(\d)\./, '$1')
    .split('e');
  return /^50*$/.test(digits.slice(DIGITS));
}

/** JavaScript takes the one that is farther from zero. */
function toEven(rounded: number): number {
  const [mantissa = '', exponent = '0'] = rounded.toExponential(DIGITS - 1).split('e');
  const last = Number(mantissa.at(-1));
  return last % 2 === 0 ? rounded : Number(`${mantissa.slice(0, -1)}${last - 1}e${exponent}`);
}
