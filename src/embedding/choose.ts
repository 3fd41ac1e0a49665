import { ExitCode, Failure } from '../failure.js';
import { DeterministicProvider } from './deterministic.js';
import { OllamaProvider } from './ollama.js';
import { OpenAiProvider } from './openai.js';
import type { EmbeddingProvider } from './provider.js';
import { VOYAGE_SIZES, VoyageProvider } from './voyage.js';

/** What is set about providers. */
export interface ProviderConfig {
  readonly provider: 'auto' | 'voyage' | 'openai' | 'ollama' | 'local' | 'placeholder';
  readonly openai: {
    readonly model: string;
    readonly apiKey: string | null;
    readonly baseUrl: string | null;
  };
  readonly voyage: { readonly model: string; readonly apiKey: string | null };
  readonly ollama: {
    readonly baseUrl: string | null;
    readonly model: string | null;
    readonly timeoutMs: number;
    readonly retries: number;
  };
}

/** As AutoMem has them (embedding/provider_init.py). */
const OLLAMA_URL = 'http://localhost:11434';
const OLLAMA_MODEL = 'nomic-embed-text';

/**
 * The provider that AutoMem itself would use with these settings, so that new vectors lie in the space of the old ones.
 * `auto` takes the first that is set up: Voyage, OpenAI, Ollama.
 *
 * AutoMem then goes on to a model inside its own process, and from there to placeholders. The first is out of reach from
 * here, and the second no embedding at all: both end in a Failure.
 *
 * @param size components of the collection.
 * @param options `deterministic` takes the provider without a model, for drills and tests, whatever is set.
 * @throws Failure with exit code 2.
 */
export function chooseProvider(
  config: ProviderConfig,
  size: number,
  options: { deterministic?: boolean } = {},
): EmbeddingProvider {
  if (options.deterministic === true) return new DeterministicProvider(size);
  switch (config.provider) {
    case 'auto':
      return firstSetUp(config, size);
    case 'voyage':
      return voyage(config, size) ?? fail(...missingKey('voyage', 'VOYAGE_API_KEY'));
    case 'openai':
      return openai(config, size) ?? fail(...missingKey('openai', 'OPENAI_API_KEY'));
    case 'ollama':
      return ollama(config);
    case 'local':
      return fail(
        'EMBEDDING_PROVIDER=local',
        'the local model runs inside AutoMem, where Lifeboat cannot reach it',
        `Let AutoMem make the vectors (\`--via-api\`): those of another model would not match the old ones.`,
        'provider-local',
      );
    case 'placeholder':
      return fail(
        'EMBEDDING_PROVIDER=placeholder',
        'placeholders are made of chance: no search finds a memory by them',
        'Set EMBEDDING_PROVIDER and the key of a real provider: voyage, openai or ollama.',
        'provider-placeholder',
      );
  }
}

function firstSetUp(config: ProviderConfig, size: number): EmbeddingProvider {
  // With a size that it cannot give, AutoMem passes Voyage over, too.
  const fitting = VOYAGE_SIZES.includes(size) ? voyage(config, size) : null;
  const found = fitting ?? openai(config, size);
  if (found !== null) return found;
  if (config.ollama.baseUrl !== null || config.ollama.model !== null) return ollama(config);
  const passedOver =
    config.voyage.apiKey === null ? '' : ` (Voyage cannot give the ${size} components of the collection)`;
  return fail(
    'EMBEDDING_PROVIDER=auto',
    `no embedding provider is set up${passedOver}, so AutoMem uses its local model, which Lifeboat cannot reach`,
    'Set VOYAGE_API_KEY, OPENAI_API_KEY or OLLAMA_BASE_URL as in AutoMem; without any, let AutoMem do it (`--via-api`).',
    'provider-missing',
  );
}

function voyage({ voyage: { apiKey, model } }: ProviderConfig, size: number): EmbeddingProvider | null {
  if (apiKey === null) return null;
  if (VOYAGE_SIZES.includes(size)) return new VoyageProvider({ apiKey, model, size });
  return fail(
    'EMBEDDING_PROVIDER=voyage',
    `Voyage gives ${VOYAGE_SIZES.join(', ')} components, and the collection has ${size}`,
    'Set the provider that made the vectors of this collection.',
    'provider-size',
  );
}

function openai(
  { openai: { apiKey, model, baseUrl } }: ProviderConfig,
  size: number,
): EmbeddingProvider | null {
  return apiKey === null ? null : new OpenAiProvider({ apiKey, model, baseUrl, size });
}

function ollama({ ollama: { baseUrl, model, timeoutMs, retries } }: ProviderConfig): EmbeddingProvider {
  return new OllamaProvider({
    baseUrl: baseUrl ?? OLLAMA_URL,
    model: model ?? OLLAMA_MODEL,
    timeoutMs,
    retries,
  });
}

function missingKey(name: string, variable: string): [string, string, string, string] {
  return [
    `EMBEDDING_PROVIDER=${name}`,
    `${variable} is not set`,
    `Set ${variable}, or let AutoMem make the vectors (\`--via-api\`).`,
    'provider-missing',
  ];
}

function fail(subject: string, reason: string, hint: string, code: string): never {
  const operation = 'choose an embedding provider';
  throw new Failure({ operation, subject, reason, hint, exitCode: ExitCode.usage, code });
}
