import { ExitCode, Failure } from '../../failure.js';
import { deterministicVector } from '../../memory/deterministic-vector.js';
import { double, type ValueMap } from '../../memory/values.js';
import { memoryRecord } from './memory.js';
import { Random, Stream, weighted } from './random.js';
import { tagPrefixes } from './tags.js';
import { writeText } from './text.js';
import { isoTime } from './times.js';
import { TOPICS, TYPE_SHARES } from './words.js';
import type { PopulationPoint } from './population.js';
import { World, type PopulationOptions } from './world.js';

/** A memory that was changed or stored after the backup: what is set on its node, and its whole point. */
export interface LaterMemory {
  /** Of a new memory all properties, of a changed one those that changed; `id` is among them either way. */
  properties: ValueMap;
  point: PopulationPoint;
}

/**
 * Memories whose content was changed after `options.now`, as PATCH does it: content and time in the graph, and a point
 * with a new vector and a new payload. They are spread over the population, and none is a hard case: those stay as they are.
 *
 * Enrichment has not run again, so that nothing but a payload is needed to know them.
 *
 * @param count how many; the same ones for the same options.
 * @throws Failure when the population has not so many that can be changed.
 */
export function changedLater(options: PopulationOptions, count: number): LaterMemory[] {
  const world = new World(options);
  const { memories } = options;
  const able = Array.from({ length: count === 0 ? 0 : memories }, (_, memory) => memory).filter(
    (memory) => world.hardCaseOf(memory) === null,
  );
  if (able.length < count) throw tooMany(count, able.length);
  return Array.from({ length: count }, (_, index) => {
    const memory = able[Math.floor(((index + 0.5) * able.length) / count)] ?? 0;
    return changed(world, memory, index);
  });
}

function changed(world: World, memory: number, index: number): LaterMemory {
  const random = world.random(Stream.later, index);
  const { node, payload: before } = memoryRecord(world, memory);
  const more = writeText(random, world.topicOf(memory), world.typeOf(memory)).text;
  const set: ValueMap = {
    id: world.idOf(memory),
    content: `${world.contentOf(memory) ?? ''} Changed since: ${more}`,
    updated_at: laterTime(world.options, index, random),
    processed: false,
  };
  const all: ValueMap = { ...node.properties, ...set };
  const payload: ValueMap = {
    ...nineOf(all, before?.metadata ?? {}),
    tag_prefixes: all.tag_prefixes ?? [],
    t_valid: all.t_valid ?? null,
    t_invalid: all.t_invalid ?? null,
  };
  return { properties: set, point: pointOf(world.options, payload, world.idOf(memory)) };
}

/**
 * Memories that were stored after `options.now`, in the usual way: queued, and not enriched yet. Their ids are those of
 * no memory of the population.
 */
export function storedLater(options: PopulationOptions, count: number): LaterMemory[] {
  return Array.from({ length: count }, (_, index) => {
    const random = new Random(options.seed, Stream.later, -1 - index);
    const topic = random.pick(TOPICS);
    const type = weighted(random, TYPE_SHARES);
    const { text } = writeText(random, topic, type);
    const timestamp = laterTime(options, index, random);
    const tags = [...topic.tags];
    const id = random.uuid();
    const node: ValueMap = {
      id,
      content: `${text} Noted as number ${index + 1} since the backup.`,
      tags,
      importance: double(0.5 + random.int(5) / 10),
      timestamp,
      type,
      confidence: double(0.9),
      updated_at: timestamp,
      last_accessed: timestamp,
    };
    const extras = { tag_prefixes: tagPrefixes(tags), metadata: '{}', t_valid: timestamp, processed: false };
    const payload = {
      ...nineOf(node, {}),
      tag_prefixes: extras.tag_prefixes,
      relevance_score: null,
    };
    return { properties: { ...node, ...extras }, point: pointOf(options, payload, id) };
  });
}

/** Within the hour after the backup, later for later ones. */
function laterTime({ now }: PopulationOptions, index: number, random: Random): string {
  return isoTime(now.getTime() + 1_000 * (60 + (index % 3_000)), 1 + random.int(999_999));
}

/** The nine fields that every way of writing leaves in a payload. */
function nineOf(node: ValueMap, metadata: ValueMap[string]): ValueMap {
  const { content, tags, importance, timestamp, type, confidence, updated_at, last_accessed } = node;
  const fields = { content, tags, importance, timestamp, type, confidence, updated_at, last_accessed };
  return { ...(fields as ValueMap), metadata };
}

function pointOf({ dim }: PopulationOptions, payload: ValueMap, id: string): PopulationPoint {
  const content = typeof payload.content === 'string' ? payload.content : '';
  return { id, vector: deterministicVector(content, dim), payload };
}

function tooMany(count: number, able: number): Failure {
  return new Failure({
    operation: 'change memories after the backup',
    subject: `${count} memories`,
    reason: `only ${able} of the population can be changed`,
    hint: 'Give a smaller number, or fill with more memories.',
    exitCode: ExitCode.usage,
    code: 'population-options',
  });
}
