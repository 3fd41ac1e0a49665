import { openSink, type GraphSink } from './graph-sink.js';
import { NodeStager } from './node-stager.js';
import { recordingSink } from './restore/copy-record.js';
import { CopyStager } from './restore/copy-stager.js';
import type { Step, StepContext } from './step.js';

/**
 * Builds the nodes of the new graph under the staging key. Each source is asked in the order of its authority: what the
 * live graph still holds stands as it is; then the backup, where a memory that did not change comes back exactly as it
 * stood and one that changed takes what its payload says; the payloads alone give the rest. A restore copies the backup.
 */
export const stageNodes: Step = {
  id: 'stage-nodes',
  title: 'Stage nodes',
  writes: false,
  store: 'graph',
  async run(context) {
    const { work } = context;
    const writer = await context.openGraph();
    if (!context.dryRun) await dropStaging(context);
    const sink = openSink(writer, context.stagingKey, context.dryRun);
    work.sink = work.copy === null ? sink : recordingSink(sink, work.copy);
    const stager = await (work.copy === null ? build(context, work.sink) : copy(context, work.sink));
    work.restored.nodes = work.sink.written.nodes;
    work.restored.memories = stager.memories;
    return stager.describe();
  },
};

async function build(context: StepContext, sink: GraphSink): Promise<NodeStager> {
  const stager = new NodeStager(context, sink);
  for (const source of context.work.sources) await stager.takeSource(source);
  await stager.takeRemaining();
  await stager.finish();
  return stager;
}

async function copy(context: StepContext, sink: GraphSink): Promise<CopyStager> {
  const stager = new CopyStager(context, sink);
  await stager.run(context.work.sources);
  return stager;
}

/** A run that was killed may have left part of a staging graph under this key. */
async function dropStaging(context: StepContext): Promise<void> {
  if ((await context.graph.kindOf(context.stagingKey)) !== 'none') {
    await context.graph.command('remove an earlier staging graph', 'DEL', context.stagingKey);
  }
}
