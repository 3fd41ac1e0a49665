import { ExitCode, Failure } from '../failure.js';
import { openSources } from './open-sources.js';
import { SourceIndex } from './source-index.js';
import type { Step, StepContext } from './step.js';

const ATTEMPTS = 3;

/**
 * Reads the whole collection once and holds the number against an exact count, before anything is built from it.
 * A service that goes on writing changes the count; the read is then repeated.
 */
export const proveSource: Step = {
  id: 'prove-source',
  title: 'Prove the source',
  writes: false,
  async run(context) {
    context.work.sources = await openSources(context);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const index = await readCollection(context);
      const counted = await context.vectors.count(context.collection);
      if (index.size === counted) return accept(context, index);
      context.notice(
        `The collection changed while it was read (${index.size} points read, ${counted} counted).`,
      );
    }
    throw new Failure({
      operation: 'read the collection completely',
      subject: context.collection,
      reason: `in ${ATTEMPTS} attempts the number of points read never matched the number counted`,
      hint: 'Keep the service from writing for the time of the recovery, then run the command again.',
      exitCode: ExitCode.failed,
      code: 'source-incomplete',
    });
  },
};

async function readCollection(context: StepContext): Promise<SourceIndex> {
  const index = new SourceIndex();
  const { points } = context.assessment.vectors;
  for await (const page of context.vectors.scroll(context.collection, { payload: true, numbers: 'fast' })) {
    context.signal.throwIfAborted();
    for (const point of page) index.add(point, context.excludedTypes);
    context.progress('points', index.size, points);
  }
  return index;
}

function accept(context: StepContext, index: SourceIndex): string {
  if (index.size === 0) throw nothing(context, 'the collection holds no points', 'source-empty');
  if (index.bare === index.size) {
    throw nothing(
      context,
      'its points carry vectors but no payloads, so there is nothing to rebuild memories from',
      'payloads-missing',
    );
  }
  context.work.index = index;
  for (const [peculiarity, count] of index.peculiarIds) {
    context.notice(`${count} points have an id that is ${peculiarity}; they are kept under it.`);
  }
  if (index.sharedContents > 0) {
    context.notice(`${index.sharedContents} memories share their content with another one; all are kept.`);
  }
  if (index.excluded > 0) {
    context.notice(`${index.excluded} points are of a type that is excluded from recall.`);
  }
  return `${index.size} points read and counted`;
}

function nothing(context: StepContext, reason: string, code: string): Failure {
  return new Failure({
    operation: 'rebuild the graph from payloads',
    subject: context.collection,
    reason,
    hint:
      context.backup === null
        ? 'This path cannot work, and there is no usable backup. Look for backups elsewhere (AUTOMEM_BACKUP_DIR).'
        : `This path cannot work. The backup ${context.backup.timestamp} holds the graph: restore it with AutoMem's restore_from_backup.py --backup-timestamp ${context.backup.timestamp}.`,
    exitCode: ExitCode.nothingToRecoverFrom,
    code,
  });
}
