import type { Archive } from '../../stores/archive/archive.js';
import { numeric, isMap, type Value } from '../../memory/values.js';
import type { Block } from '../create/block-writer.js';
import { ENCRYPTED_SUFFIX } from '../layout.js';
import type { Manifest } from '../manifest.js';
import type { Half } from '../pair/pair-problems.js';
import { areUsable, readBlocks, stopOf } from './blocks.js';

/** The lists of both files, in their order. */
export type ListName = 'nodes' | 'relationships' | 'points';

/** Records of one list, counted from 1, both ends included. */
export interface RecordSpan {
  list: ListName;
  from: number;
  to: number;
}

/** One gzip block of which the bytes are not those that were written. */
export interface DamagedBlock {
  /** Counted from 1. */
  number: number;
  /** Its bytes in the gzip file: the first one, and the one behind the last. */
  from: number;
  to: number;
  /** The byte at which it stops making sense; null where that cannot be told, or the block cannot be reached. */
  stopsAt: number | null;
  reason: string;
  /** Empty where its records can be read in spite of it. */
  records: RecordSpan[];
}

/** Where a file is damaged, as its manifest's blocks tell. */
export interface FileDamage {
  path: string;
  half: Half;
  /** Blocks of the file. */
  blocks: number;
  damaged: DamagedBlock[];
  /** Records that are lost at most, and those that can be saved. */
  lost: number;
  saved: number;
  /** Whole records that can be read: those outside, and those that stand before the damage in a damaged block. */
  readable: number;
}

/**
 * Finds out where a file is damaged that is not the one that its manifest describes.
 *
 * @param archive opens encrypted files as what they hold
 * @returns null where the manifest does not know the file block by block
 */
export async function locateDamage(
  archive: Archive,
  path: string,
  half: Half,
  manifest: Manifest,
  blocks: readonly Block[],
  signal?: AbortSignal,
): Promise<FileDamage | null> {
  if (!areUsable(blocks)) return null;
  const nodes = nodesOf(manifest);
  const damage: FileDamage = {
    path,
    half,
    blocks: blocks.length,
    damaged: [],
    lost: 0,
    saved: 0,
    readable: 0,
  };
  const canSeek = !path.endsWith(ENCRYPTED_SUFFIX);
  const options = { texts: false, ...(signal === undefined ? {} : { signal }) };
  for await (const { block, index, isIntact, json, reason } of readBlocks(archive, path, blocks, options)) {
    const isReadable = isIntact || json !== null;
    if (isReadable) damage.saved += block.records;
    else damage.lost += block.records;
    if (isIntact) continue;
    damage.damaged.push({
      number: index + 1,
      from: block.offset,
      to: block.offset + block.bytes,
      stopsAt: isReadable || !canSeek ? null : await stopOf(archive, path, block),
      reason: reason ?? 'only its header is not as it was written, and its content is whole',
      records: isReadable ? [] : spansOf(half, block.first, block.records, nodes),
    });
  }
  return damage;
}

/** How many nodes stand before the first relationship of the graph half. */
function nodesOf({ body }: Manifest): number {
  return numberIn(body['graph'], 'nodes') ?? 0;
}

/** A number that a manifest gives; null where it gives none. */
export function numberIn(value: Value | undefined, name: string): number | null {
  return isMap(value) ? numeric(value[name]) : null;
}

/** What records a stretch of a file's record numbers is, list by list. */
function spansOf(half: Half, first: number, count: number, nodes: number): RecordSpan[] {
  if (count === 0) return [];
  const end = first + count;
  if (half === 'vectors') return [{ list: 'points', from: first + 1, to: end }];
  const spans: RecordSpan[] = [];
  if (first < nodes) spans.push({ list: 'nodes', from: first + 1, to: Math.min(end, nodes) });
  if (end > nodes)
    spans.push({ list: 'relationships', from: Math.max(first - nodes, 0) + 1, to: end - nodes });
  return spans;
}
