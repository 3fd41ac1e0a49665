import { ExitCode, Failure } from '../failure.js';
import { joinKey, pointId } from '../memory/ids.js';
import { batches } from '../stores/graph/live-pages.js';
import { openSources } from './open-sources.js';
import { Origin, SourceIndex } from './source-index.js';
import type { Step, StepContext } from './step.js';

const ATTEMPTS = 3;
/** Points fetched at once. */
const BATCH = 500;

/**
 * Reads the whole collection once and holds the number against an exact count, before anything is built from it.
 * A service that goes on writing changes the count: what came and went meanwhile is then found by a list of all ids.
 */
export const proveSource: Step = {
  id: 'prove-source',
  title: 'Prove the source',
  writes: false,
  store: 'graph',
  async run(context) {
    context.work.sources = await openSources(context);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const index = await readCollection(context);
      const counted = await context.vectors.count(context.collection);
      if (index.size === counted) return accept(context, index);
      context.notice(
        `The collection changed while it was read (${index.size} points read, ${counted} counted).`,
      );
      if (await completeByIds(context, index)) return accept(context, index);
    }
    throw new Failure({
      operation: 'read the collection completely',
      subject: context.collection,
      reason: `in ${ATTEMPTS} attempts the number of points read never matched the number counted`,
      hint: 'Keep the service from writing for the time of the recovery, or let Lifeboat wait until it does not (--wait-for-quiet 2m), then run the command again.',
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

/**
 * Points come and go while a service writes. A list of all ids is quick to read: what it names beyond the points that were
 * read is fetched, what it does not name was deleted.
 *
 * @returns whether the list is as long as the counts before and after it say
 */
async function completeByIds(context: StepContext, index: SourceIndex): Promise<boolean> {
  const { vectors, collection, excludedTypes } = context;
  const before = await vectors.count(collection);
  const listed = new Set<string>();
  for await (const page of vectors.scroll(collection, { payload: false, numbers: 'fast' })) {
    context.signal.throwIfAborted();
    for (const { id } of page) listed.add(joinKey(id));
  }
  const after = await vectors.count(collection);
  if (listed.size < Math.min(before, after) || listed.size > Math.max(before, after)) return false;
  const unread = [...listed].filter((key) => index.find(key) < 0);
  for (const keys of batches(unread, BATCH)) {
    const points = await vectors.retrieve(collection, keys.map(pointId), { payload: true, numbers: 'exact' });
    for (const point of points) index.add(point, excludedTypes);
  }
  // Nothing is to be made of a point that is gone.
  for (const { key, position } of index.entries(Origin.Pending))
    if (!listed.has(key)) index.setOrigin(position, Origin.Quarantined);
  return true;
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
  if (context.work.mark !== null) context.work.mark.points = index.size;
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
