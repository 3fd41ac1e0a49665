import { BackupSource, LiveSource, type NodeSource } from './node-source.js';
import type { StepContext } from './step.js';

/**
 * Opens the graphs that nodes are taken from, in the order of their authority: the live graph, then the backup. Reading
 * the backup begins at once and goes on while the collection is read.
 */
export async function openSources(context: StepContext): Promise<NodeSource[]> {
  const { assessment, backup, archive, graphName } = context;
  const sources: NodeSource[] = [];
  // From here on, whatever is written to the live graph, be it one property, makes the server refuse the swap.
  if (!context.dryRun) await context.graph.command('watch the live graph', 'WATCH', graphName);
  const live =
    (await context.graph.kindOf(graphName)) === 'graph' ? await context.graph.totals(graphName) : null;
  context.work.liveBefore =
    live === null ? 'none' : `${live.nodes} nodes, ${live.relationships} relationships`;
  if (live !== null && live.nodes > 0) {
    context.notice(`The live graph still holds ${live.nodes} nodes; they are carried over as they are.`);
    sources.push(new LiveSource(await context.openGraph(), graphName, live));
  }
  if (backup?.graph != null && archive !== null) {
    const counts = backup.counts ?? { nodes: null, relationships: null };
    sources.push(new BackupSource(archive, backup.graph, graphName, counts));
  } else {
    context.work.losses.push(
      `No backup was used: relationships that no payload hints at, nodes that are not memories and graph-only properties (${GRAPH_ONLY}) of ${assessment.vectors.points} memories could not be brought back.`,
    );
  }
  return sources;
}

const GRAPH_ONLY = 'summary, enriched, enriched_at, protected, archived_at, last access';
