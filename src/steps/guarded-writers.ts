import type { GraphStore } from '../stores/graph/graph-store.js';
import { LiveWriter } from '../stores/graph/live-writer.js';
import { VectorWriter } from '../stores/vectors/vector-writer.js';
import type { WriteOptions } from '../stores/vectors/write-batches.js';
import type { StepContext } from './step.js';

/**
 * A writer that changes a graph in place for as long as the lease is held. Where that lies beside the graph, the server
 * itself refuses what comes later.
 *
 * @param graph default: the live one
 */
export function liveWriter(
  { changes, graphName }: Pick<StepContext, 'changes' | 'graphName'>,
  store: GraphStore,
  graph = graphName,
): LiveWriter {
  return new LiveWriter(store, graph, {
    mayWrite: () => changes.mayWrite(),
    sending: (what, count) => changes.sending(what, count),
    watch: (connection) => changes.fence(connection, graphName),
  });
}

/** A writer of points that asks for the lease before the end of each request. */
export function vectorWriter(
  { changes, vectors }: Pick<StepContext, 'changes' | 'vectors'>,
  options: Omit<WriteOptions, 'guard'> = {},
): VectorWriter {
  return new VectorWriter(vectors, { ...options, guard: changes });
}
