import { afterEach, describe, expect, it } from 'vitest';
import { chooseProvider, type ProviderConfig } from '../../src/embedding/choose.js';
import { estimateSeconds, estimateTokens } from '../../src/embedding/estimate.js';
import { OllamaProvider } from '../../src/embedding/ollama.js';
import { OpenAiProvider } from '../../src/embedding/openai.js';
import { ProviderError } from '../../src/embedding/provider-error.js';
import { retryAfterMs } from '../../src/embedding/retry-after.js';
import { VoyageProvider } from '../../src/embedding/voyage.js';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { startPeer, type HttpPeer, type PeerReply, type PeerRequest } from './http-peer.js';
import { factsOf, itemsOf, ok, refusal, run, SIZE } from './lab.js';

const CONFIG: ProviderConfig = {
  provider: 'auto',
  openai: { model: 'text-embedding-3-small', apiKey: null, baseUrl: null },
  voyage: { model: 'voyage-4', apiKey: null },
  ollama: { baseUrl: null, model: null, timeoutMs: 30_000, retries: 2 },
};
const VOYAGE = { ...CONFIG.voyage, apiKey: 'v' };
const OPENAI = { ...CONFIG.openai, apiKey: 'o' };
const OLLAMA = { ...CONFIG.ollama, model: 'bge-m3' };
const forever = new AbortController().signal;

let peer: HttpPeer | null = null;
const answering = async (answer: (request: PeerRequest, index: number) => PeerReply): Promise<HttpPeer> =>
  (peer = await startPeer(answer));

afterEach(async () => {
  await peer?.stop();
  peer = null;
});

describe('chooseProvider', () => {
  const chosen = (config: Partial<ProviderConfig>, size = 1024): string => {
    const { name, model } = chooseProvider({ ...CONFIG, ...config }, size);
    return `${name} ${model}`;
  };
  const refused = (config: Partial<ProviderConfig>, size = 1024): ReturnType<typeof factsOf> => {
    try {
      chooseProvider({ ...CONFIG, ...config }, size);
    } catch (error) {
      return factsOf(error);
    }
    throw new Error('a provider was chosen');
  };

  it("follows AutoMem's order where it is left to it", () => {
    expect(chosen({ voyage: VOYAGE, openai: OPENAI, ollama: OLLAMA })).toBe('voyage voyage-4');
    expect(chosen({ openai: OPENAI, ollama: OLLAMA })).toBe('openai text-embedding-3-small');
    expect(chosen({ ollama: OLLAMA })).toBe('ollama bge-m3');
    expect(chosen({ ollama: { ...CONFIG.ollama, baseUrl: 'http://gpu:11434' } })).toBe(
      'ollama nomic-embed-text',
    );
  });

  it('passes Voyage over for a size that it cannot give, as AutoMem does, unless it is asked for by name', () => {
    expect(chosen({ voyage: VOYAGE, openai: OPENAI }, 768)).toBe('openai text-embedding-3-small');
    expect(refused({ voyage: VOYAGE }, 768).text).toContain('Voyage cannot give the 768 components');
    expect(refused({ provider: 'voyage', voyage: VOYAGE }, 768)).toMatchObject({
      code: 'provider-size',
      exitCode: 2,
    });
  });

  it('takes the large model where the small one cannot give so many components', () => {
    expect(chosen({ openai: OPENAI }, 1536)).toBe('openai text-embedding-3-small');
    expect(chosen({ openai: OPENAI }, 3072)).toBe('openai text-embedding-3-large');
    const gateway = { ...OPENAI, model: 'openai/text-embedding-3-small', baseUrl: 'https://gateway.test/v1' };
    expect(chosen({ openai: gateway }, 3072)).toBe('openai-compatible openai/text-embedding-3-large');
  });

  it('says what to do where there is none that it can use', () => {
    expect(refused({})).toMatchObject({ exitCode: 2, code: 'provider-missing' });
    expect(refused({}).hint).toMatch(/VOYAGE_API_KEY.*--via-api/);
    expect(refused({ provider: 'local' }).hint).toContain('--via-api');
    expect(refused({ provider: 'openai' }).text).toContain('OPENAI_API_KEY is not set');
    expect(refused({ provider: 'voyage', openai: OPENAI }).text).toContain('VOYAGE_API_KEY is not set');
  });

  it('never makes placeholders, and vectors without a model only where they are asked for', () => {
    expect(refused({ provider: 'placeholder', openai: OPENAI })).toMatchObject({
      code: 'provider-placeholder',
    });
    expect(chooseProvider(CONFIG, 7, { deterministic: true })).toMatchObject({
      name: 'deterministic',
      size: 7,
    });
  });
});

describe('OpenAiProvider', () => {
  it("asks for a number of components only at OpenAI's own address", async () => {
    const { url } = await answering(ok);
    const own = new OpenAiProvider({
      apiKey: 'k',
      model: 'm',
      baseUrl: `${url}/api.openai.com/v1/`,
      size: SIZE,
    });
    const other = new OpenAiProvider({ apiKey: 'k', model: 'm', baseUrl: `${url}/v1`, size: SIZE });
    await own.embed(['a', 'b'], forever);
    await other.embed(['a'], forever);
    expect(peer?.requests).toMatchObject([
      { path: '/api.openai.com/v1/embeddings', body: { input: ['a', 'b'], model: 'm', dimensions: SIZE } },
      { path: '/v1/embeddings' },
    ]);
    expect(peer?.requests[1]?.body).not.toHaveProperty('dimensions');
    expect([own.size, other.size]).toEqual([SIZE, null]);
  });
});

describe('VoyageProvider', () => {
  it('asks with a number of components and no input type, and follows the index', async () => {
    const { url } = await answering(ok);
    const provider = new VoyageProvider({ apiKey: 'k', model: 'voyage-4', size: 256, baseUrl: url });
    const { vectors, tokens } = await provider.embed(['one', 'two'], forever);
    expect(vectors).toEqual([deterministicVector('one', SIZE), deterministicVector('two', SIZE)]);
    expect(tokens).toBe(6);
    expect(peer?.requests[0]?.body).toEqual({
      input: ['one', 'two'],
      model: 'voyage-4',
      output_dimension: 256,
    });
  });
});

describe('OllamaProvider', () => {
  const at = (url: string, changes: { timeoutMs?: number; retries?: number } = {}): OllamaProvider =>
    new OllamaProvider({ baseUrl: url, model: 'nomic', timeoutMs: 2_000, retries: 2, ...changes });
  const vectorFor = ({ body }: PeerRequest): PeerReply => ({
    json: { embedding: deterministicVector((body as { prompt: string }).prompt, SIZE) },
  });

  it('asks for one text at a time, again where a call fails, with user and password of the address', async () => {
    const { url } = await answering((request, index) =>
      index === 1 ? refusal(503, 'loading') : vectorFor(request),
    );
    const address = url.replace('http://', 'http://me:s%40crt@');
    const { vectors } = await at(address).embed(['one', 'two'], forever);
    expect(vectors).toEqual([deterministicVector('one', SIZE), deterministicVector('two', SIZE)]);
    expect(peer?.requests.map(({ path, body }) => [path, body])).toEqual([
      ['/api/embeddings', { model: 'nomic', prompt: 'one' }],
      ['/api/embeddings', { model: 'nomic', prompt: 'two' }],
      ['/api/embeddings', { model: 'nomic', prompt: 'two' }],
    ]);
    expect(peer?.requests[0]?.headers.authorization).toBe(`Basic ${btoa('me:s@crt')}`);
  });

  it('names its own time limit after its retries', async () => {
    const { url } = await answering(() => 'hang');
    const call = at(url, { timeoutMs: 250, retries: 1 }).embed(['one'], forever);
    await expect(call).rejects.toMatchObject({
      trouble: 'timeout',
      message: 'no answer within 0.25 s',
      hint: 'Raise OLLAMA_TIMEOUT, or look at the load of Ollama.',
    });
    expect(peer?.requests).toHaveLength(2);
  });

  it('says how to get a model that is not there', async () => {
    const { url } = await answering(() => ({ status: 404, json: { error: 'model "nomic" not found' } }));
    const call = at(url).embed(['one'], forever);
    await expect(call).rejects.toBeInstanceOf(ProviderError);
    await expect(call).rejects.toMatchObject({
      trouble: 'setup',
      hint: expect.stringContaining('ollama pull nomic') as string,
    });
  });

  it('leaves out the text that it says HTTP 500 about', async () => {
    const { url } = await answering((request) =>
      (request.body as { prompt: string }).prompt.endsWith('1')
        ? { status: 500, json: { error: 'the input length exceeds the context length' } }
        : vectorFor(request),
    );
    const { vectors, failed } = await run(at(url), itemsOf(3));
    expect([...vectors.keys()]).toEqual(['id-0', 'id-2']);
    expect(failed.get('id-1')).toContain('exceeds the context length');
  });
});

describe('retryAfterMs', () => {
  const of = (headers: Record<string, string>): number | null =>
    retryAfterMs(new Headers(headers), Date.parse('2026-11-02T10:00:00Z'));

  it('reads seconds, milliseconds and dates, and nothing else', () => {
    expect(of({ 'retry-after': '30' })).toBe(30_000);
    expect(of({ 'retry-after': '30', 'retry-after-ms': '1500' })).toBe(1_500);
    expect(of({ 'retry-after': 'Mon, 02 Nov 2026 10:00:45 GMT' })).toBe(45_000);
    expect(of({ 'retry-after': 'Mon, 02 Nov 2026 09:00:00 GMT' })).toBe(0);
    expect(of({ 'retry-after': 'soon' })).toBeNull();
    expect(of({})).toBeNull();
  });
});

describe('estimates', () => {
  it('count a token for four bytes, so that other scripts are not taken for short', () => {
    expect(estimateTokens(['four'.repeat(100)])).toBe(100);
    expect(estimateTokens(['記憶'.repeat(100)])).toBe(150);
    expect(estimateTokens([])).toBe(0);
  });

  it('go by what was measured, and by no more calls at a time than there are batches', () => {
    const provider = { name: 'openai', batchSize: 100, concurrency: 4 };
    expect(estimateSeconds(1_000, provider, { texts: 100, seconds: 2 })).toBe(5);
    expect(estimateSeconds(100, provider, { texts: 100, seconds: 2 })).toBe(2);
    expect(estimateSeconds(0, provider)).toBe(0);
    expect(estimateSeconds(10_000, { ...provider, name: 'ollama' })).toBeGreaterThan(0);
  });
});
