import { IdSet } from '../../backup/pair/id-set.js';
import { ExitCode, Failure } from '../../failure.js';
import { isFew } from '../few.js';
import { vectorWriter } from '../guarded-writers.js';
import { withoutMemory } from '../repair/without-memory.js';
import { pointId } from '../source-index.js';
import type { Step, StepContext } from '../step.js';

const ATTEMPTS = 3;
/** Points deleted between two questions for the lease. */
const BATCH = 1_000;

/**
 * With --exact, deletes what the collection holds and the backup does not. Only after a read of all ids that a count
 * confirmed, and only if all points of the backup are there. Points of memories that the live graph has now stay, unless
 * the vectors alone are restored: a service at work may have stored one since.
 */
export const deleteExtraPoints: Step = {
  id: 'delete-extra-points',
  title: 'Delete points that the backup lacks',
  writes: true,
  store: 'vectors',
  async run(context) {
    const { options, work, collection } = context;
    if (!options.exact) return 'kept: points that the backup lacks are deleted only with --exact';
    const wanted = work.pointsOfBackup;
    if (wanted === null) throw new Error('the vectors must be restored before others are deleted');
    const found = await readIds(context);
    const lacking: string[] = [];
    let known = 0;
    for (let at = 0; at < found.size; at++) {
      const id = found.at(at);
      if (wanted.find(id) < 0) lacking.push(id);
      else known++;
    }
    const missing = work.restored.vectors - known;
    // A service may have deleted some while the run was stopped.
    if (missing > 0 && (work.restoredBefore === null || !isFew(missing, work.restored.vectors)))
      throw notAllThere(context, work.restored.vectors, known);
    const extra = options.only === 'vectors' ? lacking : await withoutMemory(context, lacking);
    const stay = lacking.length - extra.length;
    const kept = stay === 0 ? '' : `; ${stay} kept, whose memories are in the graph`;
    const writer = vectorWriter(context);
    for (let start = 0; start < extra.length; start += BATCH) {
      context.signal.throwIfAborted();
      await context.changes.check();
      await writer.delete(collection, extra.slice(start, start + BATCH).map(pointId));
      context.progress('points', start, extra.length);
    }
    await writer.flush();
    return lacking.length === 0
      ? 'the collection holds nothing that the backup lacks'
      : `${extra.length} points deleted, which the backup lacks${kept}`;
  },
};

/** All ids, as many as there are points. */
async function readIds({ vectors, collection, signal, progress }: StepContext): Promise<IdSet> {
  let found = new IdSet();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    found = new IdSet();
    for await (const page of vectors.scroll(collection, { payload: false, numbers: 'exact' })) {
      signal.throwIfAborted();
      for (const { id } of page) found.add(id);
      progress('ids', found.size, null);
    }
    if ((await vectors.count(collection)) === found.size) return found;
  }
  throw new Failure({
    operation: 'read all ids of the collection',
    subject: collection,
    reason: `in ${ATTEMPTS} attempts the number of ids read (${found.size} at last) never matched the number counted`,
    hint: 'Nothing was deleted. Keep the service from writing, then go on.',
    exitCode: ExitCode.failed,
    code: 'source-incomplete',
  });
}

function notAllThere({ collection }: StepContext, written: number, found: number): Failure {
  return new Failure({
    operation: 'delete points that the backup lacks',
    subject: collection,
    reason: `${written} points of the backup were written, and only ${found} of them are there`,
    hint: 'Nothing was deleted. Does something delete points meanwhile? Keep the service from writing.',
    exitCode: ExitCode.failed,
    code: 'points-missing',
  });
}
