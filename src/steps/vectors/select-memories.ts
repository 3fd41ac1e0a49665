import { MEMORY_LABEL } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import type { GraphNode, Value, ValueMap } from '../../memory/values.js';
import { PAGE_ROWS } from '../../stores/graph/graph-store.js';
import { batches, nodesAt } from '../../stores/graph/live-pages.js';
import type { MemoryIds } from '../differences.js';
import type { StepContext } from '../step.js';

/** A memory as the live graph holds it. */
export interface SelectedMemory {
  /** Joined id. */
  key: string;
  internalId: number;
  properties: ValueMap;
}

type Graph = Pick<StepContext, 'graph' | 'graphName'>;

/** Of a page's nodes; with fewer than that selected, they are asked for one by one. */
const DENSE = PAGE_ROWS / 4;

/**
 * The memories of a selection with all their properties, page by page in the order of their internal ids. Only pages of
 * the graph that hold one of them are read. A memory that was deleted meanwhile, or whose node another one took, is left
 * out.
 */
export async function* selectMemories(
  { graph, graphName, signal }: Graph & Pick<StepContext, 'signal'>,
  selection: MemoryIds,
): AsyncGenerator<SelectedMemory[]> {
  const pages = Map.groupBy(selection.values(), (id) => Math.floor(id / PAGE_ROWS));
  for (const page of [...pages.keys()].sort((a, b) => a - b)) {
    signal.throwIfAborted();
    const ids = pages.get(page) ?? [];
    const nodes =
      ids.length >= DENSE
        ? await graph.nodesBetween(graphName, page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
        : (await nodesAt(graph, graphName, ids)).values();
    yield selected(nodes, selection);
  }
}

/** As {@link selectMemories}, for a few of them, as they are at this moment: by joined id. */
export async function memoriesNow(
  { graph, graphName }: Graph,
  selection: MemoryIds,
): Promise<Map<string, SelectedMemory>> {
  const nodes = await nodesAt(graph, graphName, [...selection.values()]);
  return new Map(selected(nodes.values(), selection).map((memory) => [memory.key, memory]));
}

function selected(nodes: Iterable<GraphNode>, selection: MemoryIds): SelectedMemory[] {
  const found: SelectedMemory[] = [];
  for (const { labels, properties, internalId } of nodes) {
    const { id } = properties;
    if (!labels.includes(MEMORY_LABEL) || !canJoin(id)) continue;
    const key = joinKey(id);
    if (selection.get(key) === internalId) found.push({ key, internalId, properties });
  }
  return found;
}

/** A text, or an integer as points may have it, too. */
function canJoin(id: Value | undefined): id is string | number | bigint {
  return typeof id === 'string' || typeof id === 'bigint' || Number.isSafeInteger(id);
}

const BATCH = 500;

/** The contents of some memories by joined id, many times quicker than whole nodes. Those that are gone are left out. */
export async function contentsNow(
  { graph, graphName }: Graph,
  selection: MemoryIds,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const ids of batches([...selection.values()], BATCH)) {
    const rows = await graph.textRows(
      graphName,
      `UNWIND [${ids.join(',')}] AS i MATCH (n) WHERE id(n) = i AND typeOf(n.content) = 'String' RETURN id(n), n.id, n.content`,
    );
    for (const [internalId, id, content] of rows) {
      const key = joinKey(id ?? '');
      if (content != null && selection.get(key) === Number(internalId)) contents.set(key, content);
    }
  }
  return contents;
}
