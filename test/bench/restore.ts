import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { Redis } from 'ioredis';
import { asNode, asRelationship, readBackupFile } from '../../src/backup/files/graph-file.js';
import { readVectorsFile } from '../../src/backup/files/vectors-file.js';
import { BulkWriter } from '../../src/stores/graph/graph-writer.js';
import type { GraphStore } from '../../src/stores/graph/graph-store.js';
import type { TestEngines } from '../support/engines.js';
import { benchSizes, type BenchOptions } from './filled.js';
import { benchRounds, GRAPH, runLifeboat, settleAof, type Measured } from './measure.js';
import type { BenchRow } from './row.js';

const FLOOR = 'floor';
/** As large as Lifeboat's own requests, and as many at once. */
const BODY_BYTES = 2 * 1024 * 1024;
const IN_FLIGHT = 2;
/** The backup is older than the objective allows, which is not what is measured. */
const OBJECTIVE_MISSED = 5;

/** Restoring both stores from a backup: the whole command against the engines' own speed, turn by turn on the same data. */
export function benchRestore(options: BenchOptions): Promise<BenchRow[]> {
  return benchSizes(options, async ({ engines, backupDir, filled, memories, dim, rounds }) => {
    const files = { graph: filled.files?.graph ?? '', vectors: filled.files?.vectors ?? '' };
    const writes = await prepareWrites(files, join(engines.folder, 'upserts'));
    try {
      return await benchRounds(
        { name: 'restore', memories, dim },
        rounds,
        () => floor(engines, writes, files, dim),
        () => lifeboat(engines, backupDir),
      );
    } finally {
      await writes.upserts.close();
    }
  });
}

/** Whole requests, made before the clock starts: what is timed is the engines. */
interface Writes {
  bulk: (string | number | Buffer)[][];
  /** Bodies one after the other, on the disk: of a large backup they would not fit into memory. */
  upserts: FileHandle;
  lengths: number[];
}

async function prepareWrites(files: { graph: string; vectors: string }, path: string): Promise<Writes> {
  const writes: Writes = { bulk: [], upserts: await open(path, 'w+'), lengths: [] };
  await prepareBulk(files.graph, writes.bulk);
  let points: string[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    const body = Buffer.from(`{"points":[${points.join(',')}]}`);
    await writes.upserts.write(body);
    writes.lengths.push(body.length);
    points = [];
    bytes = 0;
  };
  for await (const part of readVectorsFile(files.vectors, gunzipped(files.vectors))) {
    if (part.kind !== 'points') continue;
    for (const { id, vector, payload } of part.points) {
      const text = `{"id":${JSON.stringify(id)},"vector":${vector.text},"payload":${payload.text}}`;
      points.push(text);
      bytes += text.length;
      if (bytes > BODY_BYTES) await write();
    }
  }
  await write();
  return writes;
}

async function prepareBulk(file: string, commands: Writes['bulk']): Promise<void> {
  const recorder = {
    command: (_operation: string, ...command: (string | number | Buffer)[]) => {
      commands.push(command);
      return Promise.resolve();
    },
  };
  const writer = new BulkWriter(recorder as unknown as GraphStore, FLOOR);
  const ids = new Map<number, number>();
  for await (const part of readBackupFile(file, gunzipped(file), new Set(['nodes', 'relationships']))) {
    if (part.kind !== 'records') continue;
    for (const record of part.records) {
      if (part.list === 'nodes') {
        const node = asNode(record);
        if (!('reason' in node)) await writer.node(node, (id) => ids.set(node.internalId, id));
      } else {
        if (writer.written.relationships === 0) await writer.flush();
        const edge = asRelationship(record);
        if ('reason' in edge) continue;
        const [from, to] = [ids.get(edge.source) ?? 0, ids.get(edge.target) ?? 0];
        await writer.relationship(from, to, edge.type, edge.properties);
      }
    }
  }
  await writer.flush();
}

/** A file's JSON as fast as zlib gives it. */
export function gunzipped(file: string): AsyncIterable<Buffer> {
  return createReadStream(file).pipe(createGunzip({ chunkSize: 256 * 1024 }));
}

/** Inflates a file and looks at nothing in it. @returns bytes of JSON */
export async function inflate(file: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of gunzipped(file)) bytes += chunk.length;
  return bytes;
}

/** Inflates both files once, writes the whole graph with the bulk command, then all points. */
async function floor(
  engines: TestEngines,
  writes: Writes,
  files: { graph: string; vectors: string },
  dim: number,
): Promise<number> {
  const redis = new Redis({ ...engines.graph });
  const { url } = engines.vectors;
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const collection = `${url}/collections/${FLOOR}`;
  await send(agent, 'PUT', collection, JSON.stringify({ vectors: { size: dim, distance: 'Cosine' } }));
  const started = performance.now();
  for (const file of [files.graph, files.vectors]) await inflate(file);
  for (const [name = '', ...args] of writes.bulk) await redis.call(String(name), ...args);
  await upsertAll(agent, collection, writes);
  const seconds = (performance.now() - started) / 1000;
  await send(agent, 'DELETE', collection, '');
  await redis.call('GRAPH.DELETE', FLOOR);
  await settleAof(redis);
  redis.disconnect();
  agent.destroy();
  return seconds;
}

async function upsertAll(agent: Agent, collection: string, { upserts, lengths }: Writes): Promise<void> {
  let at = 0;
  const pending = [...lengths];
  const work = async (): Promise<void> => {
    for (let length = pending.shift(); length !== undefined; length = pending.shift()) {
      const body = Buffer.allocUnsafe(length);
      const from = at;
      at += length;
      await upserts.read(body, 0, length, from);
      await send(agent, 'PUT', `${collection}/points?wait=true`, body);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

function send(agent: Agent, method: string, url: string, body: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(url, { method, agent, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200
          ? resolve()
          : reject(new Error(`${method} ${url}: ${response.statusCode}`)),
      );
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function lifeboat(engines: TestEngines, backupDir: string): Promise<Measured> {
  const redis = new Redis({ ...engines.graph });
  await redis.call('GRAPH.DELETE', GRAPH).catch(() => undefined);
  await settleAof(redis);
  redis.disconnect();
  const agent = new Agent();
  await send(agent, 'DELETE', `${engines.vectors.url}/collections/${GRAPH}`, '');
  agent.destroy();
  return runLifeboat(engines, backupDir, ['restore-backup'], [0, OBJECTIVE_MISSED]);
}
