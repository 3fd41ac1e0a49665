import { double, type Double, type GraphRelationship, type ValueMap } from '../../memory/values.js';
import { Random, Stream, weighted } from './random.js';
import { DAY } from './times.js';
import { THREAD_SPAN, type World } from './world.js';

/** What enrichment found out about one memory; its metadata and its relationships both say it. */
export interface Enrichment {
  /** Seconds since the memory was stored, and microseconds. */
  delay: number;
  micros: number;
  neighbours: { memory: number; score: number }[];
  /** Earlier memories, with how often enrichment saw them before this one. */
  temporal: { memory: number; count: number }[];
  /** Number of similar memories behind the pattern that this one exemplifies; 0 for none. */
  similarMemories: number;
}

const AUTHORED = [
  'RELATES_TO',
  'LEADS_TO',
  'OCCURRED_BEFORE',
  'PREFERS_OVER',
  'CONTRADICTS',
  'REINFORCES',
  'INVALIDATED_BY',
  'EVOLVED_INTO',
  'DERIVED_FROM',
  'PART_OF',
  'EXEMPLIFIES',
] as const;
const LEGACY = ['EXPLAINS', 'SHARES_THEME', 'PARALLEL_CONTEXT'] as const;
const KINDS = ['explains', 'shares_theme', 'parallel_context'] as const;
/** How many neighbours enrichment keeps where there are as many. */
const NEIGHBOUR_SHARES = [
  [0, 44],
  [1, 23],
  [2, 16],
  [3, 10],
  [4, 6],
  [5, 5],
] as const;

/** Enrichment looks for neighbours at least this similar. Source: ENRICHMENT_SIMILARITY_THRESHOLD. */
const SIMILAR = 0.8;

/**
 * What enrichment wrote about a memory, or null where it has not run: the newest ones, a few others, and those
 * without content.
 */
export function enrichmentOf(world: World, memory: number): Enrichment | null {
  const random = world.random(Stream.links, memory);
  const fresh = memory >= world.options.memories * 0.98;
  if (!world.hasPoint(memory) || fresh || random.chance(0.04)) return null;
  const wanted = weighted(random, NEIGHBOUR_SHARES);
  const temporal: Enrichment['temporal'] = [];
  const steps = weighted(random, [
    [0, 52],
    [1, 34],
    [2, 14],
  ] as const);
  for (let step = 1; step <= steps && memory - step >= 0; step++) {
    temporal.push({ memory: memory - step, count: random.chance(0.8) ? 1 : 2 + random.int(4) });
  }
  return {
    delay: 1 + random.int(90),
    micros: 1 + random.int(999_999),
    neighbours: neighboursOf(world, memory, wanted),
    temporal,
    similarMemories: random.chance(0.09) ? 3 + random.int(12) : 0,
  };
}

/** Looked for among the memories that say nearly the same: of the others, hardly any two are so similar. */
function neighboursOf(world: World, memory: number, wanted: number): Enrichment['neighbours'] {
  const found: Enrichment['neighbours'] = [];
  const thread = world.threadOf(memory);
  if (thread === null || wanted === 0) return found;
  const first = memory - (memory % THREAD_SPAN);
  for (let other = memory - 1; other >= first && found.length < wanted; other--) {
    if (world.threadOf(other) !== thread || !world.hasPoint(other)) continue;
    const score = world.vectors.similarity(memory, other);
    if (score >= SIMILAR) found.push({ memory: other, score });
  }
  return found.sort((a, b) => b.score - a.score);
}

/** Every relationship that a memory brings along: what enrichment, its author and consolidation made of it. */
export function* linksOf(world: World, memory: number): Generator<GraphRelationship> {
  const enrichment = enrichmentOf(world, memory);
  if (enrichment) yield* enrichedLinks(world, memory, enrichment);
  const random = new Random(world.options.seed ^ 0x5bd1e995, Stream.links, memory);
  yield* authoredLinks(world, memory, random);
  yield* consolidatedLinks(world, memory, random);
}

function* enrichedLinks(world: World, memory: number, enrichment: Enrichment): Generator<GraphRelationship> {
  const source = world.memoryNode(memory);
  const time = world.timeOf(memory);
  const at = (step: number) =>
    world.after(time, enrichment.delay, (enrichment.micros + 37 * step) % 1_000_000);
  for (const [rank, { memory: other, score }] of enrichment.neighbours.entries()) {
    const properties = { score: double(score), updated_at: at(rank) };
    const target = world.memoryNode(other);
    yield { source, target, type: 'SIMILAR_TO', properties };
    yield { source: target, target: source, type: 'SIMILAR_TO', properties };
  }
  for (const { memory: other, count } of enrichment.temporal) {
    const properties = { count, updated_at: at(7) };
    yield { source, target: world.memoryNode(other), type: 'PRECEDED_BY', properties };
  }
  if (enrichment.similarMemories > 0) {
    const pattern = world.patternTypes.indexOf(world.typeOf(memory));
    const properties = { confidence: patternConfidence(enrichment.similarMemories), updated_at: at(9) };
    yield { source, target: world.patternNode(pattern), type: 'EXEMPLIFIES', properties };
  }
}

function patternConfidence(similarMemories: number): number | Double {
  return double(Math.min(0.95, Math.round((0.35 + 0.05 * similarMemories) * 100) / 100));
}

function* authoredLinks(world: World, memory: number, random: Random): Generator<GraphRelationship> {
  const raw = world.hardCaseOf(memory)?.edge;
  const count = raw
    ? 2
    : weighted(random, [
        [0, 50],
        [1, 38],
        [2, 12],
      ] as const);
  const seen = new Set<string>();
  for (let index = 0; index < count; index++) {
    const target = otherMemory(world, memory, random);
    const type = AUTHORED[(memory + 5 * index + random.int(2)) % AUTHORED.length] ?? 'RELATES_TO';
    const properties = { ...authoredProperties(world, memory, type, random), ...raw };
    if (target === null || seen.has(`${type} ${target}`)) continue;
    seen.add(`${type} ${target}`);
    yield { source: world.memoryNode(memory), target: world.memoryNode(target), type, properties };
  }
}

/** MERGE makes no second edge, but older versions and restores did: here are a twin and one that differs. */
export function* parallelLinks(world: World): Generator<GraphRelationship> {
  const [first, second] = [Math.floor(world.options.memories / 2), Math.floor(world.options.memories / 3)];
  if (first === second) return;
  const edge = { source: world.memoryNode(first), target: world.memoryNode(second), type: 'RELATES_TO' };
  const updated_at = world.after(world.timeOf(first), 3600);
  yield { ...edge, properties: { strength: 0.5, updated_at } };
  yield { ...edge, properties: { strength: 0.5, updated_at } };
  yield { ...edge, properties: { strength: double(1), updated_at } };
}

function otherMemory(world: World, memory: number, random: Random): number | null {
  const { memories } = world.options;
  const near = memory - 40 + random.int(81);
  const target = random.chance(0.7) && near >= 0 && near < memories ? near : random.int(memories);
  return target === memory ? null : target;
}

function authoredProperties(world: World, memory: number, type: string, random: Random): ValueMap {
  const time = world.after(world.timeOf(memory), 60 + random.int(86_400 * 3), random.int(1_000_000));
  const base: ValueMap = { strength: double((1 + random.int(10)) / 10), updated_at: time };
  const topic = world.topicOf(memory);
  const confidence = double((5 + random.int(6)) / 10);
  const reason = random.pick(topic.reasons);
  switch (type) {
    case 'PREFERS_OVER':
      return { ...base, context: topic.name, reason };
    case 'CONTRADICTS':
      return { ...base, resolution: random.pick(topic.actions), reason };
    case 'REINFORCES':
      return { ...base, observations: 1 + random.int(9) };
    case 'INVALIDATED_BY':
      return { ...base, reason, timestamp: time };
    case 'EVOLVED_INTO':
      return { ...base, confidence, reason };
    case 'DERIVED_FROM':
      return { ...base, transformation: random.pick(['summary', 'split', 'merge']), confidence };
    case 'PART_OF':
      return { ...base, role: random.pick(['step', 'cause', 'detail']), context: topic.name };
    case 'EXEMPLIFIES':
      return { ...base, pattern_type: random.pick(topic.tags), confidence };
    default:
      return base;
  }
}

function* consolidatedLinks(world: World, memory: number, random: Random): Generator<GraphRelationship> {
  const discovered = random.chance(0.1);
  const contradicts = random.chance(0.01);
  const old = memory < world.options.memories * 0.2 && random.chance(0.12);
  const source = world.memoryNode(memory);
  const similarity = 0.5 + Number((0.45 * random.fine()).toPrecision(14));
  const found = { confidence: graphDouble(similarity), similarity: graphDouble(similarity) };
  const updated_at = world.after(
    world.timeOf(memory),
    DAY / 1000 + random.int(86_400),
    1 + random.int(999_999),
  );
  const pairs: [boolean, string, ValueMap][] = [
    [discovered, 'DISCOVERED', { updated_at, origin: 'consolidation', kind: random.pick(KINDS), ...found }],
    [contradicts, 'CONTRADICTS', { updated_at, ...found }],
    [old, LEGACY[memory % 3] ?? 'EXPLAINS', { ...found, updated_at }],
  ];
  for (const [wanted, type, properties] of pairs) {
    const target = random.int(world.options.memories);
    if (wanted && target !== memory) yield { source, target: world.memoryNode(target), type, properties };
  }
}

/** A double as FalkorDB gives it back: it prints with `%.15g`. */
export function graphDouble(value: number): number | Double {
  return double(Number(value.toPrecision(15)));
}

/**
 * A double of 16 or 17 digits whose 15-digit form does not change when its last bit does: Qdrant's JSON reader may be
 * off by that much, and a graph rebuilt from the payload must not show it.
 */
export function steadyDouble(random: Random, low: number, high: number): number {
  for (;;) {
    const value = low + (high - low) * random.fine();
    const slack = 2 * Number.EPSILON * value;
    if ((value - slack).toPrecision(15) === (value + slack).toPrecision(15)) return value;
  }
}
