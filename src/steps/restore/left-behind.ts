import { joinKey } from '../../memory/ids.js';
import { pointId } from '../source-index.js';
import type { StepContext } from '../step.js';
import { tellLoss } from '../vectors/losses.js';
import { compareWithLive, type Tally } from './compare-live.js';
import type { CopyRecord } from './copy-record.js';

/** How many are named. */
const NAMED = 10;
/** Points asked for at once. */
const BATCH = 500;

/**
 * What the live graph holds and the restored graph will not: memories that the backup lacks, contents that were changed
 * after it, other nodes, relationships. Says how many there are and which, and notes as lost what nothing brings back.
 */
export async function tellLeftBehind(context: StepContext, staged: CopyRecord): Promise<void> {
  const { graph, graphName } = context;
  if (staged.versions === null || (await graph.kindOf(graphName)) !== 'graph') return;
  const left = await compareWithLive(context, staged, staged.versions);
  await tellMemories(context, left.memories);
  tellKept(context, left.newer, 'memories were changed after the backup');
  tellKept(context, left.other, 'memories differ from the backup, and no time says which is the newer');
  tellKept(context, left.nodes, 'nodes besides memories are not in the backup');
  tellKept(context, left.changedNodes, 'nodes besides memories differ from the backup');
  tellKept(context, left.relationships, 'relationships are not in the backup');
  tellKept(context, left.changedRelationships, 'relationships differ from the backup in their properties');
}

/** What only the replaced graph holds from the swap on. */
function tellKept({ work, assessment, replacedKey }: StepContext, kind: Tally, what: string): void {
  const { count, examples } = kind;
  if (count === 0) return;
  work.newestUnbacked = assessment.takenAt;
  const how = `how they were is only in the graph that is kept as "${replacedKey}"`;
  tellLoss(work, what, `${count} ${what}; ${how} (${named(examples, count)}). To keep such things: --merge`);
}

async function tellMemories(context: StepContext, left: readonly string[]): Promise<void> {
  const { replacedKey, work, assessment } = context;
  if (left.length === 0) return;
  work.newestUnbacked = assessment.takenAt;
  const back = await willComeBack(context, left);
  const lost = left.filter((id) => !back.has(id));
  if (back.size > 0)
    context.notice(
      `${back.size} memories that the backup lacks come back from their payloads, without relationships.`,
    );
  if (lost.length === 0) return;
  const names = named(lost, lost.length);
  context.notice(`Memories that the backup lacks: ${names}`);
  const what = 'memories that the backup lacks are only in the graph that is kept';
  tellLoss(
    work,
    what,
    `${lost.length} ${what} as "${replacedKey}" (${names}). To keep such memories: --merge`,
  );
}

function named(names: readonly string[], count: number): string {
  return names.slice(0, NAMED).join(', ') + (count > NAMED ? ', …' : '');
}

/** Those whose point stays: the comparison at the end of the run makes memories of them. */
async function willComeBack(
  { vectors, collection, options, assessment }: StepContext,
  ids: readonly string[],
): Promise<Set<string>> {
  const found = new Set<string>();
  const isSettled = options.only === null && options.orphans === 'restore' && !options.exact;
  if (!isSettled || assessment.vectors.points === 0 || assessment.vectors.payloadsMissing) return found;
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH).map(pointId);
    for (const { id } of await vectors.retrieve(collection, batch, { payload: false, numbers: 'fast' }))
      found.add(joinKey(id));
  }
  return found;
}
