import { pipeline, type Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { Failure } from '../../failure.js';
import { readAll, type Archive } from '../../stores/archive/archive.js';

/** What is inflated within the last chunk before damage is lost. */
const CHUNK = 16 * 1024;
const TRAILER = 8;
const FIXED_HEADER = 10;
/** A header with a name and a comment in it is still a short one. */
const MAX_HEADER = 64 * 1024;

const enum Flag {
  HeaderChecksum = 2,
  Extra = 4,
  Name = 8,
  Comment = 16,
  Reserved = 0xe0,
}

/** How one gzip member came out. */
export interface MemberEnd {
  /** Its first byte in the file. */
  start: number;
  /** The byte after it; where it is damaged, the byte that the decompressor had come to. */
  end: number;
  /** Its checksum proves what was inflated. */
  whole: boolean;
  /** Why it is not whole, in words. */
  reason: string | null;
  /** Bytes inflated. */
  inflated: number;
}

/**
 * Inflates the one gzip member (RFC 1952) that begins at a byte of a file, and no further. Text comes before it is proven:
 * whether the checksum fits is known at the end. Memory stays flat, whatever it inflates to.
 *
 * @throws Failure when the archive cannot be read; damage is in the result
 */
export async function* inflateMember(
  archive: Pick<Archive, 'open'>,
  path: string,
  start: number,
): AsyncGenerator<Buffer, MemberEnd> {
  const source = await archive.open(path, { start });
  const head = { length: 0 };
  const inflate = createInflateRaw({ chunkSize: CHUNK });
  // Errors reach the reader through the iteration below.
  pipeline(withoutHeader(source, head), inflate, () => undefined);
  let checksum = 0;
  let inflated = 0;
  let reason: string | null = null;
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      checksum = crc32(chunk, checksum);
      inflated += chunk.length;
      yield chunk;
    }
  } catch (error) {
    reason = reasonOf(error);
  } finally {
    source.destroy();
    inflate.destroy();
  }
  const end = start + head.length + inflate.bytesWritten;
  reason ??= await trailerProblem(archive, path, end, checksum, inflated);
  return { start, end: reason === null ? end + TRAILER : end, whole: reason === null, reason, inflated };
}

function reasonOf(error: unknown): string {
  if (error instanceof Failure || !(error instanceof Error)) throw error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return 'it ends early';
  if (code.startsWith('Z_') || error instanceof NoMember) return error.message;
  throw error;
}

async function trailerProblem(
  archive: Pick<Archive, 'open'>,
  path: string,
  end: number,
  checksum: number,
  inflated: number,
): Promise<string | null> {
  const trailer = await readAll(await archive.open(path, { start: end, length: TRAILER }));
  if (trailer.length < TRAILER) return 'it ends early';
  if (trailer.readUInt32LE(0) !== checksum) return 'its checksum does not fit its data';
  return trailer.readUInt32LE(4) === inflated % 2 ** 32 ? null : 'its length does not fit its data';
}

class NoMember extends Error {}

/** The bytes behind the header. @param head told how long it was */
async function* withoutHeader(source: Readable, head: { length: number }): AsyncGenerator<Buffer> {
  let waiting: Buffer | null = Buffer.alloc(0);
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (waiting === null) {
      yield chunk;
      continue;
    }
    waiting = Buffer.concat([waiting, chunk]);
    const length = headerLength(waiting);
    if (length === null && waiting.length < MAX_HEADER) continue;
    if (length === null) throw new NoMember('its header has no end');
    head.length = length;
    yield waiting.subarray(length);
    waiting = null;
  }
}

/**
 * @returns null while the header does not end within these bytes
 * @throws NoMember where no gzip member begins
 */
function headerLength(bytes: Buffer): number | null {
  if (bytes.length < FIXED_HEADER) return null;
  if (!beginsMember(bytes, 0)) throw new NoMember('no gzip data begins there');
  const flags = bytes[3] as number;
  let at = FIXED_HEADER;
  if ((flags & Flag.Extra) !== 0) {
    if (bytes.length < at + 2) return null;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const flag of [Flag.Name, Flag.Comment]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return null;
    at = end + 1;
  }
  if ((flags & Flag.HeaderChecksum) !== 0) at += 2;
  return at <= bytes.length ? at : null;
}

/** Whether the fixed bytes of a gzip header stand there. */
function beginsMember(bytes: Buffer, at: number): boolean {
  return (
    bytes[at] === 0x1f &&
    bytes[at + 1] === 0x8b &&
    bytes[at + 2] === 8 &&
    ((bytes[at + 3] as number) & Flag.Reserved) === 0
  );
}

/** The next byte from `from` on at which a gzip member may begin; null where there is none up to the end of the file. */
export async function nextMember(archive: Archive, path: string, from: number): Promise<number | null> {
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  let kept = Buffer.alloc(0);
  let position = from;
  for await (const chunk of (await archive.open(path, { start: from })) as AsyncIterable<Buffer>) {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1))
      if (at + 4 <= bytes.length && beginsMember(bytes, at)) return position + at;
    const keep = Math.min(bytes.length, magic.length);
    position += bytes.length - keep;
    kept = Buffer.from(bytes.subarray(bytes.length - keep));
  }
  return null;
}
