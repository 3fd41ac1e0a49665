import { Failure } from '../failure.js';
import type { Archive } from '../stores/archive/archive.js';

/** A manifest of a backup of 100 GB has some 10 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Bytes of a note: a pin, or what verifications came to. Many of them are read at once. */
export const NOTE_BYTES = 256 * 1024;

/**
 * The text of a small file that lies beside a pair. One that was blown up is cut off, which its reader notices.
 *
 * @returns null where there is none
 * @throws Failure when the archive itself cannot be read
 */
export async function readBeside(
  archive: Archive,
  path: string,
  maxBytes = MAX_BYTES,
): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of (await archive.open(path)) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) break;
    }
  } catch (error) {
    if (error instanceof Failure && error.code === 'archive-file-missing') return null;
    throw error;
  }
  return Buffer.concat(chunks).toString();
}
