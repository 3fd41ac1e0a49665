import { ExitCode, Failure } from '../failure.js';
import { renameKeys } from '../stores/graph/rename-keys.js';
import { deleteCollection } from '../stores/vectors/collection-admin.js';
import { deleteSnapshot, listSnapshots, restoreSnapshot } from '../stores/vectors/collection-snapshots.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import type { Change, ChangePhase } from './change.js';

/** The stores that a run changed. */
export interface ChangedStores {
  readonly graph: GraphStore;
  readonly vectors: VectorStore;
  /** Throws Failure where the lease was lost; asked before each change. */
  readonly check: () => Promise<void>;
}

/** Where the graph that a run made is kept after the run was undone, until it is let go of. */
export function undoneKey(graph: string, run: string): string {
  return `{${graph}}:undone:${run}`;
}

/**
 * Proves that what was kept for undoing a change is still there: a rollback that stops halfway would leave two stores that
 * do not belong together.
 *
 * @throws Failure (exit 4) where it is gone
 */
export async function proveKept(
  { change, phase }: { change: Change; phase: ChangePhase },
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
 * Puts back what a change replaced. Nothing is deleted but a collection that was not there before: the graph that the run
 * made is kept under another key. Doing it again changes nothing.
 *
 * @returns what was done, a sentence
 * @throws Failure where what was kept is gone
 */
export async function undoChange(
  { change, phase }: { change: Change; phase: ChangePhase },
  run: string,
  stores: ChangedStores,
): Promise<string> {
  await stores.check();
  switch (change.kind) {
    case 'graph-swap':
      if (phase === 'intent' && !(await wasSwapped(change, stores.graph)))
        return `the graph "${change.graph}" had not been replaced`;
      return swapBack(change.graph, change.replaced, run, stores.graph);
    case 'graph-edit':
      if (phase === 'intent') return `the graph "${change.graph}" had not been changed`;
      return swapBack(change.graph, change.copy, run, stores.graph);
    case 'collection-edit':
      if (change.snapshot === null) return `the collection "${change.collection}" had not been changed`;
      await restoreSnapshot(stores.vectors, change.collection, change.snapshot);
      return `the collection "${change.collection}" is as it was when the snapshot "${change.snapshot}" was taken`;
    case 'collection-create':
      await deleteCollection(stores.vectors, change.collection);
      return `the collection "${change.collection}", which was not there before, is deleted`;
  }
}

/** Frees what was kept for undoing a change. @returns what was freed, a sentence; null where nothing was kept */
export async function freeChange(change: Change, run: string, stores: ChangedStores): Promise<string | null> {
  await stores.check();
  if (change.kind === 'collection-create') return null;
  if (change.kind === 'collection-edit') {
    if (change.snapshot === null) return null;
    if (!(await deleteSnapshot(stores.vectors, change.collection, change.snapshot))) return null;
    return `the snapshot "${change.snapshot}" of the collection "${change.collection}"`;
  }
  const kept = change.kind === 'graph-swap' ? [change.replaced, change.staging] : [change.copy];
  const freed: string[] = [];
  for (const key of [...kept, undoneKey(change.graph, run)]) {
    if (key === null || (await stores.graph.kindOf(key)) === 'none') continue;
    await stores.graph.command('free a graph that was kept', 'DEL', key);
    freed.push(`"${key}"`);
  }
  return freed.length === 0 ? null : `the graph ${freed.join(' and ')}`;
}

/** Frees a graph that a run was building when it was killed. @returns what was freed, null where there is none */
export async function freeStaging(stores: ChangedStores, graph: string, run: string): Promise<string | null> {
  const key = `{${graph}}:lifeboat:${run}`;
  if ((await stores.graph.kindOf(key)) !== 'graph') return null;
  await stores.check();
  await stores.graph.command('free an unfinished graph', 'DEL', key);
  return `the unfinished graph "${key}"`;
}

/** A run that was killed within the swap: the staging key is empty exactly where it was made. */
async function wasSwapped(
  { graph, staging, replaced }: Extract<Change, { kind: 'graph-swap' }>,
  store: GraphStore,
): Promise<boolean> {
  if (replaced !== null) return (await store.kindOf(replaced)) === 'graph';
  return (await store.kindOf(staging)) === 'none' && (await store.kindOf(graph)) === 'graph';
}

async function swapBack(graph: string, kept: string | null, run: string, store: GraphStore): Promise<string> {
  const undone = undoneKey(graph, run);
  const isThere = async (key: string): Promise<boolean> => (await store.kindOf(key)) === 'graph';
  if (await isThere(undone)) return `the graph "${graph}" was put back before`;
  if (kept !== null && !(await isThere(kept))) throw keptGone(kept);
  const renames: [string, string][] = [];
  if (await isThere(graph)) renames.push([graph, undone]);
  if (kept !== null) renames.push([kept, graph]);
  await renameKeys(store, 'put the replaced graph back', renames);
  return kept === null
    ? `there was no graph "${graph}" before; the one that the run made is kept as "${undone}"`
    : `the graph "${graph}" is the one from before; the one that the run made is kept as "${undone}"`;
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
