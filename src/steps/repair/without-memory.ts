import { joinKey } from '../../memory/ids.js';
import { memoriesAmong } from '../../stores/graph/memories-among.js';
import { memoryIdRows } from '../../stores/graph/memory-rows.js';
import type { StepContext } from '../step.js';

/** From here on reading all ids is quicker: AutoMem's graph has no index, so that each id is looked for in every node. */
const FEW = 50;

/** Which of these joined ids no memory has at this moment: a service at work may have made one since the comparison. */
export async function withoutMemory(
  { graph, graphName, signal }: StepContext,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length <= FEW) {
    const there = await memoriesAmong(graph, graphName, ids);
    return ids.filter((id) => !there.has(id));
  }
  const left = new Set(ids);
  for await (const page of memoryIdRows(graph, graphName)) {
    signal.throwIfAborted();
    for (const { id } of page) if (id !== null) left.delete(joinKey(id));
  }
  return [...left];
}
