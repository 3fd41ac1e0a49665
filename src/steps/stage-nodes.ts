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
