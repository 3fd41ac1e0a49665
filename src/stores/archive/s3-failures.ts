import { ExitCode, Failure } from '../../failure.js';

/** What an S3 call was about. */
export interface S3Subject {
  bucket: string;
  endpoint: string | null;
  region: string | null;
  key?: string;
  /** Milliseconds. */
  waits: { connectMs: number; silenceMs: number };
}

interface Facts {
  reason: string;
  hint: string;
  code: string;
  exitCode?: ExitCode;
}

/** Turns what the SDK threw into a Failure that says which of the many things it was. */
export function s3Failure(subject: S3Subject, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const facts = factsOf(subject, error);
  const target = `s3://${subject.bucket}${subject.key === undefined ? '' : `/${subject.key}`}`;
  return new Failure(
    {
      operation: subject.key === undefined ? 'list the backups' : 'read the backup file',
      subject: subject.endpoint === null ? target : `${target} at ${subject.endpoint}`,
      exitCode: ExitCode.unreachable,
      ...facts,
    },
    { cause: error },
  );
}

/** The error's name as S3 gives it: "NoSuchBucket", "AccessDenied". */
export function nameOf(error: unknown): string {
  const { name, Code } = error as { name?: string; Code?: string };
  return Code ?? name ?? '';
}

function factsOf(subject: S3Subject, error: unknown): Facts {
  const name = nameOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return (
    ofObject(subject, name) ??
    ofBucket(subject, name, status) ??
    ofCredentials(name, message) ??
    ofNetwork(subject, error) ?? {
      reason: `${name === '' ? 'error' : name}: ${message}${status === undefined ? '' : ` (HTTP ${status})`}`,
      hint: 'Try again; if it stays, look at the bucket with the AWS command line.',
      code: 'archive-unreadable',
      exitCode: ExitCode.failed,
    }
  );
}

function ofObject({ key }: S3Subject, name: string): Facts | null {
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

function ofBucket({ bucket, region }: S3Subject, name: string, status: number | undefined): Facts | null {
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

function wrongRegion(bucket: string, region: string | null): Facts {
  return {
    reason: `the bucket "${bucket}" is in another region than ${region ?? 'the one set'}`,
    hint: `Set AWS_REGION to the bucket's region: \`aws s3api get-bucket-location --bucket ${bucket}\`.`,
    code: 's3-wrong-region',
  };
}

function ofCredentials(name: string, message: string): Facts | null {
  const expired = /^(?:ExpiredToken|ExpiredTokenException|TokenRefreshRequired|RequestExpired)$/.test(name);
  const missing = name === 'CredentialsProviderError' || name === 'TokenProviderError';
  if (expired || (missing && /expired/i.test(message))) {
    return {
      reason: 'the credentials have expired',
      hint: 'Sign in again (`aws sso login`), or set fresh AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
      code: 's3-expired-credentials',
    };
  }
  if (missing) {
    return {
      reason: 'no credentials were found',
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
      code: 's3-no-credentials',
    };
  }
  if (/^(?:InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId)$/.test(name)) {
    return {
      reason: `the credentials are wrong (${name})`,
      hint: 'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
      code: 's3-wrong-credentials',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    return {
      reason: 'the clock of this machine is more than 15 minutes off',
      hint: 'Set the clock and try again.',
      code: 's3-clock',
    };
  }
  if (/^Region is missing/.test(message)) {
    return {
      reason: 'no region is set',
      hint: "Set AWS_REGION to the bucket's region.",
      code: 's3-no-region',
    };
  }
  return null;
}

function ofNetwork({ endpoint, waits }: S3Subject, error: unknown): Facts | null {
  const { code, name, message } = rootOf(error);
  const where = endpoint ?? 'S3';
  const hint = 'Check AWS_ENDPOINT_URL_S3, the network and the proxy.';
  const down = (reason: string): Facts => ({ reason, hint, code: 's3-unreachable' });
  switch (code) {
    case 'ECONNREFUSED':
      return down(`nothing listens at ${where} (connection refused)`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return down(`the host of ${where} has no address (${code})`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return down(`there is no way to ${where} (${code})`);
    case 'ECONNRESET':
    case 'EPIPE':
      return down(`${where} closed the connection (${code})`);
    default:
  }
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') {
    const { connectMs, silenceMs } = waits;
    return down(
      `${where} did not answer within ${connectMs / 1000} s to connect or ${silenceMs / 1000} s to reply`,
    );
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return {
      reason: `the TLS certificate of ${where} is not trusted (${code}: ${message})`,
      hint: 'Set NODE_EXTRA_CA_CERTS to the certificate authority of the store.',
      code: 's3-tls',
    };
  }
  return null;
}

/** The system's own error under the SDK's wrappers. */
function rootOf(error: unknown): { code: string; name: string; message: string } {
  let found = error as NodeJS.ErrnoException & { errors?: unknown[] };
  // A host with several addresses fails with one error for each; they differ in the address only.
  for (let depth = 0; depth < 5 && found.code === undefined; depth++) {
    const inner = found.errors?.[0] ?? found.cause;
    if (!(inner instanceof Error)) break;
    found = inner;
  }
  return { code: found.code ?? '', name: found.name, message: found.message };
}
