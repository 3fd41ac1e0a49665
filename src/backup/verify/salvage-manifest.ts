import { isMap, type Value } from '../../memory/values.js';
import { fileFacts } from '../create/manifest-body.js';
import type { HalfFacts } from '../create/half-file.js';
import { MANIFEST_FORMAT } from '../create/write-manifest.js';
import type { Manifest } from '../manifest.js';
import type { Half } from '../pair/pair-problems.js';
import type { GraphContent, VectorsContent } from '../content/contents.js';
import type { HalfCounts } from './salvage-half.js';

/** One half of a salvaged pair, written but for its name. */
export interface SalvagedFile<Content> {
  path: string;
  facts: HalfFacts;
  content: Content;
  counts: HalfCounts;
}

export interface SalvageFacts {
  timestamp: string;
  /** ISO-8601. */
  takenAt: string;
  at: Date;
  /** "lifeboat 0.1.0". */
  tool: string;
  /** Where the damaged pair lies. */
  place: string;
  encrypted: boolean;
  names: { graph: string; collection: string };
  manifest: Manifest | null;
  graph: SalvagedFile<GraphContent> | null;
  vectors: SalvagedFile<VectorsContent> | null;
}

/** The manifest of a salvaged pair: what the old one says of the service, and of the files what they are now. */
export function salvagedManifest(facts: SalvageFacts): object {
  const { graph, vectors, manifest } = facts;
  const only = graph === null ? 'vectors' : vectors === null ? 'graph' : null;
  const old = manifest?.body ?? {};
  const files = [graph, vectors].filter((half) => half !== null);
  return {
    format: MANIFEST_FORMAT,
    version: 1,
    timestamp: facts.timestamp,
    tool: facts.tool,
    taken_at: plain(old['taken_at'] ?? facts.takenAt),
    salvaged_at: facts.at.toISOString(),
    salvaged_from: {
      place: facts.place,
      timestamp: facts.timestamp,
      lost: Object.assign({}, ...files.map(({ counts }) => counts.lost)) as object,
      halves_lost: halvesLost(facts),
      relationships_without_end: graph?.counts.leftOut ?? 0,
      unproven: files.reduce((sum, { counts }) => sum + counts.unproven, 0),
    },
    only,
    graph: graph === null ? null : graphFacts(facts, graph),
    vectors: vectors === null ? null : vectorsFacts(facts, vectors),
    collection: vectors === null ? null : plain(old['collection'] ?? null),
    servers: plain(old['servers'] ?? null),
    embedding: plain(old['embedding'] ?? null),
    excluded_types: plain(old['excluded_types'] ?? null),
    writes_meanwhile: plain(old['writes_meanwhile'] ?? null),
    stores_apart_seconds: plain(old['stores_apart_seconds'] ?? null),
    files: Object.fromEntries(
      files.map(({ path, facts: written, content }) => [
        path,
        fileFacts(written, facts.encrypted, content.digest.toString()),
      ]),
    ),
  };
}

/** Halves that there were, and of which nothing is saved. */
function halvesLost({ graph, vectors, manifest }: SalvageFacts): Half[] {
  const was = manifest?.only ?? null;
  const isLost = (half: Half): boolean =>
    (half === 'graph' ? graph : vectors) === null && (was === null || was === half);
  return (['graph', 'vectors'] as const).filter(isLost);
}

function graphFacts({ names, manifest }: SalvageFacts, { content }: SalvagedFile<GraphContent>): object {
  return {
    name: names.graph,
    ...content.totals,
    by_label: content.byLabel,
    by_relationship: content.byRelationship,
    by_type: content.byType,
    indexes: plain(memberOf(manifest, 'graph', 'indexes') ?? []),
    read: plain(memberOf(manifest, 'graph', 'read') ?? null),
  };
}

function vectorsFacts({ names, manifest }: SalvageFacts, { content }: SalvagedFile<VectorsContent>): object {
  return {
    collection: names.collection,
    aliases: plain(memberOf(manifest, 'vectors', 'aliases') ?? []),
    ...content.totals,
    by_type: content.byType,
    by_size: content.bySize,
    read: plain(memberOf(manifest, 'vectors', 'read') ?? null),
  };
}

function memberOf(manifest: Manifest | null, half: 'graph' | 'vectors', name: string): Value | undefined {
  const facts = manifest?.body[half];
  return isMap(facts) ? facts[name] : undefined;
}

/** A member of the old manifest as `JSON.stringify` takes it. Integers beyond 2^53 stand in none. */
function plain(value: Value): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}
