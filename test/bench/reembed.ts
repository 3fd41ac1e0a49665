import { createReadStream } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { Redis } from 'ioredis';
import { readVectorsFile } from '../../src/backup/files/vectors-file.js';
import { fill } from '../../src/sandbox/fill.js';
import { PAGE_ROWS } from '../../src/stores/graph/graph-store.js';
import { startEngines, type TestEngines } from '../support/engines.js';
import { startProvider, type TestProvider } from '../support/provider.js';
import { benchRounds, GRAPH, runLifeboat, say, TIMESTAMP, type Measured } from './measure.js';
import type { BenchRow } from './row.js';

const FLOOR = 'floor';
/** Bytes of one upsert: as large as pays with this server. */
const BODY_BYTES = 2 * 1024 * 1024;

/** Lost vectors, all from the backup or all embedded: the whole command against the engines' own speed, turn by turn. */
export async function benchReembed(options: {
  memories: number[];
  dim: number;
  rounds: number;
}): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const memories of options.memories)
    rows.push(...(await benchSize(memories, options.dim, options.rounds)));
  return rows;
}

async function benchSize(memories: number, dim: number, rounds: number): Promise<BenchRow[]> {
  const engines = await startEngines({ aof: true });
  const provider = await startProvider({ size: dim });
  try {
    say(`filling ${memories} memories of ${dim} dimensions`);
    const backupDir = join(engines.folder, 'backups');
    const stores = {
      graph: { ...engines.graph, name: GRAPH },
      vectors: { ...engines.vectors, collection: GRAPH },
    };
    const { files } = await fill(
      { memories, dim, seed: 1, backupDir, timestamp: TIMESTAMP, force: false },
      stores,
    );
    const withProvider = { ...engines, env: { ...engines.env, ...provider.env } };
    const row = (source: string): Pick<BenchRow, 'name' | 'memories' | 'dim'> => ({
      name: `reembed (${source})`,
      memories,
      dim,
    });
    return [
      await benchRounds(
        row('backup'),
        rounds,
        () => floor(engines, dim, files?.vectors ?? ''),
        () => lifeboat(withProvider, backupDir),
      ),
      await benchRounds(
        row('provider'),
        rounds,
        () => floor(engines, dim, provider),
        () => lifeboat(withProvider, backupDir, ['--backup', 'none']),
      ),
    ];
  } finally {
    await provider.stop();
    await engines.stop();
  }
}

/** The points of a file, or of a provider that is given all contents, into a new collection; the next while one is written. */
async function floor(engines: TestEngines, dim: number, source: string | TestProvider): Promise<number> {
  const { url } = engines.vectors;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  await send(
    agent,
    'PUT',
    `${url}/collections/${FLOOR}`,
    JSON.stringify({ vectors: { size: dim, distance: 'Cosine' } }),
  );
  const started = performance.now();
  let body: string[] = [];
  let bytes = 0;
  let written: Promise<unknown> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await written;
    written = send(
      agent,
      'PUT',
      `${url}/collections/${FLOOR}/points?wait=true`,
      `{"points":[${body.join(',')}]}`,
    );
    body = [];
    bytes = 0;
  };
  for await (const point of typeof source === 'string'
    ? pointsOf(source)
    : embedded(engines, agent, source)) {
    body.push(point);
    bytes += point.length;
    if (bytes >= BODY_BYTES) await flush();
  }
  await flush();
  await written;
  const seconds = (performance.now() - started) / 1000;
  await send(agent, 'DELETE', `${url}/collections/${FLOOR}`, '');
  agent.destroy();
  return seconds;
}

async function* pointsOf(file: string): AsyncGenerator<string> {
  const chunks = createReadStream(file).pipe(createGunzip({ chunkSize: 1024 * 1024 }));
  for await (const part of readVectorsFile(file, chunks as AsyncIterable<Buffer>)) {
    if (part.kind !== 'points') continue;
    for (const { id, vector, payload } of part.points)
      yield `{"id":${JSON.stringify(id)},"vector":${vector.text},"payload":${payload.text}}`;
  }
}

/** As AutoMem's own script does it, without waiting: content in batches of 128, four at a time. */
async function* embedded(
  { graph }: TestEngines,
  agent: Agent,
  provider: TestProvider,
): AsyncGenerator<string> {
  const redis = new Redis({ ...graph });
  const reply = await redis.call('GRAPH.RO_QUERY', GRAPH, 'MATCH (n) RETURN max(id(n))');
  const last = (reply as [unknown, [[number]]])[1][0][0];
  const underWay: Promise<string[]>[] = [];
  let batch: [string, string][] = [];
  for (let from = 0; from <= last; from += PAGE_ROWS) {
    const rows = (await redis.call(
      'GRAPH.RO_QUERY',
      GRAPH,
      `MATCH (n:Memory) WHERE id(n) >= ${from} AND id(n) < ${from + PAGE_ROWS} RETURN n.id, n.content`,
    )) as [unknown, [string, string | null][]];
    for (const [id, content] of rows[1]) {
      if (content === null || content.trim() === '') continue;
      batch.push([id, content]);
      if (batch.length < 128) continue;
      underWay.push(embed(agent, provider, batch));
      batch = [];
      if (underWay.length >= 4) yield* (await underWay.shift()) ?? [];
    }
  }
  if (batch.length > 0) underWay.push(embed(agent, provider, batch));
  for (const texts of underWay) yield* await texts;
  redis.disconnect();
}

async function embed(agent: Agent, provider: TestProvider, batch: [string, string][]): Promise<string[]> {
  const input = batch.map(([, content]) => content);
  const text = await send(
    agent,
    'POST',
    `${provider.env['OPENAI_BASE_URL'] ?? ''}/embeddings`,
    JSON.stringify({ input }),
  );
  const { data } = JSON.parse(text) as { data: { index: number; embedding: number[] }[] };
  return data.map(({ index, embedding }) => {
    const [id = '', content = ''] = batch[index] ?? [];
    return `{"id":"${id}","vector":${JSON.stringify(embedding)},"payload":${JSON.stringify({ content })}}`;
  });
}

function send(agent: Agent, method: string, url: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method, agent, headers: { 'content-type': 'application/json' } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

async function lifeboat(
  engines: TestEngines,
  backupDir: string,
  args: readonly string[] = [],
): Promise<Measured> {
  const agent = new Agent();
  await send(agent, 'DELETE', `${engines.vectors.url}/collections/${GRAPH}`, '');
  agent.destroy();
  return runLifeboat(engines, backupDir, ['reembed-vectors', ...args]);
}
