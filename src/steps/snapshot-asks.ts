import { Failure } from '../failure.js';
import { createSnapshot, listSnapshots } from '../stores/vectors/collection-snapshots.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { Change } from './change.js';

type CollectionChange = Extract<Change, { collection: string }>;

/**
 * Seconds by which the time in a snapshot's name, that of the server, may be off that of the question. A snapshot of another
 * time is somebody else's, or its server has a clock of its own: then a person decides.
 */
const EARLIER_SECONDS = 5;
const LATER_SECONDS = 30;

/** The change as it is to be journalled before its snapshot is asked for. */
export async function withAsk<C extends CollectionChange>(vectors: VectorStore, change: C): Promise<C> {
  const beside = (await listSnapshots(vectors, ownName(change))).map(({ name }) => name);
  return { ...change, asked: [...(change.asked ?? []), { at: new Date().toISOString(), beside }] };
}

/** Takes the snapshot that was asked for last. @returns its name */
export async function takeAsked(vectors: VectorStore, change: CollectionChange): Promise<string> {
  return (await createSnapshot(vectors, ownName(change))).name;
}

/** Snapshots are known by the collection's own name, not by an alias. */
export function ownName(change: CollectionChange): string {
  return change.kind === 'collection-create'
    ? (change.replaced?.name ?? change.collection)
    : change.collection;
}

/** Snapshots that a change is known to have made, or its rollback. */
export function notedSnapshots(change: CollectionChange): string[] {
  const before = change.kind === 'collection-edit' && change.snapshot !== null ? [change.snapshot] : [];
  return [...before, ...(change.undone ?? [])];
}

/**
 * Snapshots that a run asked for and was killed before it could note their names. Nothing is guessed: of several that may be
 * meant by one question, none is named.
 *
 * @param others names that are known to belong to somebody
 */
export async function straySnapshots(
  vectors: VectorStore,
  change: CollectionChange,
  others: ReadonlySet<string>,
): Promise<string[]> {
  const { asked = [] } = change;
  if (asked.length === 0) return [];
  const own = new Set(notedSnapshots(change));
  const free = (await namesNow(vectors, ownName(change))).filter(
    (name) => !own.has(name) && !others.has(name),
  );
  const found = asked.flatMap(({ at, beside }) => {
    const meant = free.filter((name) => !beside.includes(name) && isOf(name, Date.parse(at)));
    return meant.length === 1 ? meant : [];
  });
  return [...new Set(found)];
}

/** A collection that is gone lists none. */
async function namesNow(vectors: VectorStore, collection: string): Promise<string[]> {
  try {
    return (await listSnapshots(vectors, collection)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Failure && error.code === 'collection-missing') return [];
    throw error;
  }
}

/** Qdrant names a snapshot by its collection, its peer, and the second of UTC in which it was begun. */
function isOf(name: string, asked: number): boolean {
  const [, day, hour, minute, second] =
    /-(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-(\d\d)(?:-\d+)?\.snapshot$/.exec(name) ?? [];
  if (day === undefined) return false;
  const seconds = (Date.parse(`${day}T${hour}:${minute}:${second}Z`) - asked) / 1000;
  return seconds >= -EARLIER_SECONDS && seconds <= LATER_SECONDS;
}
