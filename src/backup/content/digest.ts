import { hash } from 'node:crypto';
import { printPythonJson } from '../../memory/json.js';
import { isMap, type GraphNode, type Value, type ValueMap } from '../../memory/values.js';

const HALF = 1n << 64n;
const MASK = HALF - 1n;

/**
 * A digest of many records that does not depend on their order: the sum, modulo 2^128, of the first 16 bytes of the SHA-256
 * of each. Two backups of the same content have the same digest, whatever order they were read in; records that come twice
 * count twice. Found are accidents, not forgeries: whoever can write the file can also write the digest.
 */
export class ContentDigest {
  private high = 0n;
  private low = 0n;
  count = 0;

  /** Adds one record by its hash. */
  add(record: Buffer): void {
    this.low += record.readBigUInt64LE(8);
    this.high += record.readBigUInt64LE(0) + (this.low >> 64n);
    this.low &= MASK;
    this.high &= MASK;
    this.count++;
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return [this.high, this.low].map((half) => half.toString(16).padStart(16, '0')).join('');
  }
}

/**
 * The hash of a node: its labels and properties in any order; the internal id is none of its content.
 *
 * @param lines its properties by {@link propertyLines}, where they are there already
 */
export function nodeHash(
  { labels, properties }: Pick<GraphNode, 'labels' | 'properties'>,
  lines: readonly string[] = propertyLines(properties),
): Buffer {
  return sha256(`n ${printPythonJson([...labels].sort())} ${inOrder(lines)}`);
}

/**
 * The hash of a relationship. Its ends count by what the nodes there are, because internal ids are others after a restore.
 *
 * @param source,target the first 8 bytes of the nodes' hashes
 * @param lines its properties by {@link propertyLines}, where they are there already
 */
export function relationshipHash(
  type: string,
  source: bigint,
  target: bigint,
  properties: ValueMap,
  lines: readonly string[] = propertyLines(properties),
): Buffer {
  return sha256(`r ${source} ${target} ${printPythonJson(type)} ${inOrder(lines)}`);
}

/**
 * The hash of a point.
 *
 * @param vector a plain list of numbers as the text that the server gives, without white space; anything else as its values
 */
export function pointHash(
  id: string | number | bigint,
  vector: string | Exclude<Value, string>,
  payload: Value,
): Buffer {
  const text = typeof vector === 'string' ? vector : canonicalText(vector);
  return sha256(`p ${id} ${text} ${canonicalText(payload)}`);
}

/** As {@link pointHash}, of vectors that are bytes: texts would be made of them only to become bytes again. */
export class PointHasher {
  private text = Buffer.allocUnsafeSlow(64 * 1024);

  /**
   * @param vector a plain list of numbers as the bytes that the server gives, without white space
   * @param payload as {@link canonicalText} prints it
   */
  hash(id: string | number | bigint, vector: Uint8Array, payload: string): Buffer {
    const before = `p ${id} `;
    const after = ` ${payload}`;
    // Nothing of it is outside ASCII.
    const size = before.length + vector.length + after.length;
    if (size > this.text.length) this.text = Buffer.allocUnsafeSlow(size * 2);
    const { text } = this;
    text.write(before, 0, 'latin1');
    text.set(vector, before.length);
    text.write(after, before.length + vector.length, 'latin1');
    return hash('sha256', text.subarray(0, size), 'buffer');
  }
}

/** The members of an object, each as JSON in which the order of keys, alone of all things, does not count. */
export function propertyLines(properties: ValueMap): string[] {
  return Object.entries(properties).map(([key, value]) => `${printPythonJson(key)}: ${canonicalText(value)}`);
}

/** A value as JSON in which the order of keys, alone of all things, does not count. */
export function canonicalText(value: Value): string {
  if (Array.isArray(value) && value.some(isNested)) return `[${value.map(canonicalText).join(', ')}]`;
  return isMap(value) ? inOrder(propertyLines(value)) : printPythonJson(value);
}

function inOrder(lines: readonly string[]): string {
  return `{${[...lines].sort().join(', ')}}`;
}

function isNested(value: Value): boolean {
  return Array.isArray(value) || isMap(value);
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/**
 * The first 8 bytes of each node's hash, by internal id: what the ends of a relationship count by. Internal ids are dense,
 * because the server uses those of deleted nodes again.
 */
export class EndHashes {
  private hashes = new BigUint64Array(1024);
  private there = new Uint8Array(1024);

  set(internalId: number, node: Buffer): void {
    if (internalId >= this.hashes.length) this.grow(internalId + 1);
    this.hashes[internalId] = node.readBigUInt64LE(0);
    this.there[internalId] = 1;
  }

  /** @returns null where there is no such node */
  get(internalId: number): bigint | null {
    return this.there[internalId] === 1 ? (this.hashes[internalId] as bigint) : null;
  }

  private grow(size: number): void {
    const length = Math.max(size, this.hashes.length * 2);
    const hashes = new BigUint64Array(length);
    hashes.set(this.hashes);
    const there = new Uint8Array(length);
    there.set(this.there);
    this.hashes = hashes;
    this.there = there;
  }
}
