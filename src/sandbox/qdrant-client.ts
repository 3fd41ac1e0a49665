import { QdrantClient } from '@qdrant/js-client-rest';
import { Pool } from 'undici';
import type { Failure } from '../failure.js';
import { HttpError, vectorFailure } from '../stores/vectors/vector-failure.js';
import type { StoreAddresses } from './addresses.js';

/** Milliseconds that a request of the sandbox may take. */
const QDRANT_TIMEOUT_MS = 120_000;

/** Qdrant's own client for an address that stands as AutoMem has it. */
export function qdrantClient(target: StoreAddresses['vectors']): QdrantClient {
  const url = new URL(target.url);
  const prefix = url.pathname.replace(/\/$/, '');
  return new QdrantClient({
    url: url.origin,
    // The client would add Qdrant's own port where a URL has none.
    port: url.port === '' ? null : Number(url.port),
    ...(prefix === '' ? {} : { prefix }),
    // As a header: given as apiKey, the client warns on the console about plain HTTP.
    headers: target.apiKey === undefined ? {} : { 'api-key': target.apiKey },
    timeout: QDRANT_TIMEOUT_MS,
    checkCompatibility: false,
  });
}

/**
 * Requests to one collection as plain HTTP, over one connection that is kept: faster than the packaged client, and with
 * every number as it is written, which the client's own JSON would round or turn from 1.0 into 1.
 */
export class QdrantWire {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Record<string, string>;

  constructor({ url, collection, apiKey }: StoreAddresses['vectors']) {
    const { origin, pathname } = new URL(url);
    this.#path = `${pathname.replace(/\/$/, '')}/collections/${encodeURIComponent(collection)}`;
    const timeouts = { headersTimeout: QDRANT_TIMEOUT_MS, bodyTimeout: QDRANT_TIMEOUT_MS };
    this.#pool = new Pool(origin, { connections: 1, ...timeouts });
    const key = apiKey === undefined ? {} : { 'api-key': apiKey };
    this.#headers = { 'content-type': 'application/json', ...key };
  }

  /**
   * @param path below the collection, such as `/points/scroll`; empty for the collection itself.
   * @returns the text of the answer. @throws HttpError when it is no success, or what the network says.
   */
  async request(method: 'GET' | 'POST' | 'PUT', path: string, body?: string): Promise<string> {
    const reply = await this.#pool.request({
      method,
      path: `${this.#path}${path}`,
      headers: this.#headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await reply.body.text();
    if (reply.statusCode !== 200) throw new HttpError(reply.statusCode, text.slice(0, 500));
    return text;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Turns whatever the client or the network said into a Failure with cause and next step. */
export function qdrantFailure(operation: string, target: StoreAddresses['vectors'], error: unknown): Failure {
  const address = { url: target.url, apiKey: target.apiKey, timeoutMs: QDRANT_TIMEOUT_MS };
  return vectorFailure(operation, address, asHttpError(error));
}

/** The packaged client has error classes of its own, which carry the status. */
function asHttpError(error: unknown): unknown {
  const { status, data } = error as { status?: unknown; data?: unknown };
  if (!(error instanceof Error) || typeof status !== 'number') return error;
  return new HttpError(status, data === undefined ? error.message : JSON.stringify(data));
}
