import { setTimeout as sleep } from 'node:timers/promises';
import { describeCollection, type CollectionDescription } from '../../stores/vectors/collection-admin.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import { READS, sourceEmpty, unsteady, type ExportContext } from './export-graph.js';
import type { HalfFacts, HalfFile } from './half-file.js';
import { VectorsExport, type ExportedVectors } from './vectors-export.js';

/** A vector half that lies with its places, and only lacks its name. */
export interface VectorsHalf {
  file: HalfFile;
  facts: HalfFacts;
  content: ExportedVectors;
  collection: CollectionDescription;
  /** ISO-8601. */
  from: string;
  to: string;
  /** Points came or went while they were read. A payload that was changed alone cannot be seen. */
  written: boolean;
}

/**
 * Reads a collection into a file, and reconciles what was read with exact counts from before and after.
 *
 * @throws Failure `backup-source-empty`, `backup-unsteady`, or what the server says
 */
export async function exportVectors(
  store: VectorStore,
  name: string,
  context: ExportContext,
): Promise<VectorsHalf> {
  const collection = await describeCollection(store, name);
  if (collection === null) throw sourceEmpty(`the collection ${name}`, 'there is no such collection');
  if ((await store.count(name)) === 0) throw sourceEmpty(`the collection ${name}`, 'it is empty');
  const size = (await store.collection(name))?.size ?? null;
  for (let read = 1; ; read++) {
    const half = await readOnce(store, name, size, context);
    if (typeof half !== 'string') return { ...half, collection };
    if (read === READS) throw unsteady(`the collection ${name}`, half);
    await sleep(1_000 * read, undefined, { signal: context.signal });
  }
}

/** @returns why it did not come out whole, in words */
async function readOnce(
  store: VectorStore,
  name: string,
  size: number | null,
  { timestamp, openFile, onRead, now, signal }: ExportContext,
): Promise<Omit<VectorsHalf, 'collection'> | string> {
  const file = await openFile();
  try {
    const from = now().toISOString();
    const before = await store.count(name);
    const content = await new VectorsExport(store, name, file.writer, onRead, signal).write(timestamp, size);
    const after = await store.count(name);
    const to = now().toISOString();
    // A point may come ahead of the read or behind it: with writers, the number lies between the counts.
    if (content.points < Math.min(before, after) || content.points > Math.max(before, after)) {
      await file.abandon();
      return `${content.points} points were read where the server counted ${before} before and ${after} after`;
    }
    return { file, facts: await file.finish(), content, from, to, written: before !== after };
  } catch (error) {
    await file.abandon();
    throw error;
  }
}
