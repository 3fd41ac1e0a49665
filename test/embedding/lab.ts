import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { embedAll, type EmbeddedItems, type EmbedOptions } from '../../src/embedding/embed-all.js';
import { OpenAiProvider } from '../../src/embedding/openai.js';
import type { Clock } from '../../src/embedding/patience.js';
import type { EmbeddingProvider } from '../../src/embedding/provider.js';
import { Failure } from '../../src/failure.js';
import type { HttpPeer, PeerReply, PeerRequest } from './http-peer.js';

export const SIZE = 8;

export interface Item {
  id: string;
  text: string;
}

export function itemsOf(count: number): Item[] {
  return Array.from({ length: count }, (_, index) => ({ id: `id-${index}`, text: `memory number ${index}` }));
}

/** The texts of a call in OpenAI's form. */
export function textsOf({ body }: PeerRequest): string[] {
  return (body as { input: string[] }).input;
}

/** The right vectors, last text first: only the index tells which is whose. */
export function rightAnswer(request: PeerRequest): {
  data: { index: number; embedding: number[] }[];
  usage: object;
} {
  const data = textsOf(request).map((text, index) => ({ index, embedding: deterministicVector(text, SIZE) }));
  return { data: data.reverse(), usage: { total_tokens: data.length * 3 } };
}

export function ok(request: PeerRequest): PeerReply {
  return { json: rightAnswer(request) };
}

export function refusal(status: number, message: string, headers: Record<string, string> = {}): PeerReply {
  return { status, headers, json: { error: { message } } };
}

export function openaiAt(peer: HttpPeer | string, timeoutMs = 5_000): OpenAiProvider {
  const baseUrl = typeof peer === 'string' ? peer : peer.url;
  return new OpenAiProvider({ apiKey: 'sk-secret-key', model: 'm', baseUrl, size: SIZE, timeoutMs });
}

/** The same provider with batches of another size, one at a time unless told. */
export function withBatches(
  provider: EmbeddingProvider,
  batchSize: number,
  concurrency = 1,
): EmbeddingProvider {
  const { name, model, size } = provider;
  return {
    name,
    model,
    size,
    batchSize,
    concurrency,
    embed: (texts, signal) => provider.embed(texts, signal),
  };
}

/** A clock whose sleeps are over at once, and remembered. */
export class FastClock implements Clock {
  time = 0;
  readonly slept: number[] = [];

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.slept.push(ms);
    this.time += ms;
    return Promise.resolve();
  }
}

export interface Embedded {
  batches: EmbeddedItems<Item>[];
  vectors: Map<string, number[]>;
  failed: Map<string, string>;
  failure: unknown;
}

/** Runs embedAll to its end, good or bad. */
export async function run(
  provider: EmbeddingProvider,
  items: AsyncIterable<Item> | Iterable<Item>,
  options: Partial<EmbedOptions> = {},
): Promise<Embedded> {
  const result: Embedded = { batches: [], vectors: new Map(), failed: new Map(), failure: null };
  const signal = new AbortController().signal;
  try {
    for await (const batch of embedAll(provider, items, {
      size: SIZE,
      signal,
      clock: new FastClock(),
      ...options,
    })) {
      result.batches.push(batch);
      for (const { item, vector } of batch.items) result.vectors.set(item.id, vector);
      for (const { item, reason } of batch.failed) result.failed.set(item.id, reason);
    }
  } catch (error) {
    result.failure = error;
  }
  return result;
}

/** What a Failure says, for comparing; anything else is a bug and is thrown. */
export function factsOf(failure: unknown): { exitCode: number; code: string; text: string; hint: string } {
  if (!(failure instanceof Failure))
    throw failure instanceof Error ? failure : new Error('there was no failure');
  return { exitCode: failure.exitCode, code: failure.code, text: failure.message, hint: failure.hint };
}
