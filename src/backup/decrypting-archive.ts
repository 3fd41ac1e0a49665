import { Readable } from 'node:stream';
import type { Archive, ByteRange } from '../stores/archive/archive.js';
import { decrypt } from './encryption.js';
import { ENCRYPTED_SUFFIX } from './layout.js';

/** An archive that opens encrypted files. */
export interface DecryptingArchive extends Archive {
  /** The files as they lie there. */
  readonly raw: Archive;
}

/** The archive whose files are as they lie there. */
export function undecrypted(archive: Archive): Archive {
  return 'raw' in archive ? (archive as DecryptingArchive).raw : archive;
}

/**
 * The same archive; encrypted files are opened as what they hold. Their sizes in the listing stay those of the files, which
 * is what manifests and people count.
 *
 * @param identities reads the secret keys when the first encrypted file is opened
 */
export function decryptingArchive(
  archive: Archive,
  identities: () => Promise<readonly string[]>,
): DecryptingArchive {
  let keys: Promise<readonly string[]> | undefined;
  return {
    place: archive.place,
    raw: archive,
    list: () => archive.list(),
    async open(path, range, version) {
      if (!path.endsWith(ENCRYPTED_SUFFIX)) return archive.open(path, range, version);
      const opened = await decrypt(
        path,
        await archive.open(path, undefined, version),
        await (keys ??= identities()),
      );
      // Nothing waits in it, which would be lost where what follows is damaged.
      const options = { objectMode: false, highWaterMark: 1 };
      return range === undefined ? opened : Readable.from(part(opened, range), options);
    },
  };
}

/** A range of what is decrypted: only its beginning can be skipped, not left unread. */
async function* part(source: Readable, { start, length = Infinity }: ByteRange): AsyncGenerator<Buffer> {
  let position = 0;
  const end = start + length;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const from = Math.max(start - position, 0);
    const to = Math.min(end - position, chunk.length);
    if (from < to) yield chunk.subarray(from, to);
    position += chunk.length;
    if (position >= end) return;
  }
}
