import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deterministicVector } from '../../src/memory/deterministic-vector.js';
import { parseJson, printPythonJson } from '../../src/memory/json.js';
import type { ValueMap } from '../../src/memory/values.js';
import { GRAPH, type Lab } from './lab.js';

/** AutoMem's `/health`, `/admin/sync` and `/admin/reembed`, which really read the graph and write into Qdrant. */
export interface AutomemService {
  /** The settings by which Lifeboat finds it. */
  readonly env: Record<string, string>;
  /** Method and path of each call that had its tokens. */
  readonly calls: string[];
  /** Rows that the graph server gives AutoMem at most: what it does not see, it does not embed. */
  cap: number;
  /** The next call that embeds writes its points, and its connection breaks before the answer. */
  breaksNext: boolean;
  stop(): Promise<void>;
}

const TOKENS = { AUTOMEM_API_TOKEN: 'api-geheim', ADMIN_API_TOKEN: 'admin-geheim' };

/** The only fields that AutoMem writes here (api/admin.py): what else a payload held is lost. */
const BASE_FIELDS = [
  'content',
  'tags',
  'importance',
  'timestamp',
  'type',
  'confidence',
  'updated_at',
  'last_accessed',
] as const;

export async function startAutomem(lab: Lab, dim = 8): Promise<AutomemService> {
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      if (service.breaksNext && request.method === 'POST' && !JSON.stringify(body).includes('dry_run')) {
        service.breaksNext = false;
        return void response.destroy();
      }
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  });
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const body = await bodyOf(request);
    const path = request.url ?? '';
    const dimensions = { configured: 1024, effective: dim, collection: null, mismatch: false };
    if (path === '/health')
      return { status: 200, body: { status: 'degraded', vector_dimensions: dimensions } };
    if (request.headers['x-admin-token'] !== TOKENS.ADMIN_API_TOKEN)
      return { status: 401, body: { status: 'error', message: 'Invalid admin token' } };
    service.calls.push(`${request.method ?? ''} ${path}${body.dry_run === true ? ' dry' : ''}`);
    const eligible = await seen();
    if (path === '/admin/reembed') {
      await write(eligible);
      return {
        status: 200,
        body: { status: 'complete', processed: eligible.length, failed: 0, total: eligible.length },
      };
    }
    const there = await existing();
    const missing = eligible.filter(({ id }) => !there.has(id as string));
    if (body.dry_run === true)
      return { status: 200, body: { status: 'dry_run', missing_count: missing.length } };
    await write(missing);
    return { status: 200, body: { status: 'complete', synced: missing.length, failed: 0 } };
  };
  const seen = async (): Promise<ValueMap[]> => {
    const { nodes } = await lab.contents();
    return nodes
      .filter(({ labels, properties }) => labels.includes('Memory') && properties['type'] !== 'MetaPattern')
      .map(({ properties }) => properties)
      .filter(({ content }) => typeof content === 'string' && content.trim() !== '')
      .slice(0, service.cap);
  };
  const existing = async (): Promise<Set<string>> => {
    const list = parseJson(await lab.points()) as unknown as { id: string }[];
    return new Set(list.map(({ id }) => id));
  };
  const write = async (memories: readonly ValueMap[]): Promise<void> => {
    const list = memories.map((properties) => {
      const vector = JSON.stringify(deterministicVector(properties['content'] as string, dim));
      return `{"id":${JSON.stringify(properties['id'])},"vector":${vector},"payload":${printPythonJson(basePayload(properties))}}`;
    });
    if (list.length > 0)
      await lab.qdrant('PUT', `/collections/${GRAPH}/points?wait=true`, `{"points":[${list.join(',')}]}`);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const service: AutomemService = {
    env: { ...TOKENS, AUTOMEM_API_URL: `http://127.0.0.1:${port}` },
    calls: [],
    cap: Infinity,
    breaksNext: false,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return service;
}

function basePayload(properties: ValueMap): ValueMap {
  const metadata = properties['metadata'];
  const payload: ValueMap = { metadata: typeof metadata === 'string' ? parseJson(metadata) : {} };
  for (const field of BASE_FIELDS) payload[field] = properties[field] ?? null;
  return payload;
}

async function bodyOf(request: IncomingMessage): Promise<{ dry_run?: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as { dry_run?: boolean });
}
