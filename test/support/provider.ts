import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';

/** What a provider does with one call instead of answering it well. */
export type ProviderFault =
  /** Refuses with a status, such as 401, 429 or 500. */
  | { status: number; message?: string; headers?: Record<string, string> }
  /** Breaks the connection before the answer. */
  | 'cut'
  /** Answers with one vector too few. */
  | 'short'
  /** Answers without saying which vector belongs to which text. */
  | 'no-index'
  /** Puts NaN into a vector, as Python's JSON writes it. */
  | 'nan';

export interface ProviderOptions {
  /** Components of its vectors. Default: 8, as those of the lab. */
  size?: number;
  /** Its model: another name gives other vectors of the same texts. */
  model?: string;
  /** Milliseconds that each call takes. */
  delayMs?: number;
}

/** A real HTTP server that speaks OpenAI's `/embeddings` and makes the vectors of the sandbox, last text first. */
export interface TestProvider {
  /** The settings by which AutoMem and Lifeboat find it. */
  readonly env: Record<string, string>;
  /** The texts of each call that was answered well, in the order of the answers. */
  readonly answered: readonly string[][];
  /** May be changed between calls. */
  options: Required<ProviderOptions>;
  /** Asked for each call; what it gives is done instead of a good answer. */
  fault: (texts: readonly string[], call: number) => ProviderFault | null;
  /** Forgets what was answered, faults and options. */
  reset(): void;
  stop(): Promise<void>;
}

const OWN_MODEL = 'lab-words';
/** What a token is to it. */
const CHARACTERS_PER_TOKEN = 4;

export async function startProvider(options: ProviderOptions = {}): Promise<TestProvider> {
  const begun = { size: 8, model: OWN_MODEL, delayMs: 0, ...options };
  const answered: string[][] = [];
  let calls = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { input } = JSON.parse(Buffer.concat(chunks).toString()) as { input: string[] };
      void respond(input, response);
    });
  });
  const respond = async (texts: string[], response: ServerResponse): Promise<void> => {
    const fault = provider.fault(texts, calls++);
    if (provider.options.delayMs > 0) await sleep(provider.options.delayMs);
    if (fault === 'cut') return void response.destroy();
    if (fault === null) answered.push(texts);
    const { status, headers, body } = replyTo(texts, fault, provider.options);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const provider: TestProvider = {
    env: {
      EMBEDDING_PROVIDER: 'openai',
      OPENAI_API_KEY: 'sk-lab-geheim',
      OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    },
    answered,
    options: { ...begun },
    fault: () => null,
    reset() {
      answered.length = 0;
      calls = 0;
      this.options = { ...begun };
      this.fault = () => null;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}

function replyTo(
  texts: readonly string[],
  fault: Exclude<ProviderFault, 'cut'> | null,
  { size, model }: Required<ProviderOptions>,
): { status: number; headers: Record<string, string>; body: string } {
  if (typeof fault === 'object' && fault !== null) {
    const { status, message = `a fault of the lab: ${status}`, headers = {} } = fault;
    return { status, headers, body: JSON.stringify({ error: { message } }) };
  }
  const data = texts.map((text, index) => ({
    ...(fault === 'no-index' ? {} : { index }),
    embedding: deterministicVector(model === OWN_MODEL ? text : `${model} ${model}-${text.length}`, size),
  }));
  if (fault === 'short') data.pop();
  const tokens = texts.reduce((sum, text) => sum + Math.ceil(text.length / CHARACTERS_PER_TOKEN), 0);
  const body = JSON.stringify({ data: data.reverse(), usage: { total_tokens: tokens } });
  return {
    status: 200,
    headers: {},
    body: fault === 'nan' ? body.replace(/"embedding":\[[^,]+/, '"embedding":[NaN') : body,
  };
}
