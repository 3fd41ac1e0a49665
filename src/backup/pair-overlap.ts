import type { GraphVerifier } from './verify-graph.js';
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

/** Compares the ids of two halves that were read to their ends. */
export function compareIds(graph: GraphVerifier, vectors: VectorsVerifier): Overlap {
  const memoriesWithoutPoint: IdGap = { count: 0, ids: [] };
  const pointsWithoutMemory: IdGap = { count: 0, ids: [] };
  let both = 0;
  for (let position = 0; position < graph.memoryIds.size; position++) {
    const id = graph.memoryIds.at(position);
    if (vectors.has(id)) both++;
    else if (graph.isEligible(position)) note(memoriesWithoutPoint, id);
  }
  for (let position = 0; position < vectors.pointIds.size; position++) {
    const id = vectors.pointIds.at(position);
    if (graph.memoryIds.find(id) < 0) note(pointsWithoutMemory, id);
  }
  return { both, memoriesWithoutPoint, pointsWithoutMemory };
}

/** Whether the halves have nothing to do with each other. */
export function isDisjoint({ both, memoriesWithoutPoint, pointsWithoutMemory }: Overlap): boolean {
  return both === 0 && memoriesWithoutPoint.count > 0 && pointsWithoutMemory.count > 0;
}

function note(gap: IdGap, id: string): void {
  gap.count++;
  if (gap.ids.length < MAX_IDS) gap.ids.push(id);
}
