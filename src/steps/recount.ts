import { ExitCode, Failure } from '../failure.js';
import type { GraphTotals } from '../stores/graph/graph-store.js';
import { GraphMark } from './graph-mark.js';
import { demoteGraph } from './demote-graph.js';
import type { Step, StepContext } from './step.js';

/**
 * What a service at work may have deleted within the moment since the swap: this many, or this part of all. The defect that
 * the step looks for takes a whole graph, or most of it.
 */
const FEW = 5;
const PART = 0.01;
/** Relationships that go with a memory that is deleted. */
const RELATIONSHIPS_A_NODE = 20;

/**
 * Counts the promoted graph again. There is a report of renamed large graphs that load empty in another engine build;
 * should that ever happen, the replaced graph goes back at once. A run that goes on later puts nothing back: by then the
 * service has worked on the new graph, perhaps for days.
 *
 * The service may be writing by now. What it adds gets internal ids beyond those of the staged nodes (or of deleted ones),
 * so only staged ids are counted; more relationships than were staged are no fault; and a few records less are what it
 * deleted. Only where far more is missing, the graph is taken for defective.
 */
export const recount: Step = {
  id: 'recount',
  title: 'Count again',
  writes: true,
  store: 'graph',
  async run(context) {
    const { restored } = context.work;
    const found = await countStaged(context);
    const missing = {
      nodes: restored.nodes - found.nodes,
      memories: restored.memories - found.memories,
      relationships: restored.relationships - found.relationships,
    };
    if (isPlausible(missing, restored)) return describe(found, missing);
    if (!context.work.swappedHere) return leaveAsItIs(context, found, missing);
    const kept = await demoteGraph(context);
    const aside = kept === null ? '' : ` What was live meanwhile is kept as "${kept}".`;
    throw new Failure({
      operation: 'count the promoted graph again',
      subject: context.graphName,
      reason: `${restored.nodes} nodes and ${restored.relationships} relationships were validated, ${found.nodes} and ${found.relationships} of them are live`,
      hint: `The replaced graph was put back.${aside} Look at the log of the graph server for errors, then run the command again.`,
      exitCode: ExitCode.failed,
      code: 'promoted-differs',
    });
  },
};

function leaveAsItIs(context: StepContext, found: GraphTotals, missing: GraphTotals): string {
  const { restored } = context.work;
  const told = describe(found, missing, 'than were staged');
  context.notice(
    `${restored.nodes} nodes and ${restored.relationships} relationships were validated before the swap; ${told}. The service has had the new graph since the run was stopped, so it stays live; the checks tell how it is.`,
  );
  return told;
}

async function countStaged({ graph, graphName, work, checkpoints }: StepContext): Promise<GraphTotals> {
  const totals = await graph.totals(graphName);
  const limit = (work.mark ?? (await GraphMark.load(checkpoints)))?.limit ?? 0;
  // Nothing was added, or nothing is known of what was staged.
  if (limit === 0 || totals.nodes <= work.restored.nodes) return totals;
  const nodes = await graph.scalar(graphName, `MATCH (n) WHERE id(n) < ${limit} RETURN count(n)`);
  return { ...totals, nodes };
}

function isPlausible(missing: GraphTotals, staged: GraphTotals): boolean {
  const allowed = (count: number): number => Math.max(FEW, Math.ceil(count * PART));
  const deleted = Math.max(0, missing.nodes, missing.memories);
  return (
    missing.nodes <= allowed(staged.nodes) &&
    missing.memories <= allowed(staged.memories) &&
    missing.relationships <= allowed(staged.relationships) + deleted * RELATIONSHIPS_A_NODE
  );
}

function describe(
  found: GraphTotals,
  missing: GraphTotals,
  why = 'than were staged, as few as the service may have deleted',
): string {
  const live = `${found.nodes} nodes and ${found.relationships} relationships are live`;
  const gone = Object.entries(missing).filter(([what, count]) => what !== 'memories' && count > 0);
  return gone.length === 0
    ? live
    : `${live}; ${gone.map(([what, count]) => `${count} ${what}`).join(' and ')} less ${why}`;
}
