import type { S3Bucket } from './s3-client.js';
import { statusOf } from './s3-failures.js';

/** Under this name an object's metadata tells which attempt wrote it. */
export const MARK = 'lifeboat-write';

/** What lies under a key. */
export interface S3Object {
  bytes: number;
  /** Of the attempt that wrote it; null for what others wrote. */
  mark: string | null;
  /** ISO-8601, or "hold" under a legal hold; null where it is not locked, or these credentials may not see it. */
  lockedUntil: string | null;
}

/**
 * Looks at an object.
 *
 * @returns null where there is none; "hidden" where these credentials may not look: without s3:ListBucket, S3 answers
 *   so for what is not there too
 * @throws what the SDK threw, where the store did not answer
 */
export async function lookAt(bucket: S3Bucket, key: string): Promise<S3Object | 'hidden' | null> {
  const { sdk, client } = await bucket.connected();
  try {
    const found = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket.bucket, Key: key }));
    const until = found.ObjectLockRetainUntilDate;
    const isRetained = until !== undefined && until.getTime() > Date.now();
    return {
      bytes: found.ContentLength ?? 0,
      mark: found.Metadata?.[MARK] ?? null,
      lockedUntil:
        found.ObjectLockLegalHoldStatus === 'ON' ? 'hold' : isRetained ? until.toISOString() : null,
    };
  } catch (error) {
    // An answer to HEAD has no body, and so no other word for what is wrong.
    const status = statusOf(error);
    if (status === 404) return null;
    if (status !== undefined && status < 500 && status !== 429) return 'hidden';
    throw error;
  }
}

/** Removes an object that turned out to be wrong, where that is possible. Never throws. */
export async function takeBack(bucket: S3Bucket, key: string): Promise<void> {
  const { sdk, client } = await bucket.connected();
  await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket.bucket, Key: key })).catch(() => undefined);
}
