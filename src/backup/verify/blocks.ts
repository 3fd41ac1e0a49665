import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { Block } from '../create/block-writer.js';
import { inflateMember } from './gzip-member.js';

const gunzipAsync = promisify(gunzip);

/** No block of Lifeboat's is larger; a manifest that says so was not written by it. */
const MAX_BLOCK = 512 * 1024 * 1024;

/** One block of a file, held against what its manifest says of it. */
export interface ReadBlock {
  block: Block;
  /** Its place in the manifest, from 0. */
  index: number;
  /** Whether its bytes are those that were written. */
  isIntact: boolean;
  /** Its text, where it is proven by one checksum or the other. */
  json: Buffer | null;
  /** Why there is no text, in words. */
  reason: string | null;
  /** As they lie there; fewer where the file ends before. */
  bytes: Buffer;
}

export interface BlocksOptions {
  /** Whether the text is wanted of those too that are intact. */
  texts: boolean;
  signal?: AbortSignal;
}

/** Whether a manifest's blocks lie one behind the other from the first byte on, as they are written. */
export function areUsable(blocks: readonly Block[]): boolean {
  let offset = 0;
  for (const { offset: at, bytes, json } of blocks) {
    if (at !== offset || !(bytes > 0 && bytes <= MAX_BLOCK && json >= 0 && json <= MAX_BLOCK)) return false;
    offset += bytes;
  }
  return blocks.length > 0;
}

/**
 * Reads a file block by block, in one pass. One that is damaged does not hide those behind it; what an encrypted file holds
 * behind damage is lost, and those blocks come with a reason.
 *
 * @throws Failure when the place cannot be reached
 */
export async function* readBlocks(
  archive: Archive,
  path: string,
  blocks: readonly Block[],
  { texts, signal }: BlocksOptions,
): AsyncGenerator<ReadBlock> {
  const source = new Pieces(await archive.open(path));
  try {
    for (const [index, block] of blocks.entries()) {
      signal?.throwIfAborted();
      const bytes = await source.take(block.bytes);
      if (bytes.length < block.bytes) {
        const reason = source.trouble ?? 'the file ends before its end';
        yield { block, index, isIntact: false, json: null, reason, bytes };
        continue;
      }
      const isIntact = createHash('sha256').update(bytes).digest('hex') === block.sha256;
      const { json, reason } = isIntact && !texts ? { json: null, reason: null } : await open(bytes, block);
      yield { block, index, isIntact, json, reason, bytes };
    }
  } finally {
    source.close();
  }
}

/** What is intact but for its header is as good as whole: the checksum inside covers the text. */
async function open(bytes: Buffer, { json: length }: Block): Promise<Pick<ReadBlock, 'json' | 'reason'>> {
  try {
    const json = await gunzipAsync(bytes, { maxOutputLength: length + 1 });
    return json.length === length
      ? { json, reason: null }
      : { json: null, reason: 'it is shorter or longer than it was' };
  } catch (error) {
    return { json: null, reason: inWords(error) };
  }
}

/** @throws what is no word of the decompressor's */
function inWords(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_BUFFER_TOO_LARGE') return 'it unpacks to more than it held';
  if (code === 'Z_BUF_ERROR') return 'it ends before its end';
  if (!code.startsWith('Z_')) throw error;
  if (message === 'incorrect data check') return 'its checksum does not fit its data';
  if (message === 'incorrect header check') return 'no gzip data begins there';
  return 'what is packed in it makes no sense';
}

/** The byte of the file at which a damaged block stops making sense; null where only its checksum tells. */
export async function stopOf(archive: Archive, path: string, { offset }: Block): Promise<number | null> {
  const member = inflateMember(archive, path, offset);
  let step = await member.next();
  while (step.done !== true) step = await member.next();
  const { whole, reason, end } = step.value;
  return whole || reason?.startsWith('its ') === true ? null : end;
}

/** A stream taken in pieces of given sizes. */
class Pieces {
  private readonly chunks: AsyncIterator<Buffer, undefined>;
  private waiting: Buffer[] = [];
  private length = 0;
  /** Why there is nothing more, where it is not the end. */
  trouble: string | null = null;
  private isOver = false;

  constructor(private readonly source: AsyncIterable<Buffer> & { destroy(): unknown }) {
    this.chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  }

  /** Fewer bytes only at the end, or where the rest cannot be read. */
  async take(size: number): Promise<Buffer> {
    while (this.length < size && !this.isOver) await this.more();
    const all = Buffer.concat(this.waiting);
    const piece = all.subarray(0, size);
    this.waiting = [all.subarray(piece.length)];
    this.length = all.length - piece.length;
    return piece;
  }

  private async more(): Promise<void> {
    try {
      const step = await this.chunks.next();
      if (step.done === true) this.isOver = true;
      else {
        this.waiting.push(step.value);
        this.length += step.value.length;
      }
    } catch (error) {
      if (!(error instanceof Failure && error.code.startsWith('backup-'))) throw error;
      this.isOver = true;
      this.trouble = error.reason;
    }
  }

  close(): void {
    this.source.destroy();
  }
}
