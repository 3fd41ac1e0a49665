import type { MemoryIds } from '../differences.js';
import type { StepContext } from '../step.js';
import { canBePoint, setAside } from './write-points.js';

/** Those of a selection that can get a vector: not yet refused, and under an id that Qdrant takes. */
export function stillWanted(context: StepContext, selection: MemoryIds): MemoryIds {
  const { refusedVectors: refused } = context.work;
  const wanted: MemoryIds = new Map();
  for (const [key, internalId] of selection) {
    if (refused.has(key)) continue;
    if (canBePoint(key)) wanted.set(key, internalId);
    else setAside(context, key, 'Qdrant takes no such id: neither a UUID nor a whole number');
  }
  return wanted;
}

/** The memory has its vector now. */
export function forget({ work }: StepContext, key: string): void {
  for (const kind of ['missing', 'changed', 'placeholders'] as const) work.differences?.[kind].delete(key);
}
