import { Agent, request } from 'node:http';
import { createGunzip } from 'node:zlib';
import { createReadStream } from 'node:fs';
import { Redis } from 'ioredis';
import { asNode, asRelationship, readBackupFile } from '../../src/backup/files/graph-file.js';
import { toCypherLiteral } from '../../src/stores/graph/cypher.js';
import type { TestEngines } from '../support/engines.js';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, GRAPH, runLifeboat, settleAof, type Measured } from './measure.js';
import type { BenchRow } from './row.js';

const FLOOR_GRAPH = 'floor';

/** Rebuilding a lost graph: the whole command against the engines' own speed, turn by turn on the same data. */
export function benchRebuildGraph(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, async ({ engines, backupDir, filled, memories, dim, rounds }) => {
    const writes = await prepareWrites(filled.files?.graph ?? '');
    return benchRounds(
      { name: 'rebuild-graph', memories, dim },
      rounds,
      () => floor(engines, writes),
      () => lifeboat(engines, backupDir),
    );
  });
}

/** Whole queries, made before the clock starts: what is timed is the engine. */
interface Writes {
  nodes: string[];
  relationships: string[];
}

async function prepareWrites(file: string): Promise<Writes> {
  const writes: Writes = { nodes: [], relationships: [] };
  const ids = new Map<number, string>();
  const nodes = new Batches(writes.nodes, 1_000);
  const relationships = new Batches(writes.relationships, 5_000);
  const chunks = createReadStream(file).pipe(createGunzip({ chunkSize: 1024 * 1024 }));
  for await (const part of readBackupFile(
    file,
    chunks as AsyncIterable<Buffer>,
    new Set(['nodes', 'relationships']),
  )) {
    if (part.kind !== 'records') continue;
    for (const record of part.records) {
      if (part.list === 'nodes') {
        const node = asNode(record);
        if ('reason' in node) continue;
        const { id } = node.properties;
        ids.set(node.internalId, typeof id === 'string' ? id : '');
        // One label for all, so that the floor needs only one index.
        nodes.add('UNWIND $rows AS row CREATE (n:Memory) SET n = row', toCypherLiteral(node.properties));
      } else {
        const relationship = asRelationship(record);
        if ('reason' in relationship) continue;
        const { source, target, type, properties } = relationship;
        const query = `UNWIND $rows AS row MATCH (a:Memory {id: row.a}) MATCH (b:Memory {id: row.b}) CREATE (a)-[r:${type}]->(b) SET r = row.p`;
        const row = { a: ids.get(source) ?? '', b: ids.get(target) ?? '', p: properties };
        relationships.add(query, toCypherLiteral(row));
      }
    }
  }
  nodes.finish();
  relationships.finish();
  return writes;
}

class Batches {
  private readonly pending = new Map<string, string[]>();

  constructor(
    private readonly queries: string[],
    private readonly rows: number,
  ) {}

  add(query: string, row: string): void {
    const rows = this.pending.get(query) ?? [];
    this.pending.set(query, rows);
    rows.push(row);
    if (rows.length >= this.rows) this.send(query, rows);
  }

  finish(): void {
    for (const [query, rows] of this.pending) if (rows.length > 0) this.send(query, rows);
  }

  private send(query: string, rows: string[]): void {
    this.queries.push(`CYPHER rows=[${rows.join(',')}] ${query}`);
    rows.length = 0;
  }
}

/** Reads all payloads over one kept-alive connection, then writes all nodes and relationships over another. */
async function floor(engines: TestEngines, writes: Writes): Promise<number> {
  const redis = new Redis({ ...engines.graph });
  await redis.call('GRAPH.QUERY', FLOOR_GRAPH, 'CREATE INDEX FOR (n:Memory) ON (n.id)');
  const started = performance.now();
  await readAllPayloads(engines.vectors.url);
  for (const query of [...writes.nodes, ...writes.relationships])
    await redis.call('GRAPH.QUERY', FLOOR_GRAPH, query);
  const seconds = (performance.now() - started) / 1000;
  await redis.call('GRAPH.DELETE', FLOOR_GRAPH);
  await settleAof(redis);
  redis.disconnect();
  return seconds;
}

export async function readAllPayloads(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let offset: unknown = null;
  do {
    const text = await post(agent, `${url}/collections/${GRAPH}/points/scroll`, {
      limit: 1_000,
      with_payload: true,
      ...(offset === null ? {} : { offset }),
    });
    // The offset stands at the end; parsing the points is not the engine's work.
    offset = JSON.parse(/"next_page_offset":\s*("[^"]*"|\d+|null)/.exec(text.slice(-300))?.[1] ?? 'null');
  } while (offset !== null);
  agent.destroy();
}

function post(agent: Agent, url: string, body: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}

async function lifeboat(engines: TestEngines, backupDir: string): Promise<Measured> {
  const redis = new Redis({ ...engines.graph });
  await redis.call('GRAPH.DELETE', GRAPH).catch(() => undefined);
  await settleAof(redis);
  redis.disconnect();
  return runLifeboat(engines, backupDir);
}
