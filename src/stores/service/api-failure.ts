import { ExitCode, Failure } from '../../failure.js';

/** How a call of AutoMem's API went wrong. */
export type ApiProblem =
  | { readonly kind: 'http'; readonly status: number; readonly message: string }
  | { readonly kind: 'timeout'; readonly timeoutMs: number }
  | { readonly kind: 'network'; readonly error: unknown }
  /** An answer that is not AutoMem's. */
  | { readonly kind: 'foreign' };

interface Diagnosis {
  code: string;
  reason: string;
  hint: string;
  exitCode?: ExitCode;
}

/** Says what went wrong, and which of the two tokens it was where it was one. */
export function apiFailure(
  operation: string,
  address: { readonly url: string; readonly apiToken: string | null },
  problem: ApiProblem,
): Failure {
  return new Failure(
    { operation, subject: address.url, exitCode: ExitCode.unreachable, ...diagnosis(address, problem) },
    problem.kind === 'network' ? { cause: problem.error } : undefined,
  );
}

function diagnosis(address: { url: string; apiToken: string | null }, problem: ApiProblem): Diagnosis {
  switch (problem.kind) {
    case 'http':
      return ofStatus(problem.status, problem.message, address.apiToken);
    case 'timeout':
      return {
        code: 'api-timeout',
        reason: `no answer within ${problem.timeoutMs / 1000} s`,
        hint: 'AutoMem may go on with its work: look at its log, then run the command again.',
      };
    case 'network':
      return ofNetwork(problem.error, address.url);
    case 'foreign':
      return foreign();
  }
}

function foreign(): Diagnosis {
  return {
    code: 'not-automem',
    reason: 'what answers there is not AutoMem',
    hint: 'Check AUTOMEM_API_URL.',
    exitCode: ExitCode.usage,
  };
}

function ofStatus(status: number, message: string, apiToken: string | null): Diagnosis {
  if (status === 401) return ofToken(message, apiToken);
  if (status === 403)
    return {
      code: 'api-admin-token-unset',
      reason: `AutoMem does not allow it (HTTP 403: ${message})`,
      hint: 'Set ADMIN_API_TOKEN for AutoMem itself, restart it, and set the same here.',
      exitCode: ExitCode.usage,
    };
  if (status === 404 || status === 405)
    return { ...foreign(), reason: `there is no such call (HTTP ${status})` };
  if (status === 503)
    return {
      code: 'api-not-ready',
      reason: `AutoMem cannot do it now: ${message}`,
      hint: 'See that AutoMem reaches both stores and has an embedding provider, then run the command again.',
    };
  if (status === 502 || status === 504)
    return {
      code: 'api-gateway',
      reason: `what stands in front of AutoMem gave up (HTTP ${status})`,
      hint: 'AutoMem may go on with its work: look at its log. Or use its direct address as AUTOMEM_API_URL.',
    };
  return {
    code: 'api-error',
    reason: `HTTP ${status}: ${message}`,
    hint: "The text is AutoMem's own; its log tells more.",
    exitCode: ExitCode.failed,
  };
}

/** AutoMem answers 401 for either token and tells them apart in words only (api/auth_helpers.py). */
function ofToken(message: string, apiToken: string | null): Diagnosis {
  const isAdmin = /admin/i.test(message);
  const variable = isAdmin ? 'ADMIN_API_TOKEN' : 'AUTOMEM_API_TOKEN';
  const isMissing = !isAdmin && apiToken === null;
  return {
    code: isAdmin ? 'api-admin-token-wrong' : 'api-token-wrong',
    reason: isMissing
      ? `AutoMem asks for an API token, and ${variable} is not set (HTTP 401)`
      : `AutoMem refuses the ${isAdmin ? 'admin' : 'API'} token (HTTP 401)`,
    hint: `Set ${variable} to the same value as in AutoMem.`,
    exitCode: ExitCode.usage,
  };
}

function ofNetwork(error: unknown, url: string): Diagnosis {
  const { code, message } = rootCause(error);
  const hint = 'Check AUTOMEM_API_URL and whether AutoMem runs.';
  switch (code) {
    case 'ECONNREFUSED':
      return { code: 'api-refused', reason: `nothing listens at ${url}`, hint };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { code: 'api-unknown-host', reason: 'the name of the host cannot be resolved', hint };
    case 'UND_ERR_CONNECT_TIMEOUT':
      return { code: 'api-timeout', reason: 'it does not take the connection', hint };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return {
        code: 'api-connection-lost',
        reason: 'the connection broke before the answer',
        hint: 'AutoMem may go on with its work: look at its log, then run the command again.',
      };
    default:
  }
  if (/CERT|SSL|TLS|EPROTO|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return {
      code: 'api-tls',
      reason: `the TLS handshake failed: ${message}`,
      hint: 'Check http or https in AUTOMEM_API_URL; for a private authority set NODE_EXTRA_CA_CERTS to its PEM file.',
    };
  }
  return { code: 'api-other', reason: code.startsWith('HPE_') ? 'it does not speak HTTP' : message, hint };
}

/** A host with several addresses fails with one error for each, wrapped. */
function rootCause(error: unknown): { code: string; message: string } {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const { code, errors } = current as { code?: unknown; errors?: unknown[] };
    if (typeof code === 'string') return { code, message: current.message };
    current = errors?.[0] ?? current.cause ?? null;
  }
  return { code: '', message: error instanceof Error ? error.message : String(error) };
}
