import type { Redis, RedisOptions } from 'ioredis';
import { readFile } from 'node:fs/promises';
import { ExitCode, Failure } from '../../failure.js';
import { knock } from '../speaks-tls.js';

const DISCONNECT_MS = 20;

/** Where the graph server is and how to get in. */
export interface GraphAddress {
  host: string;
  port: number;
  username?: string | undefined;
  password?: string | undefined;
  tls?: boolean | undefined;
  /** PEM file of a private certificate authority. */
  caFile?: string | undefined;
}

export interface ConnectOptions {
  /** Milliseconds for the TCP and TLS handshake and the first PING. */
  connectTimeoutMs?: number;
  /** Milliseconds for the answer to any one command; a server that hangs must not hang Lifeboat. */
  answerTimeoutMs?: number;
  /** Integers of replies come as text: as JavaScript numbers, those beyond 2^53 would lose their last digits. */
  exactIntegers?: boolean;
}

type Options = Omit<RedisOptions, 'replyMapping'>;

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** Well above the two minutes that a query is given at most. */
export const DEFAULT_ANSWER_TIMEOUT_MS = 300_000;

/**
 * Opens one connection and proves it with a PING. It never reconnects by itself: a write whose answer was lost must not
 * be sent again without looking at the graph first.
 *
 * @throws Failure (exit 10) with the cause told apart: refused, unknown host, wrong password, TLS, loading, timeout.
 */
export async function connectGraph(address: GraphAddress, options: ConnectOptions = {}): Promise<Redis> {
  const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  // Much of what Lifeboat does looks at backups alone.
  const [{ Redis }, own] = await Promise.all([import('ioredis'), redisOptions(address, timeoutMs)]);
  const redis = new Redis({
    ...own,
    stringNumbers: options.exactIntegers === true,
    // The server leaves a half-closed connection open, and two seconds of waiting for it would be those of every run.
    disconnectTimeout: DISCONNECT_MS,
    commandTimeout: options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS,
  });
  // ioredis tells the cause only through this event; connect() itself rejects with "Connection is closed".
  let lastError: unknown;
  redis.on('error', (error: unknown) => (lastError = error));
  try {
    await withTimeout(redis.connect(), timeoutMs, 'connect');
    await withTimeout(redis.ping(), timeoutMs, 'PING');
    return redis;
  } catch (error) {
    redis.disconnect();
    const failure = graphFailure('connect to the graph server', address, lastError ?? error, timeoutMs);
    throw (await tlsMismatch(address, failure)) ?? failure;
  }
}

/** Where one side speaks TLS and the other does not, both wait or hang up without a word: a knock tells. */
async function tlsMismatch(address: GraphAddress, failure: Failure): Promise<Failure | null> {
  if (!['timeout', 'connection-lost', 'not-redis'].includes(failure.code)) return null;
  const found = await knock(address);
  const wantsTls = address.tls === true;
  if (found === 'closed' || (found === 'tls') === wantsTls) return null;
  const reason = wantsTls
    ? 'the server does not answer in TLS'
    : 'the server speaks TLS, and Lifeboat was not told to';
  const hint = wantsTls
    ? 'Unset FALKORDB_TLS (and FALKORDB_CA_FILE), or turn TLS on at the server.'
    : 'Set FALKORDB_TLS=true, and FALKORDB_CA_FILE where its certificate authority is a private one.';
  const { operation, subject, exitCode } = failure;
  return new Failure({ operation, subject, exitCode, reason, hint, code: 'tls' }, { cause: failure });
}

async function redisOptions(address: GraphAddress, timeoutMs: number): Promise<Options> {
  const options: Options = {
    host: address.host,
    port: address.port,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    enableOfflineQueue: false,
  };
  if (address.password !== undefined) {
    options.password = address.password;
    if (address.username !== undefined) options.username = address.username;
  }
  if (address.tls === true) {
    const ca = address.caFile === undefined ? undefined : await readCa(address.caFile);
    options.tls = ca === undefined ? {} : { ca };
  }
  return options;
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Failure(
      {
        operation: 'read the certificate authority of the graph server',
        subject: path,
        reason: (error as Error).message,
        hint: 'Point FALKORDB_CA_FILE at a PEM file that this user may read.',
        exitCode: ExitCode.usage,
        code: 'ca-unreadable',
      },
      { cause: error },
    );
  }
}

/** Rejects when `promise` takes longer than `ms`; the message names what was waited for. */
export async function withTimeout<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error(`no answer to ${what} within ${ms / 1000} s`), { code: 'ETIMEDOUT' }));
    }, ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

interface Diagnosis {
  code: string;
  reason: string;
  hint: string;
}

/** A transaction that the server did not accept hides why in the answers to its parts. */
export function firstCause(error: unknown): unknown {
  const [part] = (error as { previousErrors?: unknown[] } | null)?.previousErrors ?? [];
  return part ?? error;
}

/** Turns whatever the client or the server said into a Failure with cause and next step. */
export function graphFailure(
  operation: string,
  address: GraphAddress,
  error: unknown,
  timeoutMs = 0,
): Failure {
  if (error instanceof Failure) return error;
  const diagnosis = diagnose(firstCause(error), address, timeoutMs);
  const unreachable = UNREACHABLE.has(diagnosis.code);
  return new Failure(
    {
      operation,
      subject: `${address.host}:${address.port}`,
      exitCode: unreachable ? ExitCode.unreachable : ExitCode.failed,
      ...diagnosis,
    },
    { cause: error },
  );
}

const UNREACHABLE = new Set([
  'refused',
  'unknown-host',
  'private-host',
  'wrong-credentials',
  'tls',
  'loading',
  'timeout',
  'module-missing',
  'connection-lost',
  'not-redis',
]);

function diagnose(error: unknown, address: GraphAddress, timeoutMs: number): Diagnosis {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string } | null)?.code ?? '';
  // The server's own words for a query that it ended, which is no silence on the way to it.
  if (/^Query timed out/.test(message)) return serverDiagnosis(message);
  return networkDiagnosis(code, message, address, timeoutMs) ?? serverDiagnosis(message);
}

function networkDiagnosis(
  code: string,
  message: string,
  address: GraphAddress,
  timeoutMs: number,
): Diagnosis | null {
  const { host, port } = address;
  if (code === 'ECONNREFUSED') {
    return {
      code: 'refused',
      reason: `nothing listens on ${host}:${port}`,
      hint: 'Start FalkorDB, or check FALKORDB_HOST and FALKORDB_PORT.',
    };
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return host.endsWith('.railway.internal')
      ? {
          code: 'private-host',
          reason: `${host} can only be reached from inside its Railway project`,
          hint: 'Run Lifeboat inside the project, or use the public TCP proxy host and port from the service settings.',
        }
      : { code: 'unknown-host', reason: `the name ${host} cannot be resolved`, hint: 'Check FALKORDB_HOST.' };
  }
  if (/certificate|self.signed|SSL|TLS|EPROTO|wrong version number/i.test(`${code} ${message}`)) {
    return {
      code: 'tls',
      // Node.js adds advice on its own flags, which is none for whoever runs Lifeboat.
      reason: `the TLS handshake failed: ${message.replace(/; if the root CA.*$/s, '')}`,
      hint: 'Check FALKORDB_TLS (is TLS on at the server?) and FALKORDB_CA_FILE (is its authority a private one?).',
    };
  }
  if (code === 'ETIMEDOUT' || /timed? ?out|no answer to/i.test(message)) {
    return {
      code: 'timeout',
      reason: timeoutMs > 0 ? `no answer within ${timeoutMs / 1000} s` : message,
      hint: 'Check that a firewall lets the port through and that the server is not busy.',
    };
  }
  if (
    ['ECONNRESET', 'EPIPE'].includes(code) ||
    /Connection is closed|Stream isn't writeable/i.test(message)
  ) {
    return {
      code: 'connection-lost',
      reason: 'the connection broke',
      hint: 'Look at the log of the graph server: it may have restarted or run out of memory. Then run the command again.',
    };
  }
  return null;
}

/** What the server says, from the most particular to the most general. `{}` stands for the server's own text. */
const SERVER_SAYS: readonly (Diagnosis & { when: RegExp })[] = [
  {
    when: /^Unknown RESP type|^Protocol error/,
    code: 'not-redis',
    reason: 'what answers there is not a Redis server',
    hint: 'Check FALKORDB_HOST and FALKORDB_PORT: FalkorDB listens on 6379, its browser on 3000.',
  },
  {
    when: /WRONGPASS|NOAUTH|invalid password|without any password/i,
    code: 'wrong-credentials',
    reason: 'the server refuses the password',
    hint: 'Check FALKORDB_PASSWORD (and FALKORDB_USERNAME where the server has users).',
  },
  {
    when: /^LOADING/,
    code: 'loading',
    reason: 'the server is loading its data into memory',
    hint: 'Wait until it has finished (its log tells), then run the command again.',
  },
  {
    when: /unknown command.*GRAPH/i,
    code: 'module-missing',
    reason: 'the server answers, but without the FalkorDB module',
    hint: 'Point FALKORDB_HOST at FalkorDB, or load the module (loadmodule falkordb.so).',
  },
  {
    when: /^READONLY/,
    code: 'read-only',
    reason: 'the server is a read-only replica',
    hint: 'Point FALKORDB_HOST at the primary, or promote this replica (REPLICAOF NO ONE).',
  },
  {
    when: /^OOM|maxmemory|out of memory|query memory/i,
    code: 'out-of-memory',
    reason: 'the server has no memory left: {}',
    hint: 'Raise maxmemory or the size of the machine: during a recovery both the old and the new graph are in memory.',
  },
  {
    when: /^Query timed out/,
    code: 'query-timeout',
    reason: 'the server ended a query that took longer than it allows',
    hint: 'Raise its limit, then run the command again: GRAPH.CONFIG SET TIMEOUT_MAX 0, and TIMEOUT_DEFAULT or TIMEOUT likewise.',
  },
  {
    when: /MISCONF/,
    code: 'cannot-persist',
    reason: 'the server refuses writes because it cannot save to disk',
    hint: 'Free disk space at the server and look at its log, then run the command again.',
  },
  {
    when: /NOPERM/,
    code: 'forbidden',
    reason: '{}',
    hint: 'Give the user of FALKORDB_USERNAME the right to run this command.',
  },
  {
    when: /^/,
    code: 'graph-error',
    reason: '{}',
    hint: "The text is the server's own; its log may tell more.",
  },
];

function serverDiagnosis(message: string): Diagnosis {
  const { code, reason, hint } = SERVER_SAYS.find(({ when }) => when.test(message)) as Diagnosis;
  return { code, reason: reason.replace('{}', () => message), hint };
}
