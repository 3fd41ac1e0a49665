import { MANIFEST_FORMAT } from './write-manifest.js';
import type { GraphHalf } from './export-graph.js';
import type { VectorsHalf } from './export-vectors.js';
import type { HalfFacts } from './half-file.js';

/** What a manifest is made of. */
export interface ManifestFacts {
  timestamp: string;
  started: Date;
  finished: Date;
  /** "lifeboat 0.1.0". */
  tool: string;
  only: 'graph' | 'vectors' | null;
  encrypted: boolean;
  graphName: string;
  graph: GraphHalf | null;
  vectors: VectorsHalf | null;
  servers: { falkordb: string | null; redis: string | null; qdrant: string | null };
  /** As it was configured, not as it was used: AutoMem records it nowhere. */
  embedding: { provider: string; model: string | null; size: number | null };
  excludedTypes: readonly string[];
  /** What the operator should look at, in plain words. */
  warnings: readonly string[];
}

/**
 * What Lifeboat writes beside a pair, as `lifeboat_<timestamp>.manifest.json`: what AutoMem's own files do not say.
 * Fields are only ever added.
 */
export function manifestBody(facts: ManifestFacts) {
  const { graph, vectors, started, finished, encrypted } = facts;
  const files = [graph, vectors].filter((half) => half !== null);
  return {
    format: MANIFEST_FORMAT,
    version: 1,
    timestamp: facts.timestamp,
    tool: facts.tool,
    taken_at: started.toISOString(),
    finished_at: finished.toISOString(),
    seconds: (finished.getTime() - started.getTime()) / 1000,
    only: facts.only,
    graph: graph === null ? null : graphFacts(facts.graphName, graph),
    vectors: vectors === null ? null : vectorsFacts(vectors),
    collection:
      vectors === null
        ? null
        : { config: vectors.collection.config, payload_schema: vectors.collection.payloadSchema },
    servers: facts.servers,
    embedding: facts.embedding,
    excluded_types: facts.excludedTypes,
    writes_meanwhile: writesMeanwhile(graph, vectors),
    stores_apart_seconds: apart(graph, vectors),
    warnings: facts.warnings,
    files: Object.fromEntries(
      files.map(({ file, facts: written, content }) => [
        file.path,
        fileFacts(written, encrypted, content.digest),
      ]),
    ),
  };
}

function graphFacts(name: string, { content, indexes, from, to }: GraphHalf) {
  return {
    name,
    nodes: content.nodes,
    memories: content.memories,
    relationships: content.relationships,
    by_label: content.byLabel,
    by_relationship: content.byRelationship,
    by_type: content.byType,
    indexes,
    read: { from, to },
  };
}

function vectorsFacts({ content, collection, from, to }: VectorsHalf) {
  return {
    collection: collection.name,
    aliases: collection.aliases,
    points: content.points,
    by_type: content.byType,
    by_size: content.bySize,
    read: { from, to },
  };
}

/** What a manifest says of one file. */
export function fileFacts(written: HalfFacts, encrypted: boolean, digest: string) {
  return {
    bytes: written.fileBytes,
    sha256: written.fileSha256,
    encryption: encrypted ? 'age' : null,
    gzip_bytes: written.bytes,
    gzip_sha256: written.sha256,
    json_bytes: written.jsonBytes,
    digest,
    blocks: written.blocks,
  };
}

/** What may make the backup differ from any one moment of the service. Null: it cannot be told. */
function writesMeanwhile(graph: GraphHalf | null, vectors: VectorsHalf | null) {
  return {
    graph: graph === null ? null : graph.written,
    // The service writes to both: where the graph was left alone, so were the payloads.
    vectors: vectors === null ? null : vectors.written ? true : graph?.written === false ? false : null,
    nodes_not_in_backup: graph?.content.young ?? 0,
    relationships_not_in_backup: graph?.content.late ?? 0,
  };
}

/** Seconds between the moments at which the one store and the other was read, at most. */
function apart(graph: GraphHalf | null, vectors: VectorsHalf | null): number | null {
  if (graph === null || vectors === null) return null;
  const between = (a: string, b: string): number => Math.abs(Date.parse(a) - Date.parse(b)) / 1000;
  return Math.max(between(graph.from, vectors.to), between(graph.to, vectors.from));
}
