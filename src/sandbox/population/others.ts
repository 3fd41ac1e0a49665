import {
  double,
  type GraphNode,
  type GraphRelationship,
  type Value,
  type ValueMap,
} from '../../memory/values.js';
import { graphDouble } from './links.js';
import { memoryRecord } from './memory.js';
import { pythonJson } from './python-json.js';
import { Stream } from './random.js';
import { slug } from './tags.js';
import { DAY, isoTime } from './times.js';
import type { EntityFacts, World } from './world.js';

/** The scheduler's own node. */
export function controlNode(world: World): GraphNode {
  const properties: ValueMap = { id: 'global' };
  for (const [index, task] of TASKS.entries()) {
    properties[`${task}_last_run`] = isoTime(
      world.options.now.getTime() - (index + 1) * 3_600_000,
      1000 + 37 * index,
    );
  }
  return { internalId: world.controlNode(), labels: ['ConsolidationControl'], properties };
}

const TASKS = ['decay', 'creative', 'cluster', 'forget', 'identity', 'full'] as const;

/** One run of consolidation, with its result as a JSON text. */
export function runNode(world: World, run: number): GraphNode {
  const random = world.random(Stream.run, run);
  const task = TASKS[run % TASKS.length] ?? 'decay';
  const start = world.options.now.getTime() - (world.runs - run) * 6 * 3_600_000;
  const started_at = isoTime(start, 1 + random.int(900_000));
  const completed_at = isoTime(start + random.int(30_000) + 1000, 1 + random.int(900_000));
  const success = run % 7 !== 3;
  const step: Value = {
    processed: world.options.memories,
    avg_relevance_before: 0.5,
    avg_relevance_after: random.fine(),
  };
  const result: ValueMap = {
    mode: task,
    dry_run: false,
    started_at,
    steps: { [task]: step },
    completed_at,
    success,
    ...(success ? {} : { error: `Query timed out: "MATCH (m:Memory) WHERE m.id = 'x\\y'"` }),
  };
  const properties: ValueMap = {
    id: random.hex(32),
    mode: task,
    task,
    success,
    dry_run: run % 9 === 5,
    started_at,
    completed_at,
  };
  return {
    internalId: world.runNode(run),
    labels: ['ConsolidationRun'],
    properties: { ...properties, result: pythonJson(result) },
  };
}

/** What enrichment saw in many memories of one type. */
export function patternNode(world: World, pattern: number): GraphNode {
  const random = world.random(Stream.pattern, 1000 + pattern);
  const type = world.patternTypes[pattern] ?? 'Memory';
  const terms = [...new Set([0, 1, 2, 3, 4].map(() => random.pick(world.topicOf(random.int(1000)).nouns)))];
  const observations = 3 + random.int(Math.max(3, Math.floor(world.options.memories / 20)));
  const created = world.options.now.getTime() - (300 + random.int(400)) * DAY;
  const properties: ValueMap = {
    type,
    id: world.patternId(pattern),
    content: `Pattern across ${observations - 2} ${type} memories highlighting ${terms.join(', ')}`,
    confidence: double(Math.min(0.95, Math.round((0.35 + 0.05 * observations) * 100) / 100)),
    observations,
    key_terms: terms,
    created_at: isoTime(created, 1 + random.int(999_999)),
  };
  // Set when a later memory strengthens it: the last pattern never was.
  if (pattern + 1 < world.patternTypes.length) properties.updated_at = isoTime(created + 200 * DAY, 77);
  return { internalId: world.patternNode(pattern), labels: ['Pattern'], properties };
}

/** The `id` of an entity's node, and the tag that memories about it carry. */
export function entityId({ category, name }: EntityFacts): string {
  return `entity:${category}:${slug(name)}`;
}

/** A person, project, tool and the like; old ones keep their aliases as a JSON text. */
export function entityNode(world: World, entity: EntityFacts): GraphNode {
  const random = world.random(Stream.entity, entity.index);
  const name = entity.name;
  const aliases = [name.toLowerCase(), name.toUpperCase()];
  const created = world.options.now.getTime() - (100 + random.int(500)) * DAY;
  const known = entity.index % 3 === 0;
  const properties: ValueMap = {
    id: entityId(entity),
    slug: slug(name),
    category: entity.category,
    name,
    aliases: entity.index % 11 === 4 ? pythonJson(aliases) : entity.index % 7 === 2 ? [] : aliases,
    ...(known ? { identity: `${name} comes up in work on "${world.topicOf(entity.index).name}".` } : {}),
    identity_version: known ? 1 + random.int(4) : 0,
    ...(known ? { identity_updated_at: isoTime(created + 50 * DAY, 1 + random.int(999_999)) } : {}),
    identity_source_count: random.int(40),
    created_at: isoTime(created, 1 + random.int(999_999)),
    last_referenced_at: isoTime(created + 90 * DAY, 1 + random.int(999_999)),
    ...(entity.index === world.entities.length - 1 ? { merged_into: 'entity:concepts:dark-mode' } : {}),
  };
  return { internalId: world.entityNode(entity.index), labels: ['Entity'], properties };
}

/** A summary of a cluster: a memory by label, but one that never has a point. */
export function metaNode(world: World, meta: number): GraphNode {
  const random = world.random(Stream.meta, 1_000_000 + meta);
  const members = membersOf(world, meta);
  const [first = 0] = members;
  const theme = memoryRecord(world, first).node.properties.content;
  const days = Math.floor((world.timeOf(members.at(-1) ?? first) - world.timeOf(first)) / DAY);
  const text = typeof theme === 'string' ? theme.slice(0, 100).toWellFormed() : '';
  const properties: ValueMap = {
    id: world.metaId(meta),
    content: `Meta-pattern: ${world.typeOf(first)} cluster with ${members.length} memories over ${days} days. Theme: ${text}`,
    type: 'MetaPattern',
    confidence: meta % 5 === 4 ? double(1) : 0.8,
    cluster_size: members.length,
    timestamp: isoTime(world.options.now.getTime() - (1 + random.int(200)) * DAY, 1 + random.int(999_999)),
    ...(meta % 2 === 0 ? { relevance_score: graphDouble(random.fine()) } : {}),
  };
  return { internalId: world.metaNode(meta), labels: ['Memory', 'MetaMemory'], properties };
}

/** From each summary to what it sums up. */
export function* metaLinks(world: World, meta: number): Generator<GraphRelationship> {
  for (const member of membersOf(world, meta)) {
    yield {
      source: world.metaNode(meta),
      target: world.memoryNode(member),
      type: 'SUMMARIZES',
      properties: {},
    };
  }
}

/** Memories of one topic, 4–12 of them where there are so many, oldest first. */
function membersOf(world: World, meta: number): number[] {
  const { memories } = world.options;
  const start = Math.floor((meta * memories) / world.metaMemories);
  const size = 4 + world.random(Stream.meta, 2_000_000 + meta).int(9);
  const topic = world.topicIndexOf(start);
  const members: number[] = [];
  for (let memory = start; memory < memories && memory < start + 400 && members.length < size; memory++) {
    if (world.topicIndexOf(memory) === topic) members.push(memory);
  }
  return members;
}

/** The share of memories that were there when entities were migrated into nodes. */
const MIGRATED = 0.2;

/** From each entity that a memory's tags name to the memory: only the migration of old memories makes these. */
export function* entityLinks(world: World, memory: number): Generator<GraphRelationship> {
  if (memory >= world.options.memories * MIGRATED) return;
  const { tags } = memoryRecord(world, memory).node.properties;
  if (!Array.isArray(tags)) return;
  for (const entity of world.entities) {
    if (!tags.includes(entityId(entity))) continue;
    const source = world.entityNode(entity.index);
    yield { source, target: world.memoryNode(memory), type: 'REFERENCED_IN', properties: {} };
  }
}
