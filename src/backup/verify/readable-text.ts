import { Readable } from 'node:stream';
import type { Archive } from '../../stores/archive/archive.js';
import type { Block } from '../create/block-writer.js';
import type { BackupFile } from '../types.js';
import { areUsable, readBlocks } from './blocks.js';
import { inflateMember, nextMember } from './gzip-member.js';

/** A stretch of a file's text, or the place at which a part of it ends. */
export type TextPart = { kind: 'text'; bytes: Buffer } | PartEnd;

export interface PartEnd {
  kind: 'end';
  /** Something is missing behind it. */
  isGap: boolean;
  /** A checksum covers the text since the end before. */
  isProven: boolean;
}

/**
 * Everything of a gzip file that can be inflated, in its order. With the blocks of its manifest, block by
 * block; without, gzip member by gzip member. One that is damaged comes up to where it is, unproven.
 *
 * @param blocks as the manifest gives them; none where it does not
 * @throws Failure when the archive cannot be read
 */
export async function* readableText(
  archive: Archive,
  file: BackupFile,
  blocks: readonly Block[],
  signal?: AbortSignal,
): AsyncGenerator<TextPart> {
  if (areUsable(blocks)) yield* fromBlocks(archive, file, blocks, signal);
  else yield* fromMembers(archive, file, signal);
}

async function* fromBlocks(
  archive: Archive,
  { path }: BackupFile,
  blocks: readonly Block[],
  signal?: AbortSignal,
): AsyncGenerator<TextPart> {
  const options = { texts: true, ...(signal === undefined ? {} : { signal }) };
  for await (const { json, bytes } of readBlocks(archive, path, blocks, options)) {
    if (json === null) {
      const { isProven } = yield* fromMember(inMemory(bytes), '', 0);
      yield { kind: 'end', isGap: true, isProven };
    } else {
      yield { kind: 'text', bytes: json };
      yield { kind: 'end', isGap: false, isProven: true };
    }
  }
}

/** A block that was read already, as what the decompressor reads from. */
function inMemory(bytes: Buffer): Pick<Archive, 'open'> {
  return {
    open: (_path, { start, length } = { start: 0 }) =>
      Promise.resolve(
        Readable.from([bytes.subarray(start, length === undefined ? undefined : start + length)], {
          objectMode: false,
        }),
      ),
  };
}

async function* fromMembers(
  archive: Archive,
  { path }: BackupFile,
  signal?: AbortSignal,
): AsyncGenerator<TextPart> {
  for (let start: number | null = await nextMember(archive, path, 0); start !== null;) {
    signal?.throwIfAborted();
    const { isProven: whole, end } = yield* fromMember(archive, path, start);
    yield { kind: 'end', isGap: !whole, isProven: whole };
    // Damage may lead the decompressor astray, past the beginning of the next member.
    const next: number | null = await nextMember(archive, path, whole ? end : start + 1);
    // Whole ones lie one behind the other.
    if (whole && next !== null && next !== end) yield { kind: 'end', isGap: true, isProven: true };
    start = next;
  }
}

/** Up to where it is damaged. */
async function* fromMember(
  archive: Pick<Archive, 'open'>,
  path: string,
  start: number,
): AsyncGenerator<TextPart, { isProven: boolean; end: number }> {
  const member = inflateMember(archive, path, start);
  let step = await member.next();
  for (; step.done !== true; step = await member.next()) yield { kind: 'text', bytes: step.value };
  return { isProven: step.value.whole, end: step.value.end };
}
