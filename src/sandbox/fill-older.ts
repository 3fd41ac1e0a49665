import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, utimes } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { BackupPair } from './fill-backup.js';
import { parseBackupStamp } from './population/times.js';

/**
 * Writes a backup pair again as one that was taken earlier, while the stores held the same: both files with the earlier
 * time in their name, in their content, and as the time of their last change.
 */
export async function writeOlderPair(
  newest: BackupPair,
  newestStamp: string,
  older: BackupPair,
  olderStamp: string,
): Promise<void> {
  for (const half of ['graph', 'vectors'] as const) {
    const partial = `${older[half]}.partial`;
    try {
      await pipeline(
        createReadStream(newest[half]),
        createGunzip(),
        (chunks: AsyncIterable<Buffer>) => withStamp(chunks, newestStamp, olderStamp),
        createGzip({ level: 2 }),
        createWriteStream(partial),
      );
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    const taken = parseBackupStamp(olderStamp) ?? new Date();
    await utimes(partial, taken, taken);
    await rename(partial, older[half]);
  }
}

/** The timestamp is the first field of either file, and all have the same length. */
async function* withStamp(chunks: AsyncIterable<Buffer>, from: string, to: string): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of chunks) {
    const at = isFirst ? chunk.indexOf(`"${from}"`) : -1;
    if (at >= 0) chunk.write(to, at + 1, 'latin1');
    isFirst = false;
    yield chunk;
  }
}
