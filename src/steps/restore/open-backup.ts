import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { BackupFile } from '../../backup/types.js';
import { beginMark, markLiveGraph } from '../live-mark.js';
import { BackupSource, LiveSource } from '../node-source.js';
import { pairInUse } from '../pair-in-use.js';
import { SourceIndex } from '../source-index.js';
import type { Step, StepContext } from '../step.js';
import { CopyRecord } from './copy-record.js';
import { CopyVersions } from './copy-versions.js';

/**
 * Opens the graph half of the verified backup as what the new graph is made of: of it alone, exactly as it was written, or
 * with --merge of the live graph and what that lacks. The collection is not asked: a memory without a point comes back too.
 */
export const openBackup: Step = {
  id: 'open-backup',
  title: 'Open the backup',
  writes: false,
  store: 'graph',
  async run(context) {
    const { work, graphName, options } = context;
    const { archive, file, counts } = graphHalf(context);
    work.index = new SourceIndex();
    work.sources = [];
    if (options.merge) await addLiveGraph(context);
    // What stands in the live graph is replaced; only what is written to it from here on is brought over.
    else await markLiveGraph(context);
    work.copy = new CopyRecord(hasNothingToLose(context) ? null : new CopyVersions());
    work.sources.push(new BackupSource(archive, file, graphName, counts));
    const nodes =
      counts.nodes === null ? '' : `: ${counts.nodes} nodes, ${counts.relationships ?? 0} relationships`;
    return `${file.path}${nodes}`;
  },
};

/** No node stood in the live graph when it was marked: what comes to stand in it later is caught up with. */
function hasNothingToLose({ work, options, dryRun }: StepContext): boolean {
  return !dryRun && !options.merge && work.mark?.nodes.end === 0;
}

/** What the live graph holds stands as it is; the backup adds to it. */
async function addLiveGraph(context: StepContext): Promise<void> {
  const mark = await beginMark(context);
  const { graph, graphName, work } = context;
  if ((await graph.kindOf(graphName)) !== 'graph') return;
  const totals = await graph.totals(graphName);
  if (totals.nodes === 0) return;
  context.notice(`The live graph holds ${totals.nodes} nodes; they stay as they are.`);
  work.sources.push(new LiveSource(await context.openGraph(), graphName, totals, mark));
}

function graphHalf(context: StepContext): {
  archive: Archive;
  file: BackupFile;
  counts: { nodes: number | null; relationships: number | null };
} {
  const { archive } = context;
  const pair = pairInUse(context);
  if (archive !== null && pair?.graph != null)
    return { archive, file: pair.graph, counts: pair.counts ?? { nodes: null, relationships: null } };
  throw new Failure({
    operation: 'open the backup',
    subject: pair?.timestamp ?? 'no backup',
    reason: 'its graph half is missing or cannot be used',
    hint: 'Name another with --backup TIMESTAMP, or restore its vectors alone with --only vectors.',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-half-missing',
  });
}
