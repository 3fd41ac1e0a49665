import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import type { BackupPair } from '../../src/backup/types.js';

/** A pair that AutoMem 0.16.1 wrote: 66 nodes, 336 relationships, 59 points of 64 components. */
export const SAMPLE = join(import.meta.dirname, 'automem-sample');
export const STAMP = '20261121_110916';
export const GRAPH_PATH = `falkordb/falkordb_${STAMP}.json.gz`;
export const VECTORS_PATH = `qdrant/qdrant_${STAMP}.json.gz`;

export interface GraphJson {
  timestamp: string;
  graph_name: string;
  nodes: { id: number; labels: string[]; properties: Record<string, unknown> }[];
  relationships: { source_id: number; type: string; target_id: number; properties: object }[];
  stats: { node_count: number; relationship_count: number };
}

export interface VectorsJson {
  timestamp: string;
  collection_name: string;
  points: { id: unknown; vector: unknown; payload: unknown }[];
  stats: { points_count: number; vector_size: number | null };
}

export const graphGzip = (): Buffer => readFileSync(join(SAMPLE, GRAPH_PATH));
export const vectorsGzip = (): Buffer => readFileSync(join(SAMPLE, VECTORS_PATH));
export const graphText = (): string => gunzipSync(graphGzip()).toString();
export const vectorsText = (): string => gunzipSync(vectorsGzip()).toString();

/** The sample's graph half after a change, gzipped as AutoMem does it. */
export function changedGraph(change: (graph: GraphJson) => void): Buffer {
  const graph = JSON.parse(graphText()) as GraphJson;
  change(graph);
  return gzipSync(JSON.stringify(graph, null, 2));
}

export function changedVectors(change: (vectors: VectorsJson) => void): Buffer {
  const vectors = JSON.parse(vectorsText()) as VectorsJson;
  change(vectors);
  return gzipSync(JSON.stringify(vectors, null, 2));
}

/** A pair as the catalogue lists it. */
export function pairOf(
  files: Readonly<Record<string, Buffer>>,
  timestamp = STAMP,
): BackupPair & { graph: object; vectors: object } {
  const file = (path: string): { path: string; bytes: number } => ({ path, bytes: files[path]?.length ?? 0 });
  return {
    timestamp,
    takenAt: '2026-11-21T11:09:16.000Z',
    graph: file(`falkordb/falkordb_${timestamp}.json.gz`),
    vectors: file(`qdrant/qdrant_${timestamp}.json.gz`),
    graphVerdict: { status: 'unchecked' },
    vectorsVerdict: { status: 'unchecked' },
  };
}
