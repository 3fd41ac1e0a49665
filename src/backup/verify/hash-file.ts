import { createHash } from 'node:crypto';
import type { Archive } from '../../stores/archive/archive.js';
import type { BackupFile } from '../types.js';

/** What a file is, without a look at what it means. */
export interface FileFacts {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** What reading a file may tell, and what ends it. */
export interface ReadOptions {
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Reads a file as it lies there and hashes it.
 *
 * @throws Failure when it cannot be read to its end
 */
export async function hashFile(
  archive: Archive,
  file: BackupFile,
  { onBytes, signal }: ReadOptions = {},
): Promise<FileFacts> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of (await archive.open(
    file.path,
    undefined,
    file.version,
  )) as AsyncIterable<Buffer>) {
    signal?.throwIfAborted();
    hash.update(chunk);
    bytes += chunk.length;
    onBytes?.(chunk.length);
  }
  return { bytes, sha256: hash.digest('hex') };
}
