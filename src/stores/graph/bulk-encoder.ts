import { Double, type Value, type ValueMap } from '../../memory/values.js';

const enum Tag {
  Boolean = 1,
  Double = 2,
  String = 3,
  Long = 4,
  Array = 5,
}

/**
 * Rows of one label set or relationship type that carry the same properties, in the binary form of FalkorDB's
 * `GRAPH.BULK` command: a header of NUL-ended names, then per row the values, each with a type byte.
 *
 * Unlike a Cypher parameter, this form keeps every double to the last bit and needs no quoting at all.
 * Source: the protocol of FalkorDB's own bulk loader; checked on FalkorDB 4.16.3.
 */
export class BulkBlock {
  rows = 0;
  private buffer: Buffer;
  private length = 0;

  /**
   * @param name labels joined with ":", or one relationship type; without NUL.
   * @param keys the properties that every row carries, in this order; without NUL.
   */
  constructor(
    readonly name: string,
    private readonly keys: readonly string[],
    capacity = 16 * 1024,
  ) {
    this.buffer = Buffer.allocUnsafe(capacity);
    this.text(name);
    this.reserve(4);
    this.length = this.buffer.writeUInt32LE(keys.length, this.length);
    for (const key of keys) this.text(key);
  }

  /** Whether its rows are nodes without any property: such rows have no bytes. */
  get isBare(): boolean {
    return this.keys.length === 0;
  }

  get bytes(): number {
    return this.length;
  }

  node(properties: ValueMap): void {
    for (const key of this.keys) this.value(properties[key] as Value);
    this.rows++;
  }

  /** @param source @param target internal ids in the graph that is being written. */
  relationship(source: number, target: number, properties: ValueMap): void {
    this.reserve(16);
    this.buffer.writeBigUInt64LE(BigInt(source), this.length);
    this.buffer.writeBigUInt64LE(BigInt(target), this.length + 8);
    this.length += 16;
    for (const key of this.keys) this.value(properties[key] as Value);
    this.rows++;
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private value(value: Value): void {
    if (typeof value === 'string') {
      this.tag(Tag.String);
      this.text(value);
    } else if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) this.long(BigInt(value));
      else this.double(value);
    } else if (typeof value === 'boolean') {
      this.tag(Tag.Boolean);
      this.reserve(1);
      this.buffer[this.length++] = value ? 1 : 0;
    } else if (Array.isArray(value)) {
      this.tag(Tag.Array);
      this.reserve(8);
      this.length = this.buffer.writeBigUInt64LE(BigInt(value.length), this.length);
      for (const item of value) this.value(item);
    } else if (value instanceof Double) this.double(value.value);
    else if (typeof value === 'bigint') this.long(value);
    else throw new TypeError('A graph property cannot be null or a map: check with isStorable first');
  }

  private tag(tag: Tag): void {
    this.reserve(1);
    this.buffer[this.length++] = tag;
  }

  private double(value: number): void {
    this.tag(Tag.Double);
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  private long(value: bigint): void {
    this.tag(Tag.Long);
    this.reserve(8);
    this.length = this.buffer.writeBigInt64LE(value, this.length);
  }

  private text(text: string): void {
    // Three bytes hold any UTF-16 unit, so the exact length need not be computed first.
    this.reserve(text.length * 3 + 1);
    this.length += this.buffer.write(text, this.length, 'utf8');
    this.buffer[this.length++] = 0;
  }

  private reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
