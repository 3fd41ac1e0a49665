import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BodyBuffer } from './body-buffer.js';
import type { VectorAddress } from './vector-failure.js';

const CONNECTIONS = 4;
const MAX_CONNECT_MS = 5_000;

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What goes into a request besides its address. */
export interface Outgoing {
  method: Method;
  path: string;
  /** Milliseconds without a sign of life; default: those of the address. */
  timeoutMs?: number | undefined;
}

/** A body that is sent while it is read. */
export interface StreamedBody {
  contentType: string;
  /** Bytes, or null where they are not known before the end. */
  length: number | null;
  content: Readable;
}

/**
 * A few kept-alive connections to one server. Node's own client rather than a library: this is the hot path of every
 * read, and loading a library for it takes longer than a small recovery.
 */
export class HttpConnections {
  private readonly agent: http.Agent | https.Agent;
  private readonly client: typeof http | typeof https;
  private readonly base: URL;
  private readonly basePath: string;

  constructor(private readonly address: VectorAddress) {
    this.base = new URL(address.url);
    this.basePath = this.base.pathname.replace(/\/$/, '');
    this.client = this.base.protocol === 'https:' ? https : http;
    this.agent = new this.client.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  }

  close(): void {
    this.agent.destroy();
  }

  /**
   * Sends a request and reads the whole answer. Rejects with the socket's error, or with ETIMEDOUT.
   *
   * @param beforeEnd asked when all but the last byte of the body is on its way, and nothing else is left to wait for: where
   * it throws, the server never gets the whole, and the request rejects with that
   * @param answer takes the body of the answer
   */
  async request(
    outgoing: Outgoing,
    body: string | Buffer | null,
    beforeEnd?: () => Promise<void>,
    answer = new BodyBuffer(),
  ): Promise<{ status: number; answer: BodyBuffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; answer: BodyBuffer }>();
    const headers =
      body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = this.start(outgoing, headers);
    request.on('response', (response) => {
      readInto(response, answer).then(() => {
        resolve({ status: response.statusCode ?? 0, answer });
      }, reject);
    });
    request.on('error', reject);
    if (beforeEnd === undefined || !Buffer.isBuffer(body)) request.end(body ?? undefined);
    else endLater(request, body, beforeEnd);
    return promise;
  }

  /**
   * Sends a request whose answer is handed over unread; the caller reads or destroys it. Rejects with the socket's error,
   * with that of the body, or with ETIMEDOUT; a body that breaks breaks the connection, so that the server cannot take
   * the part for the whole.
   */
  async open(outgoing: Outgoing, body: StreamedBody | null): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const length = body?.length ?? null;
    const request = this.start(outgoing, {
      ...(body === null ? {} : { 'content-type': body.contentType }),
      ...(length === null ? {} : { 'content-length': length }),
    });
    request.on('response', (response) => {
      // Whoever reads it listens too; without a listener, letting go of it early would end the process.
      response.on('error', () => undefined);
      resolve(response);
    });
    request.on('error', reject);
    if (body === null) request.end();
    // A server that refuses answers before the end of the body, and closes: the answer says more than the broken pipe.
    else pipeline(body.content, request).catch((error: unknown) => setImmediate(reject, error));
    return promise;
  }

  private start(outgoing: Outgoing, headers: http.OutgoingHttpHeaders): http.ClientRequest {
    const { apiKey } = this.address;
    const timeoutMs = outgoing.timeoutMs ?? this.address.timeoutMs;
    const request = this.client.request(this.base, {
      method: outgoing.method,
      path: `${this.basePath}${outgoing.path}`,
      agent: this.agent,
      headers: { ...headers, ...(apiKey === undefined ? {} : { 'api-key': apiKey }) },
    });
    // The handshake gets less time than the answer: a wrong address should be known in seconds.
    request.setTimeout(Math.min(timeoutMs, MAX_CONNECT_MS), () => {
      request.destroy(timedOut());
    });
    request.on('socket', (socket) => {
      const connected = (): void => void request.setTimeout(timeoutMs);
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    return request;
  }
}

/** Sends a body that counts only with its last byte. What goes wrong is told by the request's `error`. */
function endLater(request: http.ClientRequest, body: Buffer, beforeEnd: () => Promise<void>): void {
  request.write(body.subarray(0, -1), (broken) => {
    if (broken) return;
    beforeEnd().then(
      () => request.end(body.subarray(-1)),
      (error: unknown) => request.destroy(error as Error),
    );
  });
}

/** Reads an answer to its end. Rejects where it was cut short. */
export async function readWhole(response: http.IncomingMessage): Promise<string> {
  const answer = new BodyBuffer();
  await readInto(response, answer);
  return answer.text();
}

/** As {@link readWhole}, into a body that may have served before. */
async function readInto(response: http.IncomingMessage, answer: BodyBuffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  answer.begin(Number(response.headers['content-length'] ?? 0));
  response.on('data', (chunk: Buffer) => {
    answer.append(chunk);
  });
  response.on('error', reject);
  response.on('end', () => {
    if (response.complete) resolve(undefined);
    else reject(Object.assign(new Error('the answer was cut short'), { code: 'ECONNRESET' }));
  });
  await promise;
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}
