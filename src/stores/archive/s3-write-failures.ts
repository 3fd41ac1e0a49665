import { ExitCode } from '../../failure.js';
import type { S3Facts } from './s3-facts.js';

/** What S3 and stores that speak it (MinIO, Ceph, R2, Backblaze) say when there is no room. */
const FULL =
  /^(?:QuotaExceeded|XMinioStorageFull|XMinioAdminBucketQuotaExceeded|InsufficientStorage|StorageFull|TotalCapacityExceeded)$/;

/** The bytes that arrived are not those that were sent. */
const DAMAGED =
  /^(?:BadDigest|InvalidDigest|IncompleteBody|InvalidPart|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch)$/;

/** What is wrong with a write or a removal, where it is not the bucket, the credentials or the network. */
export function ofWriting(
  action: 'write' | 'remove',
  name: string,
  status: number | undefined,
): S3Facts | null {
  const exitCode = ExitCode.failed;
  if (name === 'AccessDenied' || name === 'AllAccessDisabled') return { ...denied(action), exitCode };
  if (name === 'PreconditionFailed' || name === 'ConditionalRequestConflict') {
    return {
      reason: 'there is an object of this name already, and a backup is never overwritten',
      hint: 'Wait a second and run it again: names are made of the time.',
      code: 'archive-file-exists',
      exitCode,
    };
  }
  if (FULL.test(name) || status === 507) {
    return {
      reason: `the store is full or its quota is used up (${name})`,
      hint: 'Remove old backups with `lifeboat backup prune`, or have the quota raised.',
      code: 'archive-full',
      exitCode,
    };
  }
  if (name === 'EntityTooLarge') {
    return {
      reason: 'the file is larger than the store takes',
      hint: 'Use a store that takes larger objects, or another place.',
      code: 'archive-file-too-large',
      exitCode,
    };
  }
  if (DAMAGED.test(name)) {
    return {
      reason: `what arrived is not what was sent (${name})`,
      hint: 'Try again; if it stays, look at the network and at proxies in between.',
      code: 'archive-write-damaged',
      exitCode,
    };
  }
  if (name === 'NoSuchUpload') {
    return {
      reason: 'the upload was ended from outside while it ran: by a lifecycle rule, or by another program',
      hint: 'Let the rule for unfinished uploads wait a day at least, then try again.',
      code: 'archive-unwritable',
      exitCode,
    };
  }
  return null;
}

function denied(action: 'write' | 'remove'): Omit<S3Facts, 'exitCode'> {
  return action === 'write'
    ? {
        reason: 'access denied: these credentials may not write the object',
        hint: 'Allow s3:PutObject and s3:AbortMultipartUpload on the bucket (and kms:GenerateDataKey and kms:Decrypt for its key), or use other credentials.',
        code: 'archive-write-denied',
      }
    : {
        reason: 'access denied: these credentials may not remove the object, or it is locked',
        hint: 'Allow s3:DeleteObject on the bucket, or use other credentials; look at the lock with `aws s3api get-object-retention`.',
        code: 'archive-write-denied',
      };
}
