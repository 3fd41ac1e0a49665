import { liveNodes, liveRelationships, nodeNames } from '../stores/graph/live-pages.js';
import { keyHash, nodeHashes, relationshipHash } from './graph-hash.js';
import { GraphMark } from './graph-mark.js';
import { LiveWatch } from '../stores/graph/live-watch.js';
import type { StepContext } from './step.js';

/** From here on, whatever the service writes to the live graph is noticed. The mark is yet to be filled. */
export async function beginMark(context: StepContext): Promise<GraphMark> {
  const { work } = context;
  work.mark = new GraphMark();
  work.watch?.close();
  work.watch = context.dryRun ? null : await LiveWatch.begin(context);
  return work.mark;
}

/**
 * Remembers which nodes the live graph has now. Those that are deleted before they are read would else come back from the
 * backup.
 */
export async function markNames({ graph, graphName, signal }: StepContext, mark: GraphMark): Promise<void> {
  for await (const page of nodeNames(graph, graphName)) {
    signal.throwIfAborted();
    for (const name of page) mark.nodes.set(name.internalId, { ...NOT_READ, key: keyHash(name), target: -1 });
  }
}

/** Hashes that no node has: whatever is read is new. */
const NOT_READ = { body: -1, access: -1 };

/**
 * For plans that do not carry the live graph over: remembers how it is, so that what is written from here on can be caught
 * up with, and nothing else.
 */
export async function markLiveGraph(context: StepContext): Promise<void> {
  const mark = await beginMark(context);
  const { graph, graphName } = context;
  if (context.dryRun || (await graph.kindOf(graphName)) !== 'graph') return;
  for await (const page of liveNodes(graph, graphName)) {
    context.signal.throwIfAborted();
    for (const node of page) mark.nodes.set(node.internalId, { ...nodeHashes(node), target: -1 });
  }
  for await (const page of liveRelationships(graph, graphName)) {
    context.signal.throwIfAborted();
    for (const { internalId, type, properties } of page)
      mark.relationships.set(internalId, { hash: relationshipHash(type, properties), from: -1, to: -1 });
  }
}
