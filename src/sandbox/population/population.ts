import { Failure, ExitCode } from '../../failure.js';
import type { GraphNode, GraphRelationship, ValueMap } from '../../memory/values.js';
import { linksOf, parallelLinks } from './links.js';
import { memoryRecord } from './memory.js';
import {
  controlNode,
  entityId,
  entityLinks,
  entityNode,
  metaLinks,
  metaNode,
  patternNode,
  runNode,
} from './others.js';
import { World, type PopulationOptions } from './world.js';

export type { PopulationOptions } from './world.js';

/** A point as AutoMem upserts it. */
export interface PopulationPoint {
  /** UUID, the `id` of the Memory node. */
  id: string;
  /** Unit length; each number prints with the digits that a 32-bit float keeps. Do not change it: it is cached. */
  vector: readonly number[];
  payload: ValueMap;
}

/** A population: what it holds, and the parts themselves, made while they are read, as often as wanted. */
export interface Population {
  options: PopulationOptions;
  counts: { nodes: number; memories: number; metaMemories: number; points: number };
  /** In the order of their internal ids, which start at 0 and have no gaps. */
  nodes(): Generator<GraphNode>;
  /** Their ends are internal ids of `nodes()`. About 3.2 to a memory. */
  relationships(): Generator<GraphRelationship>;
  /** In the order of the memories. */
  points(): Generator<PopulationPoint>;
  /** The label and `id` of the node with an internal id, for nodes that relationships touch. */
  keyOf(internalId: number): { label: 'Entity' | 'Memory' | 'Pattern'; id: string };
}

/**
 * Makes a believable AutoMem population: the same options give the same data, byte for byte, on every machine.
 * Nothing is held: 100,000 memories take as much memory as 100.
 * @throws Failure when an option is out of range.
 */
export function populate(options: PopulationOptions): Population {
  check(options);
  const world = new World(options);
  const { memories } = options;
  let points = 0;
  for (let memory = 0; memory < memories; memory++) if (world.hasPoint(memory)) points++;
  return {
    options,
    counts: { nodes: world.nodes, memories, metaMemories: world.metaMemories, points },
    nodes: () => nodes(world),
    relationships: () => relationships(world),
    points: () => pointsOf(world),
    keyOf: (internalId) => keyOf(world, internalId),
  };
}

function* nodes(world: World): Generator<GraphNode> {
  yield controlNode(world);
  for (const entity of world.entities) yield entityNode(world, entity);
  for (let memory = 0; memory < world.options.memories; memory++) yield memoryRecord(world, memory).node;
  for (const pattern of world.patternTypes.keys()) yield patternNode(world, pattern);
  for (let meta = 0; meta < world.metaMemories; meta++) yield metaNode(world, meta);
  for (let run = 0; run < world.runs; run++) yield runNode(world, run);
}

function* relationships(world: World): Generator<GraphRelationship> {
  for (let memory = 0; memory < world.options.memories; memory++) {
    yield* linksOf(world, memory);
    yield* entityLinks(world, memory);
  }
  for (let meta = 0; meta < world.metaMemories; meta++) yield* metaLinks(world, meta);
  yield* parallelLinks(world);
}

function* pointsOf(world: World): Generator<PopulationPoint> {
  for (let memory = 0; memory < world.options.memories; memory++) {
    const { payload } = memoryRecord(world, memory);
    if (!payload) continue;
    yield { id: world.idOf(memory), vector: world.vectors.vectorOf(memory), payload };
  }
}

function keyOf(world: World, internalId: number): { label: 'Entity' | 'Memory' | 'Pattern'; id: string } {
  const entity = world.entities[internalId - world.entityNode(0)];
  if (entity) return { label: 'Entity', id: entityId(entity) };
  const memory = internalId - world.memoryNode(0);
  if (memory >= 0 && memory < world.options.memories) return { label: 'Memory', id: world.idOf(memory) };
  const pattern = internalId - world.patternNode(0);
  if (pattern >= 0 && pattern < world.patternTypes.length)
    return { label: 'Pattern', id: world.patternId(pattern) };
  return { label: 'Memory', id: world.metaId(internalId - world.metaNode(0)) };
}

function check({ memories, dim, seed, now }: PopulationOptions): void {
  const wrong =
    !Number.isSafeInteger(memories) || memories < 1
      ? 'memories must be a whole number from 1'
      : !Number.isInteger(dim) || dim < 2 || dim > 4096
        ? 'dim must be a whole number from 2 to 4096'
        : !Number.isInteger(seed) || seed < -(2 ** 31) || seed >= 2 ** 32
          ? 'seed must be a whole number of 32 bits'
          : Number.isNaN(now.getTime())
            ? 'now is no time'
            : null;
  if (wrong === null) return;
  throw new Failure({
    operation: 'make a population',
    subject: `memories ${memories}, dim ${dim}, seed ${seed}`,
    reason: wrong,
    hint: 'Give another number.',
    exitCode: ExitCode.usage,
    code: 'population-options',
  });
}
