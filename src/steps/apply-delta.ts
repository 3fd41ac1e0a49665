import { ExitCode, Failure } from '../failure.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { applyNodes, deleteGone, type DeltaTally, type DeltaTarget } from './delta-nodes.js';
import { applyRelationships } from './delta-relationships.js';
import { nodeChanges, relationshipChanges, type NodeChanges } from './graph-delta.js';
import { liveWriter } from './guarded-writers.js';
import type { StepContext } from './step.js';
import type { GraphMark } from './graph-mark.js';

/** With fewer nodes than these gone, it is nothing unusual. */
const FEW_NODES = 10;

export interface DeltaOptions {
  /** The graph that is read, and held against the mark. */
  from: string;
  /** The graph that is brought up to it. */
  to: string;
  mark: GraphMark;
  /**
   * False: `to` is the staging graph, which nobody else writes to, and `from` the live one. True: `to` is the new live
   * graph, which the service writes to, and `from` the replaced one, which nobody writes to any more.
   */
  swapped: boolean;
}

/**
 * Reads a graph again, brings what changed since the mark to another one, and the mark up to date. Whatever was done
 * already, by a run that was killed perhaps, is found done.
 *
 * @returns what was done
 * @throws Failure `source-incomplete` where a graph at rest cannot be read completely; then nothing is changed
 */
export async function applyDelta(
  context: Pick<StepContext, 'openGraph' | 'quarantine' | 'notice' | 'changes' | 'graphName'>,
  { from, to, mark, swapped }: DeltaOptions,
): Promise<DeltaTally> {
  const store = await context.openGraph();
  try {
    const target: DeltaTarget = {
      context,
      store,
      writer: liveWriter(context, store, to),
      mark,
      isShared: swapped,
      tally: emptyTally(),
    };
    const nodes = await nodeChanges(store, from, mark);
    if (swapped) await expectRead(store, from, 'nodes', nodes.read);
    const lost = isLoss(nodes, mark.nodes.count);
    if (lost) tellLoss(context, nodes.gone.length);
    await applyNodes(target, nodes);
    const relationships = await relationshipChanges(store, from, mark);
    if (swapped) await expectRead(store, from, 'relationships', relationships.read);
    if (lost) {
      relationships.gone = [];
      for (const fresh of relationships.fresh) fresh.old = null;
    }
    await applyRelationships(target, relationships);
    if (!lost) await deleteGone(target, nodes.gone);
    return target.tally;
  } finally {
    store.close();
  }
}

export function emptyTally(): DeltaTally {
  return {
    nodesCreated: 0,
    nodesChanged: 0,
    nodesDeleted: 0,
    relationshipsCreated: 0,
    relationshipsChanged: 0,
    relationshipsDeleted: 0,
  };
}

export function addTally(a: DeltaTally, b: DeltaTally): DeltaTally {
  const names = Object.keys(a) as (keyof DeltaTally)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as DeltaTally;
}

/** @returns null where nothing was done */
export function describeTally(tally: DeltaTally): string | null {
  const { nodesCreated, nodesChanged, nodesDeleted } = tally;
  const { relationshipsCreated, relationshipsChanged, relationshipsDeleted } = tally;
  const parts = [
    ...partsOf('nodes', nodesCreated, nodesChanged, nodesDeleted),
    ...partsOf('relationships', relationshipsCreated, relationshipsChanged, relationshipsDeleted),
  ];
  return parts.length === 0 ? null : parts.join(', ');
}

function partsOf(what: string, made: number, changed: number, deleted: number): string[] {
  const counts = [
    [made, 'new'],
    [changed, 'changed'],
    [deleted, 'deleted'],
  ] as const;
  return counts.filter(([count]) => count > 0).map(([count, how]) => `${count} ${what} ${how}`);
}

/** Half a graph that vanishes within a run was lost or emptied again, not deleted memory by memory. */
function isLoss({ gone }: NodeChanges, marked: number): boolean {
  return gone.length >= FEW_NODES && gone.length * 2 >= marked;
}

function tellLoss({ notice }: Pick<StepContext, 'notice'>, count: number): void {
  notice(
    `${count} nodes vanished from the live graph during the run, too many to have been deleted one by one: it was lost or emptied again. What was read of them is kept.`,
  );
}

/** Nobody writes to the graph, so what was read must be all there is. */
async function expectRead(
  store: GraphStore,
  graph: string,
  what: 'nodes' | 'relationships',
  read: number,
): Promise<void> {
  const { [what]: counted } = await store.totals(graph);
  if (counted === read) return;
  throw new Failure({
    operation: 'read the replaced graph completely',
    subject: graph,
    reason: `${read} ${what} were read where ${counted} were counted`,
    hint: 'The new graph is live and the replaced one is kept. See that nothing writes to the replaced one, then go on with: lifeboat runs resume',
    exitCode: ExitCode.failed,
    code: 'source-incomplete',
  });
}
