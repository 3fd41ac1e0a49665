/** The vectors of some texts. */
export interface EmbeddedBatch {
  /** One for each text, in the order of the texts. */
  vectors: number[][];
  /** What the provider will charge for; null where it does not say. */
  tokens: number | null;
}

/**
 * Something that turns texts into vectors. A provider asks once and says what went wrong; patience, checks of the
 * vectors and batches are the matter of `embedAll` and `PatientCaller`.
 */
export interface EmbeddingProvider {
  /** As in EMBEDDING_PROVIDER: "openai". */
  readonly name: string;
  readonly model: string;
  /** Components it will give, null if only a call tells. */
  readonly size: number | null;
  /** Texts that one call takes. */
  readonly batchSize: number;
  /** Calls that may be under way at a time. */
  readonly concurrency: number;

  /**
   * @param texts at most `batchSize`, none of them empty.
   * @throws ProviderError; the signal's reason once it is aborted.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedBatch>;
}
