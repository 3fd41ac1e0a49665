import { SALVAGED, type PairVerification } from '../../backup/pair/verify-pair.js';
import type { BackupPair } from '../../backup/types.js';
import { vectorsInUse } from '../pair-in-use.js';
import { searchOf, tellPassedOver } from '../prove-halves.js';
import { chooseSound, unsoundBackup, type Halves } from '../sound-backup.js';
import type { Step, StepContext } from '../step.js';
import { tellLossOnce } from '../vectors/losses.js';
import { checkFit } from './collection-fit.js';

/** Gaps that are named of many. */
const NAMED = 5;

/**
 * Reads the backup that is to be restored from beginning to end, before anything is touched. One that must not be restored
 * gives way to the one before it, unless the operator named it; the halves of two backups are never put together.
 */
export const verifyBackup: Step = {
  id: 'verify-backup',
  title: 'Verify the backup',
  writes: false,
  async run(context) {
    const { work } = context;
    const first = context.backup ?? context.assessment.backups.newestVectors;
    const search = searchOf(context);
    if (search === null || first === null)
      throw unsoundBackup([], { ...context, isNamed: false, pairs: [] }, null);
    const halves = halvesOf(first, context);
    const onBytes = (bytes: number): void => context.progress('MB of JSON', Math.round(bytes / 1e6), null);
    const { pair, verification, passedOver } = await chooseSound({ ...search, onBytes }, first, halves);
    if (pair === null || verification === null) throw unsoundBackup(passedOver, search, halves);
    if (halves !== 'graph') await checkFit(context, pair, verification);
    tellPassedOver(context, passedOver, pair);
    tellLosses(context, verification);
    work.pair = inUse(pair, verification, halves);
    // What was written after the backup and went with the graph is not known: as much as fits into that time.
    if (halves !== 'vectors' || context.options.only === null) noteUnknownLoss(context);
    tellOtherRun(context);
    return describe(pair, verification, halves);
  },
};

/** What a restore reads of a backup: what is asked for, as far as there is any of it. */
export function halvesOf(
  pair: BackupPair,
  { options, assessment }: Pick<StepContext, 'options' | 'assessment'>,
): Halves {
  if (options.only !== null) return options.only;
  const { newest, newestVectors } = assessment.backups;
  if (newest === null) return 'vectors';
  const hasVectors = pair === newestVectors || isUsable(pair.vectorsVerdict.status);
  return hasVectors && pair.vectors !== null ? 'both' : 'graph';
}

function isUsable(status: BackupPair['vectorsVerdict']['status']): boolean {
  return status === 'sound' || status === 'verified';
}

/** What the steps to come take from: of a half that was not read, nothing. */
function inUse(pair: BackupPair, { counts, vectorSize }: PairVerification, halves: Halves): VerifiedHalves {
  const graph = halves === 'vectors' ? null : pair.graph;
  const vectors = halves === 'graph' ? null : pair.vectors;
  const verified = { status: 'verified' } as const;
  return {
    ...pair,
    graph,
    vectors,
    graphVerdict: graph === null ? pair.graphVerdict : verified,
    vectorsVerdict: vectors === null ? pair.vectorsVerdict : verified,
    ...(graph === null ? {} : { counts }),
    ...(vectors === null ? { vectorSize: null } : { vectorSize, points: counts.points }),
  };
}

type VerifiedHalves = NonNullable<StepContext['work']['pair']>;

/** Records that will not come back are put aside when they are passed over; here is said how many there will be. */
function tellLosses({ notice, work }: StepContext, { problems, overlap }: PairVerification): void {
  for (const { severity, code, message, records } of problems) {
    if (severity === 'fatal') continue;
    // No record is there that could be put aside: nothing else tells that it does not come back.
    if (severity === 'loss' && code === SALVAGED) tellLossOnce(work, `The backup was ${message}.`);
    const examples = records.slice(0, NAMED).map(({ record, reason }) => `${record}: ${reason}`);
    const more = records.length > NAMED ? '; …' : '';
    notice(`In the backup: ${message}${examples.length === 0 ? '' : ` (${examples.join('; ')}${more})`}.`);
  }
  const gap = overlap?.memoriesWithoutPoint;
  if (gap !== undefined && gap.count > 0)
    notice(
      `${gap.count} memories of the backup have no vector in it (${named(gap.ids)}); they are embedded at the end.`,
    );
  const orphans = overlap?.pointsWithoutMemory;
  if (orphans !== undefined && orphans.count > 0)
    notice(`${orphans.count} points of the backup have no memory in it (${named(orphans.ids)}).`);
}

/** Vectors of another run than the graph are used only where the text is the same; that they are is said. */
function tellOtherRun(context: StepContext): void {
  const { work, notice, options } = context;
  const other = vectorsInUse(context);
  if (options.only !== null || other === null || other.timestamp === work.pair?.timestamp) return;
  notice(
    `The backup ${work.pair?.timestamp ?? ''} has no vectors. Memories whose text is still the same get theirs from the backup ${other.timestamp}.`,
  );
}

function noteUnknownLoss({ work, assessment }: StepContext): void {
  if (assessment.graph.state !== 'intact') work.newestUnbacked = assessment.takenAt;
}

function named(ids: readonly string[]): string {
  return ids.slice(0, NAMED).join(', ') + (ids.length > NAMED ? ', …' : '');
}

function describe(pair: BackupPair, { counts, vectorSize }: PairVerification, halves: Halves): string {
  const graph = `${counts.memories} memories, ${counts.nodes} nodes, ${counts.relationships} relationships`;
  const vectors = `${counts.points} points of ${vectorSize ?? 0} components`;
  const read = halves === 'both' ? `${graph}, ${vectors}` : halves === 'graph' ? graph : vectors;
  return `${pair.timestamp}: ${read}`;
}
