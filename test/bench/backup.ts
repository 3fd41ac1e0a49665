import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Redis } from 'ioredis';
import { GZIP_LEVEL } from '../../src/backup/create/block-writer.js';
import type { TestEngines } from '../support/engines.js';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, GRAPH, runCommand } from './measure.js';
import { gunzipped } from './restore.js';
import type { BenchRow } from './row.js';

const gzipAsync = promisify(gzip);

const BLOCK_BYTES = 4 * 1024 * 1024;
const PAGE_POINTS = 500;
const PAGE_NODES = 2_500;

/**
 * Backing both stores up: the whole command against reading both stores raw, at the same time, and compressing as much text
 * at the same level on all cores.
 */
export function benchBackup(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, async ({ engines, filled, memories, dim, rounds }) => {
    const graphText = await blocksOf(filled.files?.graph ?? '');
    const folder = join(engines.folder, 'made');
    return benchRounds(
      { name: 'backup', memories, dim },
      rounds,
      () => floor(engines, graphText),
      async () => {
        await rm(folder, { recursive: true, force: true });
        return runCommand(engines, folder, ['backup', 'create', '--to', 'local', '--json']);
      },
    );
  });
}

/** The text of the graph half: what the server gives is no text that could be compressed. */
async function blocksOf(file: string): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of gunzipped(file)) chunks.push(chunk);
  const text = Buffer.concat(chunks);
  return Array.from({ length: Math.ceil(text.length / BLOCK_BYTES) }, (_, index) =>
    text.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
  );
}

async function floor(engines: TestEngines, graphText: readonly Buffer[]): Promise<number> {
  const started = performance.now();
  await Promise.all([readGraph(engines), compress(graphText), compress(scroll(engines))]);
  return (performance.now() - started) / 1000;
}

async function compress(texts: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  const packing: Promise<Buffer>[] = [];
  for await (const text of texts) {
    packing.push(gzipAsync(text, { level: GZIP_LEVEL }));
    if (packing.length > 2) await packing.shift();
  }
  await Promise.all(packing);
}

/** All points with vectors and payloads, the next page asked for while this one is compressed. */
async function* scroll({ vectors: { url } }: TestEngines): AsyncGenerator<Buffer> {
  const page = async (offset: unknown): Promise<Buffer> => {
    const body = { limit: PAGE_POINTS, with_payload: true, with_vector: true, offset };
    const response = await fetch(`${url}/collections/${GRAPH}/points/scroll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return Buffer.from(await response.arrayBuffer());
  };
  for (let pending: Promise<Buffer> | null = page(null); pending !== null;) {
    const text: Buffer = await pending;
    const at = text.lastIndexOf('"next_page_offset"');
    const offset = /:\s*("[^"]*"|null|[0-9]+)/.exec(text.toString('latin1', at))?.[1] ?? 'null';
    pending = offset === 'null' ? null : page(JSON.parse(offset));
    yield text;
  }
}

/** All nodes and relationships, page by page, decoded by nobody. */
async function readGraph({ graph }: TestEngines): Promise<void> {
  const redis = new Redis({ ...graph });
  const query = (cypher: string): Promise<unknown> =>
    redis.call('GRAPH.RO_QUERY', GRAPH, cypher, '--compact');
  const [, [[[, last]]]] = (await query('MATCH (n) RETURN max(id(n))')) as [unknown, [[[number, number]]]];
  for (let from = 0; from <= last; from += PAGE_NODES)
    for (const [match, what] of [
      ['(n)', 'collect([id(n), labels(n), properties(n)])'],
      ['(n)-[r]->(m)', 'collect([id(r), type(r), id(n), id(m), properties(r)])'],
    ])
      await query(`MATCH ${match} WHERE id(n) >= ${from} AND id(n) < ${from + PAGE_NODES} RETURN ${what}`);
  redis.disconnect();
}
