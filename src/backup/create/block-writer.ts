import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const gzipAsync = promisify(gzip);

/** As AutoMem's numbers shrink no further: level 6 makes a file of vectors 8 % smaller and takes three times as long. */
export const GZIP_LEVEL = 2;

/** Bytes of JSON in one block. Damage to a file costs the records of the block that it hits, and no others. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** Bytes of gzip that come at once, instead of 16 KB: nearly every block is smaller, and then nothing has to be joined. */
const GZIP_CHUNK = BLOCK_BYTES / 2;

/** Blocks that are compressed at the same time: each on a thread of its own. */
const IN_FLIGHT = 3;

/** One gzip member of a file, which can be read without the others. */
export interface Block {
  /** Where it begins in the gzip file, before any encryption. */
  offset: number;
  /** Its bytes there. */
  bytes: number;
  /** Bytes of JSON in it. */
  json: number;
  sha256: string;
  /** The number of its first record, counted from 0 over all lists of the file. */
  first: number;
  records: number;
}

/** What was written, before any encryption. */
export interface WrittenBlocks {
  jsonBytes: number;
  bytes: number;
  sha256: string;
  blocks: Block[];
}

/**
 * Turns the text of a backup file into gzip blocks, cut between records and compressed on all cores, and hands them on in
 * their order. What is read but not yet written stays below a few blocks, however slow the place is that takes them.
 */
export class BlockWriter {
  private readonly hash = createHash('sha256');
  private readonly blocks: Block[] = [];
  /** The block in the making: bytes at once, because texts that are joined later are garbage of megabytes. */
  private block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** Blocks whose bytes were compressed. */
  private readonly spare: Buffer<ArrayBuffer>[] = [];
  private size = 0;
  private records = 0;
  private recordsBefore = 0;
  private offset = 0;
  private jsonBytes = 0;
  /** The blocks on their way, and the writing that waits for them in order. */
  private pending: Promise<void>[] = [];
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly take: (bytes: Buffer) => Promise<void>) {}

  /** Text around the records. ASCII only. */
  text(text: string): void {
    this.reserve(text.length);
    this.size += this.block.write(text, this.size, 'latin1');
  }

  /** One record, in parts, with whatever stands before it. ASCII only. Waits while too much is on its way. */
  async record(...parts: readonly (string | Buffer)[]): Promise<void> {
    const size = parts.reduce((sum, { length }) => sum + length, this.size);
    if (this.records > 0 && size > BLOCK_BYTES) await this.flush();
    for (const part of parts) {
      if (typeof part === 'string') this.text(part);
      else this.bytes(part);
    }
    this.records++;
  }

  /** @throws what the taker threw */
  async finish(): Promise<WrittenBlocks> {
    if (this.size > 0) await this.flush();
    await this.last;
    return {
      jsonBytes: this.jsonBytes,
      bytes: this.offset,
      sha256: this.hash.digest('hex'),
      blocks: this.blocks,
    };
  }

  private bytes(bytes: Buffer): void {
    this.reserve(bytes.length);
    this.size += bytes.copy(this.block, this.size);
  }

  /** One record may be larger than a block. */
  private reserve(more: number): void {
    const size = this.size + more;
    if (size <= this.block.length) return;
    const larger = Buffer.allocUnsafeSlow(size * 2);
    this.block.copy(larger, 0, 0, this.size);
    this.block = larger;
  }

  private async flush(): Promise<void> {
    const json = this.block.subarray(0, this.size);
    const first = this.recordsBefore;
    const records = this.records;
    const used = this.block;
    this.block = this.spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.size = 0;
    this.recordsBefore += records;
    this.records = 0;
    this.jsonBytes += json.length;
    const packing = gzipAsync(json, { level: GZIP_LEVEL, chunkSize: GZIP_CHUNK });
    const before = this.last;
    this.last = packing.then(async (bytes) => {
      if (used.length === BLOCK_BYTES) this.spare.push(used);
      await before;
      await this.write(bytes, { json: json.length, first, records });
    });
    // Who waits for it is told; until then it must not count as an error that nobody heard of.
    this.last.catch(() => undefined);
    this.pending.push(this.last);
    if (this.pending.length >= IN_FLIGHT) await this.pending.shift();
  }

  private async write(bytes: Buffer, facts: Pick<Block, 'json' | 'first' | 'records'>): Promise<void> {
    this.hash.update(bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.blocks.push({ offset: this.offset, bytes: bytes.length, sha256, ...facts });
    this.offset += bytes.length;
    await this.take(bytes);
  }
}
