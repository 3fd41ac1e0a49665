import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { nameOf, statusOf } from './s3-failures.js';

/** What a store is asked for until it says that it does not know it. */
export interface S3Habits {
  /** x-amz-checksum-…; else Content-MD5, which every store knows. */
  checksums: boolean;
  /** If-None-Match on writes. */
  conditions: boolean;
}

/**
 * Sends a request; where the store refuses what not every store knows, once more without it.
 *
 * @param habits of the store, kept between requests
 */
export async function adapted<T>(habits: S3Habits, send: (habits: S3Habits) => Promise<T>): Promise<T> {
  for (;;) {
    const used = { ...habits };
    try {
      return await send(used);
    } catch (error) {
      const refused = refusedBy(used, error);
      if (refused === null) throw error;
      habits[refused] = false;
    }
  }
}

/** Which of the habits a store refused; null where the error is another. */
function refusedBy(used: S3Habits, error: unknown): keyof S3Habits | null {
  const isUnknown = nameOf(error) === 'NotImplemented' || statusOf(error) === 501;
  if (!isUnknown && statusOf(error) !== 400) return null;
  const { message = '', Header = '' } = error as { message?: string; Header?: string };
  const about = `${Header} ${message}`;
  // A checksum that does not fit is damage on the way, and no reason to do without.
  if (!isUnknown && /did not match|mismatch|BadDigest|InvalidDigest/i.test(`${nameOf(error)} ${message}`))
    return null;
  if (used.conditions && /if-none-match/i.test(about)) return 'conditions';
  if (used.checksums && (isUnknown || /checksum|x-amz-sdk/i.test(about))) return 'checksums';
  return used.conditions && isUnknown ? 'conditions' : null;
}

/** What lets the store see that bytes arrived as they were sent. */
export function sumOf(body: Buffer, habits: S3Habits): { ChecksumCRC32: string } | { ContentMD5: string } {
  if (!habits.checksums) return { ContentMD5: hash('md5', body, 'base64') };
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return { ChecksumCRC32: sum.toString('base64') };
}
