import { ExitCode, Failure } from '../../failure.js';
import {
  memoriesToRestore,
  needsGraph,
  needsVectors,
  noDifferences,
  pointsToDelete,
  toEmbed,
  type Differences,
} from '../differences.js';
import { proveGraphHalf, proveVectorHalf } from '../prove-halves.js';
import type { Step, StepContext } from '../step.js';

/** At and below this many percent there is nothing to worry about: AutoMem's own monitor warns above it. */
const HARMLESS_PERCENT = 5;

/** Decides whether a repair is the right thing: not for a trifle, and not where a whole store is behind. */
export const checkDrift: Step = {
  id: 'check-drift',
  title: 'Decide whether to repair',
  writes: false,
  async run(context) {
    const decision = decide(context);
    if (context.work.nothingToDo === null) await proveWhatIsTaken(context);
    return decision;
  },
};

/** What is taken from the backup is read to its end before anything is copied or changed. */
async function proveWhatIsTaken(context: StepContext): Promise<void> {
  const { options, work } = context;
  const differences = work.differences ?? noDifferences();
  const owed = options.only === 'vectors' ? 0 : differences.owed.length;
  if (memoriesToRestore(differences, options).length + owed > 0) await proveGraphHalf(context);
  if (options.only !== 'graph' && toEmbed(differences).size > 0) await proveVectorHalf(context);
}

function decide(context: StepContext): string {
  const { work, options } = context;
  const differences = work.differences ?? noDifferences();
  const { percent, placeholders } = differences;
  // What was begun is brought to its end, however little is left.
  if (hasBegun(context) || differences.owed.length > 0) return `going on: ${whatToDo(differences, context)}`;
  if (percent > options.maxDrift) throw tooMuch(context, differences);
  if (isClean(differences)) return (work.nothingToDo = `nothing has to be repaired${tooYoung(differences)}`);
  const text = `${percentText(percent)} % differ`;
  if (percent > HARMLESS_PERCENT || options.always || placeholders.size > 0)
    return `${text}: ${whatToDo(differences, context)}`;
  return (work.nothingToDo = `${text}: nothing to worry about up to ${HARMLESS_PERCENT} %. To repair it all the same: lifeboat repair --always`);
}

function hasBegun({ changes }: StepContext): boolean {
  return (['graph-edit', 'collection-edit', 'collection-create'] as const).some(
    (kind) => changes.made(kind) !== undefined,
  );
}

/** What nothing is done about counts too, duplicates and what no time decides: the steps and checks that follow say so. */
function isClean(differences: Differences): boolean {
  const { damaged, newer, undecided, orphans, contentless, duplicates } = differences;
  return (
    !needsVectors(differences) &&
    damaged.size + newer.size + undecided.size + orphans.length + contentless.length + duplicates === 0
  );
}

function tooYoung({ pending }: Differences): string {
  return pending === 0
    ? ''
    : `; ${pending} memories changed so lately that the service may be at work on them`;
}

/** A single difference among a million is not none. */
function percentText(percent: number): string {
  return percent > 0 && percent < 0.1 ? 'less than 0.1' : percent.toFixed(1);
}

/** What the steps that follow do; in a dry run all that is seen of them. */
function whatToDo(differences: Differences, { options, dryRun }: StepContext): string {
  const { damaged, newer, undecided, stale, duplicates, orphans, contentless, owed } = differences;
  const graphIsLeft = options.only === 'vectors';
  const restored = memoriesToRestore(differences, options).length;
  const deleted = pointsToDelete(differences, options).length;
  const parts = [
    [graphIsLeft ? 0 : newer.size, 'memories get what their newer payloads say'],
    [graphIsLeft ? newer.size : 0, 'payloads that are newer than the graph are left alone'],
    [graphIsLeft ? 0 : damaged.size, 'damaged memories are mended from their payloads'],
    [restored, 'memories come back from their points'],
    [deleted, 'points without a memory are deleted'],
    [deleted > 0 ? 0 : orphans.length + contentless.length - restored, 'points without a memory stay'],
    [graphIsLeft ? 0 : owed.length, 'memories that came back before get their relationships'],
    [toEmbed(differences).size, 'vectors come from the backup or are embedded'],
    [stale.size, 'payloads are brought up to the graph'],
    [undecided.size, 'memories of which no time says which store is newer are left alone'],
    [duplicates, 'ids on several nodes are left alone'],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (told.length === 0) return 'nothing is left to repair';
  const isEdit = needsGraph(differences, options);
  const kept = [
    ...(isEdit ? ['a copy of the graph'] : []),
    ...(needsVectors(differences) || deleted > 0 ? ['a snapshot of the collection'] : []),
  ];
  const safe = dryRun && kept.length > 0 ? `; ${kept.join(' and ')} is kept before` : '';
  return `${told.join(', ')}${safe}`;
}

function tooMuch({ options, graphName }: StepContext, differences: Differences): Failure {
  const { behind, remedy } = whatInstead(differences);
  return new Failure({
    operation: 'repair the drift',
    subject: graphName,
    reason: `${percentText(differences.percent)} % of the memories differ, more than the ${options.maxDrift} % that --max-drift allows; ${behind}`,
    hint: `Nothing was changed. ${remedy}`,
    exitCode: ExitCode.notAsItShouldBe,
    code: 'drift-too-large',
  });
}

/** Names the plan for the side that is behind. */
function whatInstead(differences: Differences): { behind: string; remedy: string } {
  const { damaged, newer, orphans, contentless, missing, changed, stale } = differences;
  const graph = orphans.length + contentless.length;
  const vectors = missing.size + changed.size + stale.size;
  if (newer.size > graph + vectors + damaged.size) {
    return {
      behind: `in ${newer.size} of them the payload was updated later than the graph`,
      remedy: 'To take what is newer from the payloads: lifeboat repair --max-drift 100',
    };
  }
  // No rebuild keeps the payload's word over that of a node which is there.
  if (damaged.size > graph + vectors) {
    return {
      behind: `in ${damaged.size} of them only a field of the graph is damaged, which the payload has whole`,
      remedy: 'To take these fields from the payloads: lifeboat repair --max-drift 100',
    };
  }
  return graph > vectors
    ? { behind: 'the graph is behind', remedy: 'Use: lifeboat recover rebuild-graph' }
    : { behind: 'the vectors are behind', remedy: 'Use: lifeboat recover reembed-vectors' };
}
