import { ExitCode, Failure } from '../../failure.js';
import { knock } from '../speaks-tls.js';
import { httpDiagnosis, type Diagnosis } from './http-diagnosis.js';

/** Where Qdrant is and how to get in. */
export interface VectorAddress {
  /** Base URL without a trailing slash. */
  url: string;
  apiKey?: string | undefined;
  /** Milliseconds that one request may take. */
  timeoutMs: number;
}

/** Qdrant answered, but not with success. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Something answered with success, but not what Qdrant says. */
export class NotQdrant extends Error {
  override readonly name = 'NotQdrant';
}

/** Turns a network error or an HTTP error into a Failure with cause and next step. */
export function vectorFailure(operation: string, address: VectorAddress, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const diagnosis = error instanceof HttpError ? httpDiagnosis(error) : networkDiagnosis(error, address);
  return new Failure(
    { operation, subject: address.url, exitCode: ExitCode.unreachable, ...diagnosis },
    { cause: error },
  );
}

function networkDiagnosis(error: unknown, address: VectorAddress): Diagnosis {
  const { code, message } = rootCause(error);
  const host = hostOf(address.url);
  if (code === 'ECONNREFUSED') {
    return {
      code: 'refused',
      reason: `nothing listens at ${address.url}`,
      hint: 'Start Qdrant, or check QDRANT_URL.',
    };
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return host.endsWith('.railway.internal')
      ? {
          code: 'private-host',
          reason: `${host} can only be reached from inside its Railway project`,
          hint: 'Run Lifeboat inside the project, or use the public address from the service settings.',
        }
      : { code: 'unknown-host', reason: `the name ${host} cannot be resolved`, hint: 'Check QDRANT_URL.' };
  }
  if (/CERT|SSL|TLS|EPROTO|SELF_SIGNED/.test(code) || /certificate|wrong version number/i.test(message)) {
    return {
      code: 'tls',
      reason: `the TLS handshake failed: ${message}`,
      hint: 'Check http or https in QDRANT_URL; for a private authority set NODE_EXTRA_CA_CERTS to its PEM file.',
    };
  }
  if (/TIMEDOUT|TIMEOUT|ABORT/i.test(code) || /timeout|aborted/i.test(message)) {
    return {
      code: 'timeout',
      reason: `no answer within ${address.timeoutMs / 1000} s`,
      hint: 'Check the network and the load of Qdrant, or raise QDRANT_TIMEOUT_SECONDS.',
    };
  }
  if (error instanceof NotQdrant || code.startsWith('HPE_')) {
    return {
      code: 'not-qdrant',
      reason: 'what answers there is not Qdrant',
      hint: 'Check QDRANT_URL: Qdrant answers REST on port 6333.',
    };
  }
  if (['ECONNRESET', 'EPIPE'].includes(code)) {
    return {
      code: 'connection-lost',
      reason: 'the connection broke',
      hint: 'Look at the log of Qdrant: it may have restarted or run out of memory. Then run the command again.',
    };
  }
  return { code: 'other', reason: message, hint: 'Check QDRANT_URL.' };
}

/** Where one side speaks TLS and the other does not, the socket's error rarely says so: a knock tells. */
export async function withTlsTold(failure: Failure): Promise<Failure> {
  const { operation, subject, exitCode, code } = failure;
  if (!['connection-lost', 'not-qdrant', 'timeout'].includes(code) || !URL.canParse(subject)) return failure;
  const { protocol, hostname, port } = new URL(subject);
  if (protocol !== 'http:') return failure;
  if (
    (await knock({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 80 : port) })) !== 'tls'
  )
    return failure;
  return new Failure(
    {
      operation,
      subject,
      exitCode,
      reason: 'the server speaks TLS, and the address is one without',
      hint: 'Check http or https in QDRANT_URL; for a private authority set NODE_EXTRA_CA_CERTS to its PEM file.',
      code: 'tls',
    },
    { cause: failure },
  );
}

/** Clients wrap the socket's error one or two levels deep. */
function rootCause(error: unknown): { code: string; message: string } {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const code = (current as { code?: unknown }).code;
    if (typeof code === 'string') return { code, message: current.message };
    if (current.cause === undefined) break;
    current = current.cause;
  }
  return { code: '', message: current instanceof Error ? current.message : String(current) };
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : url;
}
