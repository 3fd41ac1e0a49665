import { vectorsByIndex } from './answer.js';
import { postJson, type Endpoint } from './http.js';
import type { EmbeddedBatch, EmbeddingProvider } from './provider.js';

/** The only numbers of components that Voyage gives. */
export const VOYAGE_SIZES: readonly number[] = [256, 512, 1024, 2048];

export interface VoyageOptions {
  readonly apiKey: string;
  readonly model: string;
  /** One of {@link VOYAGE_SIZES}. */
  readonly size: number;
  readonly timeoutMs?: number;
  /** Another address than Voyage's own, up to "/embeddings": for tests. */
  readonly baseUrl?: string;
}

/** Voyage AI, asked as AutoMem asks it (embedding/voyage.py): with a number of components, without an input type. */
export class VoyageProvider implements EmbeddingProvider {
  readonly name = 'voyage';
  readonly model: string;
  readonly size: number;
  readonly batchSize = 128;
  readonly concurrency = 4;
  readonly #endpoint: Endpoint;

  constructor({ apiKey, model, size, timeoutMs = 60_000, baseUrl }: VoyageOptions) {
    this.model = model;
    this.size = size;
    this.#endpoint = {
      url: `${baseUrl ?? 'https://api.voyageai.com/v1'}/embeddings`,
      apiKey,
      timeoutMs,
      hints: {
        credentials: 'Check VOYAGE_API_KEY.',
        address: 'Check the network.',
        model: 'Check VOYAGE_MODEL.',
        timeout: 'Check the network, then run the command again.',
      },
    };
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedBatch> {
    const body = { input: texts, model: this.model, output_dimension: this.size };
    return vectorsByIndex(await postJson(this.#endpoint, body, signal), texts.length);
  }
}
