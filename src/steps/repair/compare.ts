import { compareStores } from '../../drift/compare-stores.js';
import type { Difference } from '../../drift/types.js';
import { isVectorEligible } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import { memoryRows } from '../../stores/graph/memory-rows.js';
import { noDifferences, type Differences, type MemoryIds } from '../differences.js';
import type { Step, StepContext } from '../step.js';
import { noteDamage, noteNewer } from './find-damage.js';
import { readOwed } from './owed.js';

/** Holds the stores against each other, memory by memory, and notes what differs. Reads only. */
export const compare: Step = {
  id: 'compare',
  title: 'Compare the stores',
  writes: false,
  async run(context) {
    const differences = await findDifferences(context);
    const { work } = context;
    work.differences = differences;
    work.drift = { before: differences.percent, after: null };
    return describe(differences);
  },
};

/**
 * What differs now. Where there is no collection, every memory that should have a vector lacks it.
 *
 * @param graceSeconds how young a memory is too young to tell; the default is that of the comparison
 */
export async function findDifferences(context: StepContext, graceSeconds?: number): Promise<Differences> {
  const { vectors, collection, options } = context;
  if ((await vectors.collection(collection)) === null) return everythingMissing(context);
  const found = noDifferences();
  const differing: MemoryIds = new Map();
  const report = await compareStores(context, {
    depth: 'content',
    excludedTypes: context.excludedTypes,
    placeholders: true,
    ...(graceSeconds === undefined ? {} : { graceSeconds }),
    signal: context.signal,
    onProgress: (done, total) => context.progress('memories and points', done, total),
    onDifference: (difference) => {
      note(found, difference);
      const { id, class: kind, fields, internalId } = difference;
      if (kind !== 'pending' && fields !== undefined && internalId !== undefined)
        differing.set(id, internalId);
    },
  });
  found.percent = report.percent;
  await noteNewer(context, found, differing);
  await noteDamage(context, found);
  found.owed = await readOwed(context);
  if (options.newSpace) found.missing = await eligibleMemories(context);
  return found;
}

function note(found: Differences, { id, class: kind, internalId = -1, contentless }: Difference): void {
  switch (kind) {
    case 'missing-vector':
      found.missing.set(id, internalId);
      break;
    case 'content-changed':
      found.changed.set(id, internalId);
      break;
    case 'placeholder-vector':
      found.placeholders.set(id, internalId);
      break;
    case 'stale-payload':
      found.stale.set(id, internalId);
      break;
    case 'orphan-vector':
      (contentless === true ? found.contentless : found.orphans).push(id);
      break;
    case 'pending':
      found.pending++;
      break;
    case 'duplicate-id':
      found.duplicates++;
      break;
    default:
  }
}

async function everythingMissing(context: StepContext): Promise<Differences> {
  const missing = await eligibleMemories(context);
  return { ...noDifferences(), missing, percent: missing.size === 0 ? 0 : 100 };
}

/** Every memory that should have a vector. */
export async function eligibleMemories(context: StepContext): Promise<MemoryIds> {
  const memories: MemoryIds = new Map();
  let read = 0;
  for await (const page of memoryRows(context.graph, context.graphName)) {
    context.signal.throwIfAborted();
    read += page.length;
    for (const { id, properties, internalId } of page) {
      if (id !== null && isVectorEligible(properties, context.excludedTypes))
        memories.set(joinKey(id), internalId);
    }
    context.progress('memories', read, context.assessment.graph.memories);
  }
  return memories;
}

function describe(found: Differences): string {
  const parts = [
    [found.missing.size, 'without a vector'],
    [found.orphans.length + found.contentless.length, 'points without a memory'],
    [found.changed.size, 'with a vector of an older text'],
    [found.stale.size, 'with a payload that differs'],
    [found.newer.size, 'with a payload that is newer than the graph'],
    [found.undecided.size, 'with a payload that differs, and no time that says which is newer'],
    [found.damaged.size, 'with a damaged field that the payload has whole'],
    [found.placeholders.size, 'with a placeholder for a vector'],
    [found.owed.length, 'that a repair before could not finish'],
    [found.duplicates, 'ids on several nodes'],
    [found.pending, 'too young to tell'],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return told.length === 0 ? 'nothing differs' : `${told.join(', ')} (${found.percent.toFixed(1)} %)`;
}
