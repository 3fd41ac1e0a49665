import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { catalogue } from '../../../src/backup/catalogue.js';
import { createBackup } from '../../../src/backup/create/create-backup.js';
import type { BackupPair } from '../../../src/backup/types.js';
import { ExitCode, Failure } from '../../../src/failure.js';
import type { Archive } from '../../../src/stores/archive/archive.js';
import { writableLocalArchive } from '../../../src/stores/archive/local-writer.js';
import { GraphStore } from '../../../src/stores/graph/graph-store.js';
import { VectorStore } from '../../../src/stores/vectors/vector-store.js';
import { memoryArchive } from '../../support/archive-files.js';
import { GRAPH, type Lab } from '../../support/lab.js';

export type Files = Record<string, Buffer>;

/** Files of a folder by path, as an archive lists them. */
export function filesIn(folder: string): Files {
  const files: Files = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    files[full.slice(folder.length + 1)] = readFileSync(full);
  }
  return files;
}

/** One of the files; it has to be there. */
export function bytesOf(files: Files, path: string): Buffer {
  const bytes = files[path];
  if (bytes === undefined) throw new Error(`there is no ${path}`);
  return bytes;
}

/** The bytes with one of them changed. */
export function flipped(bytes: Buffer, at: number, mask = 0xff): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(at) ^ mask, at);
  return changed;
}

/** What must be there for a test to mean anything. */
export function sure<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('it is not there');
  return value;
}

/** An archive in memory in which a file that is not there is an expected failure, as in the real ones. */
export function archiveOf(files: Files): Archive {
  const archive = memoryArchive(files);
  return {
    ...archive,
    open: (path, range) =>
      Object.hasOwn(files, path)
        ? archive.open(path, range)
        : Promise.reject(
            new Failure({
              operation: 'read the backup file',
              subject: path,
              reason: 'the file is not there',
              hint: '',
              exitCode: ExitCode.failed,
              code: 'archive-file-missing',
            }),
          ),
  };
}

export async function onlyPair(archive: Archive): Promise<BackupPair> {
  const pairs = await catalogue(archive);
  if (pairs.length !== 1 || pairs[0] === undefined) throw new Error(`${pairs.length} pairs`);
  return pairs[0];
}

/** Backs up what a lab holds into a folder. @returns its timestamp */
export async function backUp(
  lab: Lab,
  folder: string,
  options: { only?: 'graph' | 'vectors'; recipients?: string[] } = {},
): Promise<string> {
  const vectors = new VectorStore({ ...lab.engines.vectors, timeoutMs: 20_000 });
  try {
    const made = await createBackup(
      {
        openGraph: () => GraphStore.open(lab.engines.graph),
        graphName: GRAPH,
        vectors,
        collection: GRAPH,
      },
      [{ archive: writableLocalArchive(folder), failure: null }],
      {
        only: options.only ?? null,
        recipients: options.recipients ?? [],
        facts: {
          tool: 'lifeboat test',
          servers: { falkordb: null, redis: null, qdrant: null },
          embedding: { provider: 'openai', model: null, size: null },
          excludedTypes: [],
        },
        onRead: () => undefined,
        now: () => new Date(),
        signal: new AbortController().signal,
      },
    );
    return made.timestamp;
  } finally {
    vectors.close();
  }
}

export const TINY_STAMP = '20261101_030000';

const memory = (id: number): object => ({
  id,
  labels: ['Memory'],
  properties: { id: uuid(id), content: `memory number ${id}`, importance: 0.5 },
});

const uuid = (id: number): string => `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`;

/** A pair as AutoMem writes it, without a manifest: `count` memories in a chain, each with a point. */
export function tinyPair(count = 3, gzip: (text: string) => Buffer = gzipSync): Files {
  const ids = Array.from({ length: count }, (_, id) => id);
  const nodes = ids.map(memory);
  const relationships = ids.slice(1).map((id) => ({
    source_id: id - 1,
    type: 'RELATES_TO',
    target_id: id,
    properties: { strength: 0.5 },
  }));
  const points = ids.map((id) => ({
    id: uuid(id),
    vector: [0.5, -0.25, 0.125, id + 0.5],
    payload: { content: `memory number ${id}`, importance: 0.5 },
  }));
  const graph = {
    timestamp: TINY_STAMP,
    graph_name: 'memories',
    nodes,
    relationships,
    stats: { node_count: nodes.length, relationship_count: relationships.length },
  };
  const vectors = {
    timestamp: TINY_STAMP,
    collection_name: 'memories',
    points,
    stats: { points_count: points.length, vector_size: 4 },
  };
  return {
    [`falkordb/falkordb_${TINY_STAMP}.json.gz`]: gzip(JSON.stringify(graph, null, 2)),
    [`qdrant/qdrant_${TINY_STAMP}.json.gz`]: gzip(JSON.stringify(vectors, null, 2)),
  };
}
