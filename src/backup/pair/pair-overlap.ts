import type { IdSet } from './id-set.js';
import type { VectorsVerifier } from './verify-vectors.js';

/** How many ids of a gap are named. */
const MAX_IDS = 1000;

/** Ids of one half that the other lacks: how many there are, and the first of them. */
export interface IdGap {
  count: number;
  ids: string[];
}

/** Which memories of the graph half have a point in the vector half. */
export interface Overlap {
  /** Memories that have a point. */
  both: number;
  /** Memories that should have a point and have none that can be restored: to be embedded anew. */
  memoriesWithoutPoint: IdGap;
  /** Points of which the graph knows no memory. AutoMem leaves such behind; they are restored as they are. */
  pointsWithoutMemory: IdGap;
}

/** The memories of a graph half. */
export interface GraphIds {
  memoryIds: IdSet;
  /** By position of the id: 1 where the memory is meant to have a vector. */
  eligible: Uint8Array;
}

/** Compares the ids of two halves that were read to their ends. */
export function compareIds(graph: GraphIds, vectors: VectorsVerifier): Overlap {
  const memoriesWithoutPoint: IdGap = { count: 0, ids: [] };
  const pointsWithoutMemory: IdGap = { count: 0, ids: [] };
  let both = 0;
  for (let position = 0; position < graph.memoryIds.size; position++) {
    if (vectors.hasOf(graph.memoryIds, position)) both++;
    else if (graph.eligible[position] === 1) note(memoriesWithoutPoint, graph.memoryIds, position);
  }
  for (let position = 0; position < vectors.pointIds.size; position++) {
    if (graph.memoryIds.findOf(vectors.pointIds, position) < 0)
      note(pointsWithoutMemory, vectors.pointIds, position);
  }
  return { both, memoriesWithoutPoint, pointsWithoutMemory };
}

/** Whether the halves have nothing to do with each other. */
export function isDisjoint({ both, memoriesWithoutPoint, pointsWithoutMemory }: Overlap): boolean {
  return both === 0 && memoriesWithoutPoint.count > 0 && pointsWithoutMemory.count > 0;
}

function note(gap: IdGap, ids: IdSet, position: number): void {
  gap.count++;
  if (gap.ids.length < MAX_IDS) gap.ids.push(ids.at(position));
}
