import pRetry from 'p-retry';
import type { IncomingMessage } from 'node:http';
import { BodyBuffer } from './body-buffer.js';
import { HttpConnections, readWhole, type Method, type StreamedBody } from './http-connections.js';
import { HttpError, NotQdrant, vectorFailure, withTlsTold, type VectorAddress } from './vector-failure.js';

/** One request to Qdrant. */
export interface Ask {
  /** What it is for, as a verb phrase: it stands in the failure. */
  operation: string;
  method: Method;
  path: string;
  /** JSON as text or bytes, or a value to make it of. */
  body?: unknown;
  /**
   * `soon` (default) sends again what broke, twice: for reads. `patiently` goes on for ten to thirty seconds and
   * outlives a restart of the server: for writes that may be repeated. `never` is for what must happen once.
   */
  retry?: 'soon' | 'patiently' | 'never';
  /** Milliseconds without a sign of life; default: those of the address. */
  timeoutMs?: number;
  /** Each time that it is sent, asked before the last byte of a body of bytes; where it throws, the request is not made. */
  beforeEnd?: () => Promise<void>;
}

const PATIENCE = {
  soon: { retries: 2, minTimeout: 200 },
  patiently: { retries: 6, minTimeout: 200, factor: 2, randomize: true },
  never: { retries: 0 },
} as const;

/**
 * Requests to one Qdrant, over plain HTTP with connections kept alive: on the hot path several times faster than the
 * packaged client. Every method throws Failure (see vector-failure.ts).
 */
export class VectorRequests {
  private readonly http: HttpConnections;

  constructor(readonly address: VectorAddress) {
    this.http = new HttpConnections(address);
  }

  close(): void {
    this.http.close();
  }

  /** The `result` of the answer. */
  async result<T>(ask: Ask): Promise<T> {
    return this.resultOf(ask.operation, await this.text(ask));
  }

  /** The answer as it came. */
  async text(ask: Ask): Promise<string> {
    const answer = new BodyBuffer();
    await this.read(ask, answer);
    return answer.text();
  }

  /** The answer as it came, into a body that may have served before. */
  async read(ask: Ask, answer: BodyBuffer): Promise<void> {
    const retry = ask.retry ?? 'soon';
    const { method, path, timeoutMs, body, beforeEnd } = ask;
    const sent = body === undefined ? null : isReady(body) ? body : JSON.stringify(body);
    const send = async (): Promise<void> => {
      const { status } = await this.http.request({ method, path, timeoutMs }, sent, beforeEnd, answer);
      if (status >= 400) throw new HttpError(status, errorText(answer.text()));
    };
    try {
      await pRetry(send, {
        ...PATIENCE[retry],
        shouldRetry: ({ error }) => isTransient(error, retry === 'patiently'),
      });
    } catch (error) {
      throw await this.failure(ask.operation, error);
    }
  }

  /** An answer to be read as a stream; its body breaks with the socket's error. Sent once. */
  async download(ask: Ask): Promise<IncomingMessage> {
    return this.open(ask, null);
  }

  /** Sends a body as a stream, and gives the `result` of the answer. Sent once. */
  async upload<T>(ask: Ask, body: StreamedBody): Promise<T> {
    const response = await this.open(ask, body);
    const text = await readWhole(response).catch(async (error: unknown) => {
      throw await this.failure(ask.operation, error);
    });
    return this.resultOf(ask.operation, text);
  }

  /** A failure of this server, with cause and next step. */
  async failure(operation: string, error: unknown): Promise<Error> {
    return withTlsTold(vectorFailure(operation, this.address, error));
  }

  private async open(ask: Ask, body: StreamedBody | null): Promise<IncomingMessage> {
    try {
      const response = await this.http.open(ask, body);
      const status = response.statusCode ?? 0;
      if (status >= 400) throw new HttpError(status, errorText(await readWhole(response)));
      return response;
    } catch (error) {
      throw await this.failure(ask.operation, error);
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it names the shape of the answer
  private resultOf<T>(operation: string, text: string): T {
    const reply = parsed(text) as { result?: T } | null;
    if (reply?.result === undefined) throw vectorFailure(operation, this.address, new NotQdrant());
    return reply.result;
  }
}

/** The path of a collection, or of something below it; names are escaped. */
export function collectionPath(name: string, below = ''): string {
  return `/collections/${encodeURIComponent(name)}${below}`;
}

/**
 * A server that answered "no" says no again; a socket that broke may work again. Refused means that nobody is there, or
 * nobody yet: a server that is starting again.
 */
function isTransient(error: Error, isPatient: boolean): boolean {
  if (error instanceof HttpError) return error.status === 502 || error.status === 503 || error.status === 429;
  const code = (error as { code?: string }).code ?? '';
  return code === 'ECONNRESET' || code === 'EPIPE' || (isPatient && code === 'ECONNREFUSED');
}

function isReady(body: unknown): body is string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function errorText(body: string): string {
  const { status } = (parsed(body) ?? {}) as { status?: { error?: string } };
  return status?.error ?? body.slice(0, 300);
}
