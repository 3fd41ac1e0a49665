import type { S3Facts } from './s3-facts.js';

/** What is wrong with the credentials, the clock or the region; null where it is something else. */
export function ofCredentials(name: string, message: string): S3Facts | null {
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
      reason:
        'the clock of this machine is more than 15 minutes off, and the store did not accept its own time either',
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

/**
 * What is wrong on the way to the store; null where it is something else.
 *
 * @param waits milliseconds
 */
export function ofNetwork(
  { endpoint, waits }: { endpoint: string | null; waits: { connectMs: number; silenceMs: number } },
  error: unknown,
): S3Facts | null {
  const { code, name, message } = rootOf(error);
  const where = endpoint ?? 'S3';
  const hint = 'Check AWS_ENDPOINT_URL_S3, the network and the proxy.';
  const down = (reason: string): S3Facts => ({ reason, hint, code: 's3-unreachable' });
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
