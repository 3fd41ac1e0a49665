import { newestSoundPair, type PairChoice } from '../../backup/pair/choose-pair.js';
import type { Half } from '../../backup/pair/pair-problems.js';
import type { BackupPair } from '../../backup/types.js';
import { SALVAGED, verifyPair, type PairVerification } from '../../backup/pair/verify-pair.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Archive } from '../../stores/archive/archive.js';
import { vectorsInUse } from '../pair-in-use.js';
import type { Step, StepContext } from '../step.js';
import { tellLossOnce } from '../vectors/losses.js';
import { checkFit } from './collection-fit.js';

type Halves = 'both' | Half;

/** Reasons and gaps that are named of many. */
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
    const { archive, work } = context;
    const first = context.backup ?? context.assessment.backups.newestVectors;
    if (archive === null || first === null) throw nothingUsable('no backup', 'there is none', context, null);
    const halves = halvesOf(first, context);
    const { pair, verification, passedOver } = await choose(context, archive, first, halves);
    if (pair === null || verification === null) throw unsound(context, passedOver, halves);
    if (halves !== 'graph') await checkFit(context, pair, verification);
    for (const { timestamp, reasons } of passedOver)
      context.notice(`The backup ${timestamp} is passed over: ${told(reasons)}.`);
    if (passedOver.length > 0)
      context.notice(`The backup ${pair.timestamp} takes its place: what was written after it is not in it.`);
    tellLosses(context, verification);
    work.pair = inUse(pair, verification, halves);
    // What was written after the backup and went with the graph is not known: as much as fits into that time.
    if (halves !== 'vectors' || context.options.only === null) noteUnknownLoss(context);
    tellOtherRun(context);
    return describe(pair, verification, halves);
  },
};

/** What is read of a backup: what is asked for, as far as there is any of it. */
function halvesOf(pair: BackupPair, { options, assessment }: StepContext): Halves {
  if (options.only !== null) return options.only;
  const { newest, newestVectors } = assessment.backups;
  if (newest === null) return 'vectors';
  const hasVectors = pair === newestVectors || isUsable(pair.vectorsVerdict.status);
  return hasVectors && pair.vectors !== null ? 'both' : 'graph';
}

function isUsable(status: BackupPair['vectorsVerdict']['status']): boolean {
  return status === 'sound' || status === 'verified';
}

async function choose(
  context: StepContext,
  archive: Archive,
  first: BackupPair,
  halves: Halves,
): Promise<Pick<PairChoice, 'pair' | 'verification' | 'passedOver'>> {
  const { assessment, backupNamed } = context;
  const verify = verifier(context, halves);
  if (backupNamed) {
    // Named, it is used even if it comes from the future.
    const verification = await verify(archive, first, false);
    if (verification.sound) return { pair: first, verification, passedOver: [] };
    return { pair: null, verification: null, passedOver: [passed(first, verification)] };
  }
  const { pairs } = assessment.backups;
  const older = pairs.slice(pairs.findIndex(({ timestamp }) => timestamp === first.timestamp));
  return newestSoundPair(archive, older, verify);
}

function verifier(context: StepContext, halves: Halves) {
  const { graphName, collection: collectionName, excludedTypes, signal } = context;
  let bytes = 0;
  const onBytes = (read: number): void => {
    bytes += read;
    context.progress('MB of JSON', Math.round(bytes / 1e6), null);
  };
  return (archive: Archive, pair: BackupPair, mixed: boolean): Promise<PairVerification> =>
    verifyPair(archive, pair, { graphName, collectionName, excludedTypes, signal, halves, mixed, onBytes });
}

function passed(pair: BackupPair, { problems }: PairVerification): PairChoice['passedOver'][number] {
  const fatal = problems.filter(({ severity }) => severity === 'fatal');
  return { timestamp: pair.timestamp, reasons: fatal.map(({ message }) => message) };
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

function told(reasons: readonly string[]): string {
  return reasons.slice(0, NAMED).join('; ');
}

function unsound(context: StepContext, passedOver: PairChoice['passedOver'], halves: Halves): Failure {
  const [first] = passedOver;
  const reason = passedOver.map(({ timestamp, reasons }) => `${timestamp}: ${told(reasons)}`).join('. ');
  return nothingUsable(first?.timestamp ?? 'no backup', reason, context, halves);
}

function nothingUsable(
  subject: string,
  reason: string,
  { backupNamed, graphName }: StepContext,
  halves: Halves | null,
): Failure {
  const other = backupNamed ? 'Name another backup, or let Lifeboat choose with --backup latest.' : '';
  const half =
    halves === 'both'
      ? ` Where only one half is damaged, the other can be restored: lifeboat recover restore-backup --only graph --confirm ${graphName}, then lifeboat recover reembed-vectors; or --only vectors, then lifeboat recover rebuild-graph.`
      : '';
  return new Failure({
    operation: 'verify the backup',
    subject,
    reason,
    hint: `Nothing was changed. ${other || 'Look for backups elsewhere (AUTOMEM_BACKUP_DIR, AUTOMEM_S3_BUCKET, --file).'}${half}`,
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'backup-unsound',
  });
}

function describe(pair: BackupPair, { counts, vectorSize }: PairVerification, halves: Halves): string {
  const graph = `${counts.memories} memories, ${counts.nodes} nodes, ${counts.relationships} relationships`;
  const vectors = `${counts.points} points of ${vectorSize ?? 0} components`;
  const read = halves === 'both' ? `${graph}, ${vectors}` : halves === 'graph' ? graph : vectors;
  return `${pair.timestamp}: ${read}`;
}
