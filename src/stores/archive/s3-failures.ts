import { ExitCode, Failure } from '../../failure.js';
import { ofCredentials, ofNetwork } from './s3-connection-failures.js';
import type { S3Facts } from './s3-facts.js';
import { ofWriting } from './s3-write-failures.js';

/** What an S3 call was for. */
export type S3Action = 'list' | 'read' | 'write' | 'remove';

const OPERATIONS: Readonly<Record<S3Action, string>> = {
  list: 'list the backups',
  read: 'read the backup file',
  write: 'write the backup file',
  remove: 'remove the backup file',
};

/** What an S3 call was about. */
export interface S3Subject {
  /** Without one: a key is read, a bucket is listed. */
  action?: S3Action;
  bucket: string;
  endpoint: string | null;
  region: string | null;
  key?: string;
  /** Milliseconds. */
  waits: { connectMs: number; silenceMs: number };
}

/** Turns what the SDK threw into a Failure that says which of the many things it was. */
export function s3Failure(subject: S3Subject, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const facts = factsOf(subject, error);
  const target = `s3://${subject.bucket}${subject.key === undefined ? '' : `/${subject.key}`}`;
  return new Failure(
    {
      operation: OPERATIONS[actionOf(subject)],
      subject: subject.endpoint === null ? target : `${target} at ${subject.endpoint}`,
      exitCode: ExitCode.unreachable,
      ...facts,
    },
    { cause: error },
  );
}

function actionOf({ action, key }: S3Subject): S3Action {
  return action ?? (key === undefined ? 'list' : 'read');
}

/** The error's name as S3 gives it: "NoSuchBucket", "AccessDenied". */
export function nameOf(error: unknown): string {
  const { name, Code } = error as { name?: string; Code?: string };
  return Code ?? name ?? '';
}

/** The HTTP status of the answer; undefined where there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function factsOf(subject: S3Subject, error: unknown): S3Facts {
  const name = nameOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const status = statusOf(error);
  const action = actionOf(subject);
  return (
    (action === 'write' || action === 'remove' ? ofWriting(action, name, status) : ofObject(subject, name)) ??
    ofLoad(name, status) ??
    ofBucket(subject, name, status) ??
    ofCredentials(name, message) ??
    ofNetwork(subject, error) ?? {
      reason: `${name === '' ? 'error' : name}: ${message}${status === undefined ? '' : ` (HTTP ${status})`}`,
      hint: 'Try again; if it stays, look at the bucket with the AWS command line.',
      code: action === 'write' || action === 'remove' ? 'archive-unwritable' : 'archive-unreadable',
      exitCode: ExitCode.failed,
    }
  );
}

function ofObject({ key }: S3Subject, name: string): S3Facts | null {
  if (key === undefined) return null;
  const another = 'Use another backup.';
  switch (name) {
    case 'NoSuchKey':
    case 'NotFound':
      return {
        reason: 'the object is not there',
        hint: another,
        code: 'archive-file-missing',
        exitCode: ExitCode.failed,
      };
    case 'AccessDenied':
      return {
        reason: 'access denied: these credentials may not read the object',
        hint: 'Allow s3:GetObject on the bucket (and kms:Decrypt for its key), or use other credentials.',
        code: 'archive-file-denied',
        exitCode: ExitCode.failed,
      };
    case 'InvalidObjectState':
      return {
        reason: 'the object is in an archive class (Glacier) and must be restored first',
        hint: 'Restore it with `aws s3api restore-object`, wait, and try again; or use another backup.',
        code: 'archive-file-unusable',
        exitCode: ExitCode.failed,
      };
    case 'PreconditionFailed':
      return {
        reason: 'the object was replaced while it was read',
        hint: 'Try again.',
        code: 'archive-unreadable',
        exitCode: ExitCode.failed,
      };
    default:
      return null;
  }
}

function ofBucket({ bucket, region }: S3Subject, name: string, status: number | undefined): S3Facts | null {
  switch (name) {
    case 'NoSuchBucket':
      return {
        reason: `there is no bucket "${bucket}"`,
        hint: 'Set AUTOMEM_S3_BUCKET to the bucket that the backups are sent to.',
        code: 's3-no-such-bucket',
        exitCode: ExitCode.nothingToRecoverFrom,
      };
    case 'AccessDenied':
    case 'AllAccessDisabled':
    case 'AccountProblem':
      return {
        reason: `access denied: these credentials may not list the bucket "${bucket}"`,
        hint: 'Allow s3:ListBucket and s3:GetObject on the bucket, or use other credentials.',
        code: 's3-access-denied',
      };
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return wrongRegion(bucket, region);
    default:
      return status === 301 ? wrongRegion(bucket, region) : null;
  }
}

function ofLoad(name: string, status: number | undefined): S3Facts | null {
  if (
    !/^(?:SlowDown|Throttl|RequestThrottled|TooManyRequests|RequestLimitExceeded)/.test(name) &&
    status !== 429
  )
    return null;
  return {
    reason: `the store asks for fewer requests (${name}), and did so again after every pause`,
    hint: 'Try again later; if it stays, look at what else uses the bucket.',
    code: 's3-throttled',
  };
}

function wrongRegion(bucket: string, region: string | null): S3Facts {
  return {
    reason: `the bucket "${bucket}" is in another region than ${region ?? 'the one set'}`,
    hint: `Set AWS_REGION to the bucket's region: \`aws s3api get-bucket-location --bucket ${bucket}\`.`,
    code: 's3-wrong-region',
  };
}
