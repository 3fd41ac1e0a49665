import { setTimeout as delay } from 'node:timers/promises';
import type { Failure } from '../failure.js';
import { checkVectors } from './answer.js';
import type { EmbeddedBatch, EmbeddingProvider } from './provider.js';
import { ProviderError, providerFailure, type Trouble } from './provider-error.js';

/** Time, so that a test need not wait for it. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Patience {
  /** How long a batch may fail in a row, in milliseconds; five minutes unless told. */
  readonly patienceMs?: number;
  /** Is told in one line whenever there is something to wait for. */
  readonly notice?: (text: string) => void;
  readonly clock?: Clock;
}

/** How long a batch has failed. Its parts share it, so that splitting does not begin the wait anew. */
export class Failing {
  /** The clock at the first failure in a row. */
  since: number | null = null;
  readonly tries = new Map<Trouble, number>();

  over(): void {
    this.since = null;
    this.tries.clear();
  }
}

const FIVE_MINUTES = 300_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** Tries after the first, where the answer would be the same again; otherwise patience is the only limit. */
const MORE_TRIES: Partial<Record<Trouble, number>> = {
  credentials: 0,
  setup: 0,
  quota: 0,
  size: 0,
  malformed: 1,
  unreachable: 3,
};

/** Asks a provider and keeps asking as long as that may help; a "too many requests" holds back all calls at once. */
export class PatientCaller {
  readonly #patienceMs: number;
  readonly #notice: (text: string) => void;
  readonly #clock: Clock;
  #pausedUntil = 0;

  /** @param size components that the vectors must have; null takes any. */
  constructor(
    readonly provider: EmbeddingProvider,
    readonly size: number | null,
    { patienceMs = FIVE_MINUTES, notice = () => undefined, clock = realClock }: Patience = {},
  ) {
    this.#patienceMs = patienceMs;
    this.#notice = notice;
    this.#clock = clock;
  }

  /**
   * The checked vectors of some texts, in their order.
   *
   * @throws ProviderError "refused", "too-big" or, for more than one text, "timeout": fewer texts, or the others without
   *   one of them, may go through; Failure where nothing helps; the signal's reason once it is aborted.
   */
  async call(texts: readonly string[], signal: AbortSignal, failing = new Failing()): Promise<EmbeddedBatch> {
    for (;;) {
      await this.#pause(signal);
      try {
        const batch = await this.provider.embed(texts, signal);
        checkVectors(batch.vectors, texts.length, this.size);
        failing.over();
        return batch;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ProviderError)) throw error;
        if (error.trouble === 'refused' || error.trouble === 'too-big') {
          // A "no" is an answer: the provider is there.
          failing.over();
          throw error;
        }
        failing.since ??= this.#clock.now();
        if (error.trouble === 'timeout' && texts.length > 1 && !this.#isOver(failing, 0)) throw error;
        await this.#wait(error, failing, signal);
      }
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (let left; (left = this.#pausedUntil - this.#clock.now()) > 0;) await this.#clock.sleep(left, signal);
  }

  async #wait(error: ProviderError, failing: Failing, signal: AbortSignal): Promise<void> {
    const { trouble, retryAfterMs } = error;
    const tries = failing.tries.get(trouble) ?? 0;
    failing.tries.set(trouble, tries + 1);
    if (tries >= (MORE_TRIES[trouble] ?? Infinity)) throw this.#givenUp(error, tries);
    // An asked-for wait of nothing would be a loop without a pause.
    const asked = retryAfterMs === null || retryAfterMs === 0 ? null : retryAfterMs;
    const wait = asked ?? Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries);
    if (this.#isOver(failing, wait)) throw this.#outOfPatience(error, asked);
    if (trouble !== 'busy') {
      this.#notice(`${this.provider.name} failed: ${error.message}; trying again in ${seconds(wait)}`);
      return this.#clock.sleep(wait, signal);
    }
    const until = this.#clock.now() + wait;
    if (until <= this.#pausedUntil) return;
    // Said once, not by every call that is under way.
    const isNew = this.#pausedUntil <= this.#clock.now();
    this.#pausedUntil = until;
    const who = asked === null ? 'is busy; waiting' : 'asks to wait';
    if (isNew) this.#notice(`${this.provider.name} ${who} ${seconds(wait)} (${error.message})`);
  }

  #isOver({ since }: Failing, wait: number): boolean {
    return since !== null && this.#clock.now() + wait - since > this.#patienceMs;
  }

  #givenUp(error: ProviderError, tries: number): Failure {
    return providerFailure(this.provider, error, tries === 0 ? '' : `, ${tries + 1} times in a row`);
  }

  #outOfPatience(error: ProviderError, asked: number | null): Failure {
    const limit = seconds(this.#patienceMs);
    const addition =
      asked !== null && asked > this.#patienceMs
        ? `; it asks to wait ${seconds(asked)}, longer than the ${limit} that Lifeboat waits`
        : `, again and again for ${limit}`;
    return providerFailure(this.provider, error, addition);
  }
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}

const realClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
