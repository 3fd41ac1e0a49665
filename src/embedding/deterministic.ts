import { deterministicVector } from '../memory/deterministic-vector.js';
import type { EmbeddedBatch, EmbeddingProvider } from './provider.js';

/**
 * Vectors from words, without a model: for drills and tests, and only where it is asked for by name. Its vectors mean
 * nothing to a real model, so a collection that a service searches must never get them.
 */
export class DeterministicProvider implements EmbeddingProvider {
  readonly name = 'deterministic';
  readonly model = 'words';
  readonly batchSize = 256;
  readonly concurrency = 1;

  constructor(readonly size: number) {}

  embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedBatch> {
    signal.throwIfAborted();
    return Promise.resolve({ vectors: texts.map((text) => deterministicVector(text, this.size)), tokens: 0 });
  }
}
