import { Failure } from '../../failure.js';
import { IncompleteJson, InvalidJson, parseJson } from '../../memory/json.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { Block } from '../create/block-writer.js';
import type { BackupFile } from '../types.js';
import { readableText } from './readable-text.js';
import { RecordCutter } from './record-cutter.js';

/**
 * How many whole records of a damaged file can be read: in what is intact, and in what is damaged up to the damage. It is
 * what a salvage would find, before it leaves out relationships of which a node is lost.
 *
 * @param blocks as the manifest gives them, where the file has the size that it gives; else none
 * @throws Failure when the place cannot be reached
 */
export async function readableRecords(
  archive: Archive,
  file: BackupFile,
  blocks: readonly Block[],
  signal?: AbortSignal,
): Promise<number> {
  const cutter = new RecordCutter();
  let count = 0;
  const take = (texts: readonly string[]): void => {
    for (const text of texts) if (isWhole(text)) count++;
  };
  const breakOff = (): void => {
    const last = cutter.breakOff();
    if (last !== null) take([last]);
  };
  try {
    for await (const part of readableText(archive, file, blocks, signal)) {
      if (part.kind === 'text') take(cutter.feed(part.bytes));
      else if (part.isGap) breakOff();
    }
  } catch (error) {
    // Behind damage an encrypted file holds nothing that could be read.
    if (!(error instanceof Failure && error.code.startsWith('backup-'))) throw error;
  }
  breakOff();
  return count;
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return isPythons(text);
  }
}

/** Python writes NaN and infinities, which are no JSON. */
function isPythons(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch (error) {
    if (error instanceof InvalidJson || error instanceof IncompleteJson) return false;
    throw error;
  }
}
