import type { EmbeddingProvider } from './provider.js';

/** UTF-8 bytes of a token, about. */
const BYTES_PER_TOKEN = 4;

/**
 * About how many tokens some texts are. OpenAI's rule is four characters of English for a token ("What are tokens and how
 * to count them?"). Bytes instead of characters carry it over to other scripts, where a character is more of a token:
 * tokenizers of this kind work on bytes.
 */
export function estimateTokens(texts: Iterable<string>): number {
  let tokens = 0;
  for (const text of texts) tokens += Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
  return tokens;
}

/**
 * Seconds that one call takes, by provider, before one was measured: assumptions on the careful side, for texts of a few
 * hundred characters. A hosted model answers a full batch within about a second; Ollama on a processor without a graphics
 * card does some twenty texts a second.
 */
const SECONDS_PER_CALL: Readonly<Record<string, number>> = {
  voyage: 1.5,
  openai: 1.5,
  'openai-compatible': 3,
  ollama: 1.6,
  deterministic: 0.03,
};
const UNKNOWN_SECONDS_PER_CALL = 3;

/**
 * About how long embedding takes, in seconds: by the measured time of a batch where there is one, otherwise by a default
 * rate of the provider. Rate limits of the account are not in it.
 *
 * @param measured one call: how many texts it had, and how long it took.
 */
export function estimateSeconds(
  texts: number,
  provider: Pick<EmbeddingProvider, 'name' | 'batchSize' | 'concurrency'>,
  measured?: { readonly texts: number; readonly seconds: number },
): number {
  const perText =
    measured !== undefined && measured.texts > 0
      ? measured.seconds / measured.texts
      : (SECONDS_PER_CALL[provider.name] ?? UNKNOWN_SECONDS_PER_CALL) / provider.batchSize;
  // Calls run side by side only as far as there are batches for it.
  const atATime = Math.max(1, Math.min(provider.concurrency, Math.ceil(texts / provider.batchSize)));
  return (texts * perText) / atATime;
}
