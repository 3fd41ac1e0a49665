import type { GraphStore } from '../stores/graph/graph-store.js';

/** Where the graph that a run made is kept after the run was undone, until it is let go of. */
export function undoneKey(graph: string, run: string, round = 1): string {
  return `{${graph}}:undone:${run}${round === 1 ? '' : `:${round}`}`;
}

/** A run may be undone more than once: what is kept of it already is never overwritten. */
export async function freeUndoneKey(store: GraphStore, graph: string, run: string): Promise<string> {
  return undoneKey(graph, run, (await undoneGraphs(store, graph, run)).length + 1);
}

/** The graphs that are kept of a run that was undone, oldest first. */
export async function undoneGraphs(store: GraphStore, graph: string, run: string): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const key = undoneKey(graph, run, found.length + 1);
    if ((await store.kindOf(key)) === 'none') return found;
    found.push(key);
  }
}
