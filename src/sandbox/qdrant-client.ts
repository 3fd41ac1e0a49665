import { QdrantClient } from '@qdrant/js-client-rest';
import type { Failure } from '../failure.js';
import { HttpError, vectorFailure } from '../stores/vectors/vector-failure.js';
import type { StoreAddresses } from './addresses.js';

/** Milliseconds that a request of the sandbox may take. */
export const QDRANT_TIMEOUT_MS = 120_000;

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
