/** A kind of write: where its batches go, and what stands around their items. */
export interface WriteKind {
  operation: string;
  method: 'PUT' | 'POST';
  /** Below the collection. */
  path: string;
  before: string;
  after: string;
}

/** What is written of one point. */
export interface WriteItem {
  id: string | bigint;
  /** JSON in parts, to be written one behind the other: to join large ones is to copy them. */
  json: readonly string[];
}

const FIRST_BYTES = 64 * 1024;
/** A character of a text is at most so many bytes of UTF-8. */
const MAX_CHARACTER_BYTES = 3;
const COMMA = 44;

/**
 * The body of one request, as bytes from the beginning: texts that are put together are copied some four times on their way
 * to the socket, which at 8 kB a vector costs as much as reading it.
 */
export class WriteBody {
  readonly ids: (string | bigint)[] = [];
  /** Bytes of the items so far. */
  length: number;
  private readonly start: number;
  /** Where each item begins and ends. */
  private readonly begins: number[] = [];
  private readonly ends: number[] = [];

  /** @param bytes to write into, of any size; they belong to this body until its request is answered */
  constructor(
    readonly kind: WriteKind,
    private bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES),
  ) {
    this.start = this.bytes.write(kind.before);
    this.length = this.start;
  }

  get count(): number {
    return this.ids.length;
  }

  /** The memory of a body that is done with, for the next one. */
  get memory(): Buffer {
    return this.bytes;
  }

  add({ id, json }: WriteItem): void {
    if (this.count > 0) {
      this.reserve(1);
      this.bytes[this.length++] = COMMA;
    }
    this.ids.push(id);
    this.begins.push(this.length);
    for (const part of json) {
      this.reserve(part.length * MAX_CHARACTER_BYTES);
      this.length += this.bytes.write(part, this.length);
    }
    this.ends.push(this.length);
  }

  /** Takes the last item out again, and puts it into a body of its own. */
  moveLast(to: WriteBody): void {
    const [id, begin, end] = [this.ids.pop(), this.begins.pop(), this.ends.pop()];
    if (id === undefined || begin === undefined || end === undefined) return;
    this.length = this.ends.at(-1) ?? this.start;
    to.take(id, this.bytes.subarray(begin, end));
  }

  private take(id: string | bigint, item: Buffer): void {
    this.reserve(item.length);
    this.ids.push(id);
    this.begins.push(this.length);
    this.length += item.copy(this.bytes, this.length);
    this.ends.push(this.length);
  }

  /** The whole request; nothing may be added any more. */
  whole(): Buffer {
    const { after } = this.kind;
    this.reserve(after.length);
    return this.bytes.subarray(0, this.length + this.bytes.write(after, this.length));
  }

  /** A request of some of the items: from one, up to but without another. */
  part(from: number, to: number): Buffer {
    const { before, after } = this.kind;
    const items = this.bytes.subarray(this.begins[from], this.ends[to - 1]);
    return Buffer.concat([Buffer.from(before), items, Buffer.from(after)]);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}
