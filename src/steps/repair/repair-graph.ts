import { memoriesToRestore, noDifferences, pointsToDelete, type Differences } from '../differences.js';
import type { Step, StepContext } from '../step.js';
import { deleteOrphans } from './delete-orphans.js';
import { bringNewer, mendNodes } from './mend-nodes.js';
import { restoreMemories } from './restore-memories.js';

/**
 * Brings what newer payloads say into the graph, mends nodes that are damaged where their payloads are not, and brings points without a memory to order: the memory comes
 * back, or the point goes, or both stay as they are.
 */
export const repairGraph: Step = {
  id: 'repair-graph',
  title: 'Repair the graph',
  writes: true,
  run: (context) => repairOrphans(context),
};

/** What {@link repairGraph} does, for all that the last comparison found. */
export async function repairOrphans(context: StepContext): Promise<string> {
  const differences = context.work.differences ?? noDifferences();
  const done: (string | null)[] = [];
  if (context.options.only !== 'vectors') done.push(await bringNewer(context), await mendNodes(context));
  done.push(await settleOrphans(context, differences));
  const told = done.filter((text) => text !== null);
  return told.length === 0 ? 'every point has its memory' : told.join('; ');
}

async function settleOrphans(context: StepContext, differences: Differences): Promise<string | null> {
  const { options } = context;
  const doomed = pointsToDelete(differences, options);
  const wanted = memoriesToRestore(differences, options);
  const left = differences.orphans.length + differences.contentless.length;
  // What is deleted must be in the snapshot that was taken before.
  if (doomed.length > 0 && context.changes.made('collection-edit') !== undefined) {
    differences.orphans = [];
    differences.contentless = [];
    return deleteOrphans(context, doomed);
  }
  if (options.orphans === 'restore') quarantineContentless(context, differences.contentless);
  const owed = options.only === 'vectors' ? [] : differences.owed;
  if (wanted.length + owed.length > 0) {
    const done = await restoreMemories(context, wanted, owed);
    if (wanted.length > 0) differences.orphans = [];
    differences.owed = [];
    return done;
  }
  return left === 0 ? null : `${left} points without a memory are left as they are`;
}

/** Once each, however often they are found. */
function quarantineContentless(context: StepContext, contentless: readonly string[]): void {
  const { quarantinedPoints } = context.work;
  const known = new Set(quarantinedPoints);
  for (const id of contentless) {
    if (known.has(id)) continue;
    quarantinedPoints.push(id);
    const reason = 'it is a point without a memory, and its payload holds no content';
    context.quarantine({ kind: 'memory', id, reason });
  }
}
