import { undecrypted } from '../backup/decrypting-archive.js';
import { readManifest } from '../backup/manifest.js';
import { hasLost, salvagedFrom, salvagedSays } from '../backup/pair/salvaged.js';
import type { BackupPair } from '../backup/types.js';
import type { Archive } from '../stores/archive/archive.js';
import { BackupSource, LiveSource, type NodeSource } from './node-source.js';
import { takeUpEarlierSwap } from './earlier-swap.js';
import { beginMark, markNames } from './live-mark.js';
import type { StepContext } from './step.js';
import { tellLossOnce } from './vectors/losses.js';

/**
 * Opens the graphs that nodes are taken from, in the order of their authority: the live graph, then the backup. Reading
 * the backup begins at once and goes on while the collection is read. What the service writes from here on is caught up
 * with before and after the swap.
 */
export async function openSources(context: StepContext): Promise<NodeSource[]> {
  const { backup, archive, graphName } = context;
  const sources: NodeSource[] = [];
  if (!context.dryRun) await takeUpEarlierSwap(context);
  const mark = await beginMark(context);
  const live =
    (await context.graph.kindOf(graphName)) === 'graph' ? await context.graph.totals(graphName) : null;
  if (live !== null && live.nodes > 0) {
    context.notice(`The live graph still holds ${live.nodes} nodes; they are carried over as they are.`);
    if (!context.dryRun) await markNames(context, mark);
    sources.push(new LiveSource(await context.openGraph(), graphName, live, mark));
  }
  if (backup?.graph != null && archive !== null) {
    const counts = backup.counts ?? { nodes: null, relationships: null };
    await tellSalvaged(context, archive, backup);
    sources.push(new BackupSource(archive, backup.graph, graphName, counts));
  } else {
    tellLossOnce(
      context.work,
      `No graph half of a backup was used: relationships that no payload hints at, nodes that are not memories and graph-only properties (${GRAPH_ONLY}) could not be brought back.`,
    );
  }
  return sources;
}

/** A salvaged backup ends where its salvage did: what was lost before is no part of what is restored from it. */
async function tellSalvaged({ work }: StepContext, archive: Archive, pair: BackupPair): Promise<void> {
  const manifest = await readManifest(undecrypted(archive), pair);
  const salvaged = manifest === null || typeof manifest === 'string' ? null : salvagedFrom(manifest);
  if (salvaged !== null && hasLost(salvaged, ['graph']))
    tellLossOnce(work, `The backup was ${salvagedSays(salvaged, ['graph'])}.`);
}

const GRAPH_ONLY = 'summary, enriched, enriched_at, protected, archived_at, last access';
