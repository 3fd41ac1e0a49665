import { BackupSource, LiveSource } from './node-source.js';
import { openSink } from './graph-sink.js';
import { NodeStager } from './node-stager.js';
import type { Step, StepContext } from './step.js';

/**
 * Builds the nodes of the new graph under the staging key. Each source is asked in the order of its authority: what the
 * live graph still holds stands as it is; then the backup, where a memory that did not change comes back exactly as it
 * stood and one that changed takes what its payload says; the payloads alone give the rest.
 */
export const stageNodes: Step = {
  id: 'stage-nodes',
  title: 'Stage nodes',
  writes: false,
  async run(context) {
    const { work } = context;
    const writer = await context.openGraph();
    if (!context.dryRun) await dropStaging(context);
    work.sources = await openSources(context);
    work.sink = openSink(writer, context.stagingKey, context.dryRun);
    const stager = new NodeStager(context, work.sink);
    for (const source of work.sources) await stager.takeSource(source);
    await stager.takeRemaining();
    await stager.finish();
    work.restored.nodes = work.sink.written.nodes;
    work.restored.memories = stager.memories;
    return stager.describe();
  },
};

/** A run that was killed may have left part of a staging graph under this key. */
async function dropStaging(context: StepContext): Promise<void> {
  if ((await context.graph.kindOf(context.stagingKey)) !== 'none') {
    await context.graph.command('remove an earlier staging graph', 'DEL', context.stagingKey);
  }
}

async function openSources(context: StepContext): Promise<StepContext['work']['sources']> {
  const { assessment, backup, archive, graphName } = context;
  const sources: StepContext['work']['sources'] = [];
  const live = (await context.graph.kindOf(graphName)) === 'graph' ? await context.graph.survey(graphName) : null;
  context.work.liveBefore = live === null ? 'none' : `${live.nodes} nodes, ${live.relationships} relationships`;
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
