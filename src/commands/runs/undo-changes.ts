import { Failure } from '../../failure.js';
import { joinKey } from '../../memory/ids.js';
import type { Journal } from '../../recovery/journal.js';
import type { RunState } from '../../recovery/run-state.js';
import type { Change } from '../../steps/change.js';
import { keepPresent } from '../../steps/keep-present.js';
import { putBackMatching, type LatePoints } from '../../steps/late-points.js';
import { ownName } from '../../steps/snapshot-asks.js';
import { undoChange, type ChangedStores, type Noted } from '../../steps/undo.js';
import type { RawPoint } from '../../stores/vectors/point-pages.js';
import { NewerPointsFile } from './newer-points-file.js';

/** What the rollback of a run works with. */
interface Undoing {
  readonly state: RunState;
  readonly stores: ChangedStores;
  readonly journal: Journal;
  readonly say: (text: string) => void;
}

/** A change whose present state is kept. */
type Kept = Noted & { late: LatePoints | null };

/**
 * First keeps everything that is about to be replaced, then replaces it: the graph before the collection, since the graph
 * that is live then tells which of the points that came meanwhile have a memory.
 *
 * @throws Failure that says what is done and what is not
 */
export async function undoChanges(changes: readonly Noted[], undoing: Undoing): Promise<void> {
  const ordered = [
    ...changes.filter(({ change }) => 'graph' in change),
    ...changes.filter(({ change }) => 'collection' in change),
  ];
  const done: string[] = [];
  try {
    const kept: Kept[] = [];
    for (const noted of ordered) kept.push(await keep(noted, undoing));
    for (const noted of kept) {
      const texts = await undoOne(noted, undoing);
      undoing.journal.append({ entry: 'change', phase: 'undone', change: noted.change });
      done.push(texts[0] ?? '');
      texts.forEach(undoing.say);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw halfway(error, undoing.state.header, done, ordered.slice(done.length));
  }
}

async function keep(noted: Noted, { stores, journal }: Undoing): Promise<Kept> {
  const { phase } = noted;
  const note = (change: Change): void => journal.append({ entry: 'change', phase, change });
  const kept = await keepPresent(noted, stores, note);
  if (kept === null) return { ...noted, late: null };
  note(kept.change);
  return { phase, ...kept };
}

/** @returns what was done, in sentences */
async function undoOne({ change, phase, late }: Kept, undoing: Undoing): Promise<string[]> {
  const { state, stores } = undoing;
  const file = new NewerPointsFile(state.folder);
  const before = late === null ? [] : await keepLate(late, file);
  const work = undoChange({ change, phase }, state.header.run, stores);
  // Only beside a writer: it costs the server as much as what it has to do.
  const during = late === null || before.length === 0 ? [] : await late.fetchDuring(work);
  const text = await work;
  if (before.length === 0 || !('collection' in change)) return [text];
  await file.append(during);
  const points = newest([...before, ...during]);
  const { graphName } = state.header.stores;
  const isThere = change.kind === 'collection-edit';
  const back = isThere ? await putBackMatching(points, stores, graphName, ownName(change)) : 0;
  return [text, tellLate(points.length, isThere ? back : null, file.path)];
}

/** A rollback that was stopped in the middle goes on with what it had kept before. */
async function keepLate(late: LatePoints, file: NewerPointsFile): Promise<RawPoint[]> {
  const earlier = await file.load();
  const points = await late.fetch();
  await file.append(points);
  return newest([...earlier, ...points]);
}

/** Of each point the last that was seen. */
function newest(points: readonly RawPoint[]): RawPoint[] {
  return [...new Map(points.map((point) => [joinKey(point.id), point])).values()];
}

/** @param back null where the collection is not there any more */
function tellLate(count: number, back: number | null, path: string): string {
  const again =
    back === null
      ? ''
      : ` ${back} of them, whose memory the graph has as they say, are in the collection again.`;
  return `${count} ${count === 1 ? 'point was' : 'points were'} written while the rollback was at work; kept in ${path}.${again} What was written at the very moment in which the collection was replaced may be missing: lifeboat repair embeds the memories that lack a point.`;
}

function halfway(
  error: Failure,
  { run, stores }: RunState['header'],
  done: string[],
  rest: Noted[],
): Failure {
  const { operation, subject, reason, hint, exitCode, code } = error;
  const names = rest.map(({ change }) =>
    'graph' in change ? `graph "${change.graph}"` : `collection "${change.collection}"`,
  );
  const soFar = done.length === 0 ? 'nothing was put back yet' : `done: ${done.join('; ')}`;
  return new Failure(
    {
      operation,
      subject,
      reason,
      hint: `${hint} The rollback is not complete. ${soFar}. Not undone: ${names.join(', ')}. To go on: lifeboat runs rollback ${run} --confirm ${stores.graphName}`,
      exitCode,
      code,
    },
    { cause: error },
  );
}
