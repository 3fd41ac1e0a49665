import { providerFailure, ProviderError } from './provider-error.js';
import { Failing, PatientCaller, type Patience } from './patience.js';
import type { EmbeddingProvider } from './provider.js';

/** What became of one batch. Every item is in exactly one of the two lists. */
export interface EmbeddedItems<T> {
  items: { item: T; vector: number[] }[];
  /** The provider does not take these texts; why, in plain words. */
  failed: { item: T; reason: string }[];
  /** Null where the provider does not say. */
  tokens: number | null;
}

export interface EmbedOptions extends Patience {
  /** Components that every vector must have; null takes what the provider gives. */
  readonly size: number | null;
  readonly signal: AbortSignal;
}

/** Batches that go through in a row before a bigger one is tried: the provider may only have been slow for a while. */
const UNTIL_BIGGER = 20;

/** Any provider takes it; tells a request that is wrong as a whole from a text that is. */
const HARMLESS = 'A short text.';

/**
 * Embeds items, some batches at a time, and hands each batch on when it is done, in no set order, so that the caller can
 * write it and set a checkpoint. Waits and tries again as long as that may help (see `PatientCaller`). A batch that is
 * too big or too slow is halved, down to the one text that the provider does not take.
 *
 * Where it cannot go on, it first hands on the batches that are done, then throws. Ended early by the caller, it stops
 * the calls that are under way.
 *
 * @throws Failure: exit code 2 where key, model or size are wrong, 10 ("provider-unavailable", "provider-quota") where
 *   the provider cannot be had, 1 where its answers make no sense; the signal's reason once it is aborted; whatever the
 *   source throws.
 */
export async function* embedAll<T extends { readonly text: string }>(
  provider: EmbeddingProvider,
  source: AsyncIterable<T> | Iterable<T>,
  options: EmbedOptions,
): AsyncGenerator<EmbeddedItems<T>> {
  const stop = new AbortController();
  const embedder = new Embedder<T>(provider, options, AbortSignal.any([options.signal, stop.signal]));
  const batches = inBatches(source, () => embedder.batchSize);
  const underWay = new Set<Promise<Outcome<T>>>();
  try {
    for (let isMore = true; ;) {
      while (isMore && underWay.size < provider.concurrency) {
        isMore = await startNext(batches, embedder, underWay);
      }
      if (underWay.size === 0) return;
      const outcome = await Promise.race(underWay);
      underWay.delete(outcome.call);
      if (outcome.done !== null) yield outcome.done;
      else {
        stop.abort();
        for (const { done } of await Promise.all(underWay)) if (done !== null) yield done;
        options.signal.throwIfAborted();
        throw outcome.error;
      }
    }
  } finally {
    stop.abort();
    await Promise.all(underWay);
    await batches.return();
  }
}

/** How a call ended; the promise of it never rejects, so that none is left without a reader. */
interface Outcome<T> {
  call: Promise<Outcome<T>>;
  done: EmbeddedItems<T> | null;
  error: unknown;
}

/** @returns whether there may be more. What the source throws counts as the outcome of one more call. */
async function startNext<T extends { readonly text: string }>(
  batches: AsyncGenerator<T[], void>,
  embedder: Embedder<T>,
  underWay: Set<Promise<Outcome<T>>>,
): Promise<boolean> {
  const follow = (work: Promise<EmbeddedItems<T>>): void => {
    const call: Promise<Outcome<T>> = work.then(
      (done) => ({ call, done, error: null }),
      (error: unknown) => ({ call, done: null, error }),
    );
    underWay.add(call);
  };
  const read = batches.next();
  try {
    const next = await read;
    if (next.done === true) return false;
    follow(embedder.embed(next.value));
    return true;
  } catch {
    // It is rejected, and so is the outcome.
    follow(read.then(() => nothing()));
    return false;
  }
}

async function* inBatches<T>(
  source: AsyncIterable<T> | Iterable<T>,
  batchSize: () => number,
): AsyncGenerator<T[], void> {
  let batch: T[] = [];
  for await (const item of source) {
    batch.push(item);
    if (batch.length < batchSize()) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

class Embedder<T extends { readonly text: string }> {
  /** Texts that a batch may have: fewer when the provider shows that it cannot take so many. */
  batchSize: number;
  #wentThrough = 0;
  readonly #caller: PatientCaller;
  #hasSucceeded = false;

  constructor(
    private readonly provider: EmbeddingProvider,
    options: EmbedOptions,
    private readonly signal: AbortSignal,
  ) {
    this.batchSize = Math.max(1, provider.batchSize);
    this.#caller = new PatientCaller(provider, options.size, options);
  }

  async embed(batch: readonly T[]): Promise<EmbeddedItems<T>> {
    const blank = batch.filter(isBlank).map((item) => ({ item, reason: 'there is no text in it' }));
    const rest = await this.#part(
      batch.filter((item) => !isBlank(item)),
      new Failing(),
    );
    return { ...rest, failed: [...blank, ...rest.failed] };
  }

  async #part(part: readonly T[], failing: Failing): Promise<EmbeddedItems<T>> {
    if (part.length === 0) return nothing();
    try {
      const texts = part.map(({ text }) => text);
      const { vectors, tokens } = await this.#caller.call(texts, this.signal, failing);
      this.#succeeded();
      const items = part.map((item, index) => ({ item, vector: vectors[index] ?? [] }));
      return { items, failed: [], tokens };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const [first] = part;
      return first !== undefined && part.length === 1
        ? this.#notTaken(first, error)
        : this.#halves(part, error, failing);
    }
  }

  #succeeded(): void {
    this.#hasSucceeded = true;
    if (++this.#wentThrough % UNTIL_BIGGER === 0)
      this.batchSize = Math.min(this.batchSize * 2, Math.max(1, this.provider.batchSize));
  }

  async #halves(part: readonly T[], error: ProviderError, failing: Failing): Promise<EmbeddedItems<T>> {
    const middle = Math.ceil(part.length / 2);
    if (error.trouble !== 'refused') {
      this.batchSize = Math.min(this.batchSize, middle);
      this.#wentThrough = 0;
    }
    const a = await this.#part(part.slice(0, middle), failing);
    const b = await this.#part(part.slice(middle), failing);
    return {
      items: [...a.items, ...b.items],
      failed: [...a.failed, ...b.failed],
      tokens: a.tokens === null || b.tokens === null ? null : a.tokens + b.tokens,
    };
  }

  /** The provider refuses one text. Unless it says that the text is why, it may refuse every other as well. */
  async #notTaken(item: T, error: ProviderError): Promise<EmbeddedItems<T>> {
    if (!error.aboutText && !this.#hasSucceeded) await this.#prove(error);
    return { items: [], failed: [{ item, reason: error.message }], tokens: 0 };
  }

  async #prove(refusal: ProviderError): Promise<void> {
    try {
      await this.#caller.call([HARMLESS], this.signal);
      this.#hasSucceeded = true;
    } catch (error) {
      throw error instanceof ProviderError ? providerFailure(this.provider, refusal) : error;
    }
  }
}

function nothing<T>(): EmbeddedItems<T> {
  return { items: [], failed: [], tokens: 0 };
}

function isBlank({ text }: { readonly text: string }): boolean {
  return text.trim() === '';
}
