import http from 'node:http';
import https from 'node:https';
import type { VectorAddress } from './vector-failure.js';

const CONNECTIONS = 4;
const MAX_CONNECT_MS = 5_000;

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

  /** Sends a request and reads the whole answer. Rejects with the socket's error, or with ETIMEDOUT. */
  async request(
    method: 'GET' | 'POST',
    path: string,
    body: string | null,
  ): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const request = this.client.request(this.base, {
      method,
      path: `${this.basePath}${path}`,
      agent: this.agent,
      headers: this.headers(body),
    });
    // The handshake gets less time than the answer: a wrong address should be known in seconds.
    request.setTimeout(Math.min(this.address.timeoutMs, MAX_CONNECT_MS), () => {
      request.destroy(timedOut());
    });
    request.on('socket', (socket) => {
      const connected = (): void => void request.setTimeout(this.address.timeoutMs);
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.complete)
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
        else reject(Object.assign(new Error('the answer was cut short'), { code: 'ECONNRESET' }));
      });
    });
    request.on('error', reject);
    request.end(body ?? undefined);
    return promise;
  }

  private headers(body: string | null): http.OutgoingHttpHeaders {
    return {
      ...(body === null
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...(this.address.apiKey === undefined ? {} : { 'api-key': this.address.apiKey }),
    };
  }
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}
