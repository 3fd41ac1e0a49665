import { double, type GraphNode, type Value, type ValueMap } from '../../memory/values.js';
import type { HardCase } from './hard-cases.js';
import { enrichmentOf, graphDouble, steadyDouble, type Enrichment } from './links.js';
import { pythonJson } from './python-json.js';
import { Stream, weighted, type Random } from './random.js';
import { slug, tagPrefixes } from './tags.js';
import { writeText, type Mentions } from './text.js';
import { DAY, isoTime } from './times.js';
import type { World } from './world.js';

/** One memory as both stores hold it. */
export interface MemoryRecord {
  node: GraphNode;
  /** Null where AutoMem makes no point: without content. */
  payload: ValueMap | null;
}

/**
 * How the payload came about; the fields that each way leaves follow AutoMem: a queued store, a caller's own
 * embedding, a batch, a PATCH, or /admin/reembed, which keeps nine fields only.
 */
const WRITE_PATHS = [
  ['queued', 60],
  ['own-embedding', 12],
  ['batch', 12],
  ['patch', 9],
  ['reembedded', 7],
] as const;
type WritePath = (typeof WRITE_PATHS)[number][0];

const IMPORTANCE = [0.3, 0.5, 0.5, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1] as const;
const CONFIDENCE = [0.9, 0.9, 0.9, 0.3, 0.6, 0.75, 0.85, 1] as const;

/** Makes one memory: its node, and its payload as the service would have left it. */
export function memoryRecord(world: World, memory: number): MemoryRecord {
  const hard = world.hardCaseOf(memory);
  const enrichment = enrichmentOf(world, memory);
  const { mentions } = world.writtenOf(memory);
  const content = world.contentOf(memory);
  const random = world.random(Stream.facts, memory);
  const tags = tagsOf(world, memory, random, hard, enrichment ? mentions : {});
  const metadata = metadataOf(world, memory, random, hard, enrichment, mentions);
  const shared: ValueMap = {
    content: content ?? '',
    tags,
    importance: double(random.pick(IMPORTANCE)),
    timestamp: isoTime(world.timeOf(memory), microsOf(random)),
    type: world.typeOf(memory),
    confidence: double(random.pick(CONFIDENCE)),
    ...hard?.both,
  };
  const draft = { world, memory, random, shared, metadata, enrichment, prefixes: tagPrefixes(tags) };
  const { node, payload } = finish(draft);
  if (content === null) delete node.properties.content;
  Object.assign(node.properties, hard?.nodeOnly);
  return { node, payload: world.hasPoint(memory) ? payload : null };
}

interface Draft {
  world: World;
  memory: number;
  random: Random;
  shared: ValueMap;
  metadata: ValueMap;
  enrichment: Enrichment | null;
  prefixes: string[];
}

function finish(draft: Draft): { node: GraphNode; payload: ValueMap } {
  const { world, memory, random, shared, metadata, prefixes } = draft;
  const path = weighted(random, WRITE_PATHS);
  const stored = world.timeOf(memory);
  const updated =
    path === 'patch'
      ? world.after(stored, 60 + random.int(9 * 86_400), microsOf(random))
      : (shared.timestamp ?? '');
  const accessed = random.chance(0.4)
    ? world.after(stored, random.int(200 * 86_400), microsOf(random))
    : updated;
  const invalid = random.chance(0.03) ? world.after(stored, 86_400 * (1 + random.int(90))) : null;
  const validFrom = random.chance(0.05) ? isoTime(stored - 30 * DAY) : (shared.timestamp ?? '');
  const fate = fateOf(draft);
  const properties: ValueMap = {
    id: world.idOf(memory),
    ...shared,
    tag_prefixes: prefixes,
    t_valid: validFrom,
    ...(invalid === null ? {} : { t_invalid: invalid }),
    updated_at: updated,
    last_accessed: accessed,
    metadata: pythonJson(metadata),
    processed: draft.enrichment !== null,
    ...enrichedProperties(draft),
    ...fate.node,
  };
  const base: ValueMap = { ...shared, metadata, updated_at: updated, last_accessed: updated };
  const payload = { ...base, ...payloadExtras(path, prefixes, validFrom, invalid, fate.payload) };
  return { node: { internalId: world.memoryNode(memory), labels: ['Memory'], properties }, payload };
}

/** Fields of the payload beyond the nine that every way of writing leaves. */
function payloadExtras(
  path: WritePath,
  tag_prefixes: string[],
  t_valid: Value,
  t_invalid: string | null,
  fate: ValueMap,
): ValueMap {
  switch (path) {
    case 'queued':
      return { tag_prefixes, relevance_score: null, ...fate };
    case 'own-embedding':
      return { tag_prefixes, t_valid, t_invalid, ...fate };
    case 'batch':
      return { tag_prefixes, ...fate };
    case 'patch':
      return { tag_prefixes, t_valid, t_invalid };
    case 'reembedded':
      return {};
  }
}

/** What decay and forgetting left: nothing, a relevance, or a relevance and the archive mark. */
function fateOf({ world, memory, random }: Draft): { node: ValueMap; payload: ValueMap } {
  const decayed = random.chance(0.6);
  const archived = random.chance(memory < world.options.memories * 0.4 ? 0.08 : 0.01);
  const relevance = random.chance(0.6)
    ? steadyDouble(random, 0.05, 0.65)
    : random.pick([0.09, 0.15, 0.27, 0.5]);
  const archivedAt = world.after(
    world.timeOf(memory),
    86_400 * (60 + random.int(120)),
    1 + random.int(999_999),
  );
  if (!decayed && !archived) return { node: {}, payload: {} };
  return {
    // The graph prints doubles with 15 digits; the payload keeps all 17.
    node: {
      relevance_score: graphDouble(relevance),
      ...(archived ? { archived: true, archived_at: archivedAt } : {}),
    },
    payload: { relevance_score: double(relevance), ...(archived ? { archived: true } : {}) },
  };
}

function enrichedProperties({ world, memory, shared, enrichment }: Draft): ValueMap {
  if (!enrichment) return {};
  const content = typeof shared.content === 'string' ? shared.content : '';
  return {
    enriched: true,
    enriched_at: world.after(world.timeOf(memory), enrichment.delay, (enrichment.micros + 40) % 1_000_000),
    summary: content.length > 240 ? `${Array.from(content).slice(0, 237).join('')}...` : content,
  };
}

function tagsOf(
  world: World,
  memory: number,
  random: Random,
  hard: HardCase | null,
  mentions: Mentions,
): string[] {
  const topic = world.topicOf(memory);
  const own = topic.tags.filter(() => random.chance(0.6));
  if (random.chance(0.3))
    own.push(random.pick(['project:Atlas', 'project/Hermes', 'Lang:TypeScript', 'Q3/2026:goals']));
  if (random.chance(0.02)) own.push('🧠', 'naïve/Ünïcode');
  const tags = hard?.tags ? [...hard.tags] : own;
  if (hard?.tags?.length === 0) return tags;
  for (const [category, names] of Object.entries(mentions)) {
    for (const name of names) tags.push(`entity:${category}:${slug(name)}`);
  }
  return [...new Set(tags)];
}

function metadataOf(
  world: World,
  memory: number,
  random: Random,
  hard: HardCase | null,
  enrichment: Enrichment | null,
  mentions: Mentions,
): ValueMap {
  const metadata: ValueMap = {};
  if (random.chance(0.5))
    metadata.source = random.pick(['slack', 'cli', 'claude-desktop', 'import', 'e-mail']);
  if (random.chance(0.15))
    metadata.session = { id: random.hex(12), turn: random.int(40), model: 'assistant-4' };
  if (random.chance(0.1)) metadata.ratio = double(Number(random.next().toFixed(random.int(6))));
  if (random.chance(0.02))
    metadata.original_content = `${writeText(random, world.topicOf(memory), 'Context').text} “${memory}”`;
  const result = hard?.metadata ? withKeys(metadata, hard.metadata) : metadata;
  if (!enrichment) return result;
  result.entities = { ...mentions };
  result.enrichment = {
    last_run: world.after(world.timeOf(memory), enrichment.delay, enrichment.micros),
    forced: random.chance(0.05),
    temporal_links: enrichment.temporal.length,
    patterns_detected: patternsOf(world, memory, enrichment),
    semantic_neighbors: enrichment.neighbours.map(({ memory: other, score }) => ({
      id: world.idOf(other),
      score: double(score),
    })),
  };
  return result;
}

function patternsOf(world: World, memory: number, { similarMemories }: Enrichment): Value[] {
  if (similarMemories === 0) return [];
  const key_terms = world
    .topicOf(memory)
    .nouns.slice(0, 5)
    .map((noun) => noun.split(' ')[0] ?? noun);
  return [{ type: world.typeOf(memory), similar_memories: similarMemories, key_terms }];
}

/** Both maps' keys in one, in order; `__proto__` stays a key like any other. */
function withKeys(first: ValueMap, second: ValueMap): ValueMap {
  const result: ValueMap = {};
  for (const [key, value] of [...Object.entries(first), ...Object.entries(second)]) {
    Object.defineProperty(result, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

/** Microseconds of a time; clients that send their own times often have none. */
function microsOf(random: Random): number {
  return random.chance(0.6) ? random.int(1_000_000) : 0;
}
