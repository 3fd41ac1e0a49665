import { ExitCode, Failure } from '../failure.js';
import type { EmbeddingProvider } from './provider.js';

const UNAVAILABLE = { exitCode: ExitCode.unreachable, code: 'provider-unavailable' } as const;
const REFUSED = { exitCode: ExitCode.usage, code: 'provider-refused' } as const;

/** What can go wrong with a call, by what there is to do about it, and how a command ends if nothing helps. */
const TROUBLES = {
  /** The key is missing, wrong or not allowed. */
  credentials: { exitCode: ExitCode.usage, code: 'provider-credentials' },
  /** No such model, no such address, a certificate that is not trusted. */
  setup: { exitCode: ExitCode.usage, code: 'provider-setup' },
  /** The account is used up: waiting does not help. */
  quota: { exitCode: ExitCode.unreachable, code: 'provider-quota' },
  /** Too many requests: waiting helps. */
  busy: UNAVAILABLE,
  /** The provider failed, or the connection broke. */
  server: UNAVAILABLE,
  timeout: UNAVAILABLE,
  /** Nobody is there. */
  unreachable: UNAVAILABLE,
  /** The request is not to its liking; a text may be the reason. */
  refused: REFUSED,
  /** The request is too big as a whole. */
  'too-big': REFUSED,
  /** An answer that cannot be used: vectors missing, twice, or not made of numbers. */
  malformed: { exitCode: ExitCode.failed, code: 'provider-answer' },
  /** Vectors of another size than the collection's. */
  size: { exitCode: ExitCode.usage, code: 'provider-size' },
} as const;

export type Trouble = keyof typeof TROUBLES;

export interface ProviderErrorFacts {
  trouble: Trouble;
  /** In plain words, without secrets; follows on the name of the provider. */
  reason: string;
  hint: string;
  /** How long the provider asks to wait; null where it does not say. */
  retryAfterMs?: number | null;
  /** Whether the provider says that it is a text that it does not take. */
  aboutText?: boolean;
}

/** One call of a provider failed. What to do about it is decided by who asked. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly trouble: Trouble;
  readonly hint: string;
  readonly retryAfterMs: number | null;
  readonly aboutText: boolean;

  constructor(facts: ProviderErrorFacts, options?: { cause?: unknown }) {
    super(facts.reason, options);
    this.trouble = facts.trouble;
    this.hint = facts.hint;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.aboutText = facts.aboutText ?? false;
  }
}

/** What a command says when a call failed for good. */
export function providerFailure(
  provider: Pick<EmbeddingProvider, 'name' | 'model'>,
  error: ProviderError,
  addition = '',
): Failure {
  return new Failure(
    {
      operation: 'make embeddings',
      subject: `${provider.name}, model ${provider.model}`,
      reason: `${error.message}${addition}`,
      hint: error.hint,
      ...TROUBLES[error.trouble],
    },
    { cause: error },
  );
}
