import { vectorsByIndex } from './answer.js';
import { postJson, type Endpoint } from './http.js';
import type { EmbeddedBatch, EmbeddingProvider } from './provider.js';

const OPENAI = 'https://api.openai.com/v1';
/** Components that the small model can give at most. */
const SMALL_MODEL_SIZE = 1536;
const SMALL = 'text-embedding-3-small';
const LARGE = 'text-embedding-3-large';

export interface OpenAiOptions {
  readonly apiKey: string;
  readonly model: string;
  /** Null for OpenAI's own. */
  readonly baseUrl: string | null;
  /** Components that are needed. */
  readonly size: number;
  readonly timeoutMs?: number;
}

/**
 * OpenAI and what speaks like it. As AutoMem does (embedding/openai.py, provider_init.py): the number of components is
 * only asked for at OpenAI's own address, as others do not know the parameter, and where the small model cannot give so
 * many, the large one is taken, also behind a prefix such as "openai/".
 */
export class OpenAiProvider implements EmbeddingProvider {
  readonly name: string;
  readonly model: string;
  readonly size: number | null;
  /** AutoMem's texts have up to 2,000 characters: 128 of them stay well below 300,000 tokens, OpenAI's limit. */
  readonly batchSize = 128;
  readonly concurrency = 4;
  readonly #endpoint: Endpoint;

  constructor({ apiKey, model, baseUrl, size, timeoutMs = 60_000 }: OpenAiOptions) {
    const isOpenAi = baseUrl === null || baseUrl.includes('api.openai.com');
    this.name = isOpenAi ? 'openai' : 'openai-compatible';
    this.model =
      size > SMALL_MODEL_SIZE && model.endsWith(SMALL) ? model.slice(0, -SMALL.length) + LARGE : model;
    this.size = isOpenAi ? size : null;
    this.#endpoint = {
      url: `${(baseUrl ?? OPENAI).replace(/\/+$/, '')}/embeddings`,
      apiKey,
      timeoutMs,
      hints: {
        credentials: 'Check OPENAI_API_KEY.',
        address: 'Check OPENAI_BASE_URL and the network.',
        model: 'Check EMBEDDING_MODEL and OPENAI_BASE_URL.',
        timeout: 'Check the network and the load of the provider, then run the command again.',
      },
    };
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedBatch> {
    const body = {
      input: texts,
      model: this.model,
      ...(this.size === null ? {} : { dimensions: this.size }),
    };
    return vectorsByIndex(await postJson(this.#endpoint, body, signal), texts.length);
  }
}
