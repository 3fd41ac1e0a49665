import { asVector } from './answer.js';
import { postJson, type Endpoint } from './http.js';
import type { EmbeddedBatch, EmbeddingProvider } from './provider.js';
import { ProviderError } from './provider-error.js';

export interface OllamaOptions {
  readonly baseUrl: string;
  readonly model: string;
  /** For one text. */
  readonly timeoutMs: number;
  /** Tries after a failed call, for one text. */
  readonly retries: number;
}

/** What is worth another try at once: a model that is still being loaded often misses the first time limit. */
const TRANSIENT = new Set(['timeout', 'server', 'malformed']);

/**
 * An Ollama server, one text a call, with the call that AutoMem makes (embedding/ollama.py): the newer call for many
 * texts normalises and cuts off long texts, so its vectors need not be the same.
 */
export class OllamaProvider implements EmbeddingProvider {
  readonly name = 'ollama';
  readonly model: string;
  /** The model alone decides. */
  readonly size = null;
  /** Small: a batch that fails is embedded again from its start. */
  readonly batchSize = 16;
  /** While one text is computed the next one is on its way; more would only wait, against their time limit. */
  readonly concurrency = 2;
  readonly #endpoint: Endpoint;
  readonly #retries: number;

  constructor({ baseUrl, model, timeoutMs, retries }: OllamaOptions) {
    this.model = model;
    this.#retries = retries;
    this.#endpoint = {
      url: `${baseUrl.replace(/\/+$/, '')}/api/embeddings`,
      apiKey: null,
      timeoutMs,
      hints: {
        credentials: 'Put user and password into OLLAMA_BASE_URL.',
        address: 'Start Ollama, or check OLLAMA_BASE_URL.',
        model: `Run \`ollama pull ${model}\`, or check OLLAMA_MODEL and OLLAMA_BASE_URL.`,
        timeout: 'Raise OLLAMA_TIMEOUT, or look at the load of Ollama.',
      },
    };
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedBatch> {
    const vectors: number[][] = [];
    for (const text of texts) vectors.push(await this.#one(text, signal));
    return { vectors, tokens: null };
  }

  async #one(text: string, signal: AbortSignal): Promise<number[]> {
    for (let tries = 0; ; tries++) {
      try {
        const answer = await postJson(this.#endpoint, { model: this.model, prompt: text }, signal);
        return vectorOf(answer);
      } catch (error) {
        const again = error instanceof ProviderError && TRANSIENT.has(error.trouble);
        if (!again || tries >= this.#retries) throw error;
      }
    }
  }
}

/** `{embedding}` of Ollama, or `{data: [{embedding}]}`, which AutoMem takes, too. */
function vectorOf(answer: unknown): number[] {
  const { embedding, data } = (answer ?? {}) as { embedding?: unknown; data?: { embedding?: unknown }[] };
  return asVector(embedding ?? data?.[0]?.embedding);
}
