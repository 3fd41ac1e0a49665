import { ExitCode, Failure } from '../failure.js';
import { renameKeys, type Rename } from '../stores/graph/rename-keys.js';
import {
  createCollection,
  deleteCollection,
  type CollectionDescription,
} from '../stores/vectors/collection-admin.js';
import { deleteSnapshot, listSnapshots, restoreSnapshot } from '../stores/vectors/collection-snapshots.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { Change, ChangePhase } from './change.js';
import { currentRun, markCommandOfUndo } from './current-run.js';
import { dress } from './make-collection.js';
import { notedSnapshots, ownName, straySnapshots } from './snapshot-asks.js';
import { freeUndoneKey, undoneGraphs, undoneKey } from './undone-key.js';

/** A change with how far it came. */
export type Noted = { change: Change; phase: ChangePhase };

/** The stores that a run changed. */
export interface ChangedStores {
  readonly graph: GraphStore;
  readonly vectors: VectorStore;
  /** Throws Failure where the lease was lost; asked before each change. */
  readonly check: () => Promise<void>;
}

/**
 * Proves that what was kept for undoing a change is still there: a rollback that stops halfway would leave two stores that
 * do not belong together.
 *
 * @throws Failure (exit 4) where it is gone
 */
export async function proveKept(
  { change, phase }: Noted,
  run: string,
  { graph, vectors }: ChangedStores,
): Promise<void> {
  if (change.kind === 'collection-create') return;
  if (change.kind === 'collection-edit') {
    const { collection, snapshot } = change;
    if (snapshot === null || (await hasSnapshot(vectors, collection, snapshot))) return;
    throw snapshotGone(collection, snapshot);
  }
  const kept = change.kind === 'graph-swap' ? change.replaced : change.copy;
  if (kept === null || phase === 'intent') return;
  for (const key of [kept, undoneKey(change.graph, run)]) if ((await graph.kindOf(key)) === 'graph') return;
  throw keptGone(kept);
}

async function hasSnapshot(vectors: VectorStore, collection: string, name: string): Promise<boolean> {
  if ((await vectors.collection(collection)) === null) return false;
  return (await listSnapshots(vectors, collection)).some((snapshot) => snapshot.name === name);
}

/**
 * Puts back what a change replaced. Nothing is lost: the graph that the run made is kept under another key, the points as
 * they are in a snapshot (see keep-present.ts), also of a collection that is deleted. What the run perhaps never made is
 * left alone. Doing it again changes nothing.
 *
 * @returns what was done, a sentence
 * @throws Failure where what was kept is gone
 */
export async function undoChange(
  { change, phase }: Noted,
  run: string,
  stores: ChangedStores,
): Promise<string> {
  await stores.check();
  switch (change.kind) {
    case 'graph-swap': {
      const made = phase === 'intent' ? await wasSwapped(change, run, stores.graph) : true;
      if (made === false) return `the graph "${change.graph}" had not been replaced`;
      if (made === null)
        return `whether the run made the graph "${change.graph}" is not known: it is left as it is`;
      return swapBack(change.graph, change.replaced, run, stores.graph, change.earlier ?? null);
    }
    case 'graph-edit':
      if (phase === 'intent') return `the graph "${change.graph}" had not been changed`;
      return swapBack(change.graph, change.copy, run, stores.graph, change.earlier);
    case 'collection-edit': {
      if (change.snapshot === null) return `the collection "${change.collection}" had not been changed`;
      await restoreSnapshot(stores.vectors, change.collection, change.snapshot);
      return `the collection "${change.collection}" is as it was when the snapshot "${change.snapshot}" was taken${keptAs(change)}`;
    }
    case 'collection-create':
      if (phase === 'intent' && !(await isHalfReplaced(change, stores)))
        return `whether the run made the collection "${change.collection}" is not known: it is left as it is`;
      if (change.replaced !== undefined)
        return `${await putEmptyBack(change.replaced, stores)}${keptAs(change)}`;
      await deleteCollection(stores.vectors, change.collection);
      return `the collection "${change.collection}", which was not there before, is deleted${keptAs(change)}`;
  }
}

function keptAs({ undone }: { undone?: string[] }): string {
  const kept = undone?.at(-1);
  return kept === undefined ? '' : `; what it was until now is kept as the snapshot "${kept}"`;
}

/** Whether the run deleted the empty collection and was killed before it made the new one. */
async function isHalfReplaced(
  { replaced }: Extract<Change, { kind: 'collection-create' }>,
  { vectors }: ChangedStores,
): Promise<boolean> {
  return replaced !== undefined && (await vectors.collection(replaced.name)) === null;
}

/** The collection that the run had found empty, as it was. */
async function putEmptyBack(replaced: CollectionDescription, { vectors }: ChangedStores): Promise<string> {
  const { name, config } = replaced;
  await deleteCollection(vectors, name);
  await createCollection(vectors, name, config);
  await dress(vectors, replaced);
  return `the collection "${name}" is the empty one from before`;
}

/** What letting go came to, in sentences. */
interface Freed {
  /** Null where nothing was kept. */
  freed: string | null;
  /** What could not be freed yet, and why; null where all was. */
  left: string | null;
}

/**
 * Frees what was kept for undoing a change, and a snapshot that the run could not note any more before it was killed.
 *
 * @param others names of snapshots that are known to be of other runs
 */
export async function freeChange(
  change: Change,
  run: string,
  stores: ChangedStores,
  others: ReadonlySet<string>,
): Promise<Freed> {
  await stores.check();
  if ('collection' in change) return freeSnapshots(change, stores, others);
  const kept = change.kind === 'graph-swap' ? [change.replaced, change.staging] : [change.copy];
  const freed: string[] = [];
  for (const key of [...kept, ...(await undoneGraphs(stores.graph, change.graph, run))]) {
    if (key === null || (await stores.graph.kindOf(key)) === 'none') continue;
    await stores.graph.command('free a graph that was kept', 'DEL', key);
    freed.push(`"${key}"`);
  }
  return { freed: freed.length === 0 ? null : `the graph ${freed.join(' and ')}`, left: null };
}

async function freeSnapshots(
  change: Extract<Change, { collection: string }>,
  { vectors }: ChangedStores,
  others: ReadonlySet<string>,
): Promise<Freed> {
  const name = ownName(change);
  const known = notedSnapshots(change);
  const quoted = (names: readonly string[]): string => names.map((one) => `"${one}"`).join(' and ');
  // The server keeps the snapshots of a collection that is gone, and neither lists nor deletes them.
  if (change.kind === 'collection-create' && known.length > 0 && (await vectors.collection(name)) === null) {
    const left = `the snapshot ${quoted(known)} stays on the server: it can be deleted only while there is a collection "${name}"`;
    return { freed: null, left };
  }
  const freed: string[] = [];
  for (const one of [...known, ...(await straySnapshots(vectors, change, others))])
    if (await deleteSnapshot(vectors, name, one)) freed.push(one);
  return {
    freed: freed.length === 0 ? null : `the snapshot ${quoted(freed)} of the collection "${name}"`,
    left: null,
  };
}

/** Frees a graph that a run was building when it was killed. @returns what was freed, null where there is none */
export async function freeStaging(stores: ChangedStores, graph: string, run: string): Promise<string | null> {
  const key = `{${graph}}:lifeboat:${run}`;
  if ((await stores.graph.kindOf(key)) !== 'graph') return null;
  await stores.check();
  await stores.graph.command('free an unfinished graph', 'DEL', key);
  return `the unfinished graph "${key}"`;
}

/**
 * A run that was killed within the swap. Where there was a graph, it is kept exactly where the swap was made; where there
 * was none, only the name of the run beside the graph tells its graph from one that the service made.
 *
 * @returns null where nobody knows
 */
async function wasSwapped(
  { graph, staging, replaced }: Extract<Change, { kind: 'graph-swap' }>,
  run: string,
  store: GraphStore,
): Promise<boolean | null> {
  if (replaced !== null) return (await store.kindOf(replaced)) === 'graph';
  if ((await store.kindOf(graph)) === 'none' || (await store.kindOf(staging)) !== 'none') return false;
  return (await currentRun(store, graph)) === run ? true : null;
}

/** @param earlier the run whose graph is live then; not given where that stays as it is */
async function swapBack(
  graph: string,
  kept: string | null,
  run: string,
  store: GraphStore,
  earlier?: string | null,
): Promise<string> {
  const isThere = async (key: string): Promise<boolean> => (await store.kindOf(key)) === 'graph';
  const hasKept = kept !== null && (await isThere(kept));
  if (!hasKept) {
    // A run may have been undone before and made its change again: then what it kept is there again too.
    if (await isThere(undoneKey(graph, run))) return `the graph "${graph}" was put back before`;
    if (kept !== null) throw keptGone(kept);
  }
  const undone = await freeUndoneKey(store, graph, run);
  const hasLive = await isThere(graph);
  const renames: Rename[] = [];
  if (hasLive) renames.push([graph, undone]);
  if (kept !== null) renames.push([kept, graph]);
  const mark = earlier === undefined ? null : await markCommandOfUndo(store, graph, earlier);
  if (renames.length > 0)
    await renameKeys(store, 'put the replaced graph back', renames, mark === null ? [] : [mark]);
  const aside = hasLive ? `; the one that the run made is kept as "${undone}"` : '';
  return kept === null
    ? `there was no graph "${graph}" before${aside}`
    : `the graph "${graph}" is the one from before${aside}`;
}

function snapshotGone(collection: string, snapshot: string): Failure {
  return new Failure({
    operation: 'put the collection back',
    subject: collection,
    reason: `its snapshot "${snapshot}" is not on the server any more`,
    hint: 'Nothing was changed. Somebody deleted it or its collection, or the snapshots are not on a volume that was kept. A backup from before can be restored: lifeboat recover restore-backup',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'snapshot-missing',
  });
}

function keptGone(key: string): Failure {
  return new Failure({
    operation: 'put the replaced graph back',
    subject: key,
    reason: 'it is not on the server any more',
    hint: 'Somebody deleted it, or the run was forgotten. A backup from before can be restored: lifeboat recover restore-backup',
    exitCode: ExitCode.nothingToRecoverFrom,
    code: 'kept-graph-gone',
  });
}
