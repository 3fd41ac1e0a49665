import { currentRun } from './current-run.js';
import { needsGraph, needsVectors, noDifferences, pointsToDelete } from './differences.js';
import { keptAlready } from './kept-already.js';
import { makeCollection } from './make-collection.js';
import type { Step, StepContext } from './step.js';
import { takeAsked, withAsk } from './snapshot-asks.js';

/**
 * Keeps the collection as it is before its first point is changed; where there is none, makes it as it was. Where the
 * stores were compared and nothing has to be written, nothing has to be kept.
 */
export const safeguardVectors: Step = {
  id: 'safeguard-vectors',
  title: 'Keep the collection as it is',
  writes: true,
  store: 'vectors',
  async run(context) {
    const { differences } = context.work;
    const isThere = (await context.vectors.collection(context.collection)) !== null;
    if (isThere && differences !== null && !needsVectors(differences)) return 'nothing will be changed';
    return safeguardCollection(context);
  },
};

/** Keeps what a repair is about to change: a copy of the graph, a snapshot of the collection; nothing where nothing differs. */
export const safeguardStores: Step = {
  id: 'safeguard-stores',
  title: 'Keep both stores as they are',
  writes: true,
  async run(context) {
    const differences = context.work.differences ?? noDifferences();
    const done: string[] = [];
    if (needsGraph(differences, context.options)) done.push(await copyLiveGraph(context));
    if (needsVectors(differences) || pointsToDelete(differences, context.options).length > 0)
      done.push(await safeguardCollection(context));
    return done.length === 0 ? 'nothing will be changed' : done.join('; ');
  },
};

/** Copies the live graph, before it is changed in place. */
export const copyGraph: Step = {
  id: 'copy-graph',
  title: 'Keep the graph as it is',
  writes: true,
  store: 'graph',
  run: (context) => copyLiveGraph(context),
};

/** A copy under the key that a promotion would keep the replaced graph under. Taken once in a run. */
async function copyLiveGraph(context: StepContext): Promise<string> {
  const { graph, graphName, replacedKey, changes } = context;
  const isKept = (await graph.kindOf(replacedKey)) !== 'none';
  // After a promotion the graph from before is kept already, also where the run was killed before it could note it.
  const swap = changes.made('graph-swap')?.phase;
  if (swap === 'done' || (swap === 'intent' && isKept))
    return `the graph from before is kept as "${replacedKey}"`;
  if (changes.made('graph-edit')?.phase === 'done') return `the copy "${replacedKey}" was taken before`;
  // Half a copy that this run left when it was killed; anything else there is kept for somebody.
  if (isKept && changes.made('graph-edit')?.phase !== 'intent') throw keptAlready(replacedKey);
  const isThere = (await graph.kindOf(graphName)) === 'graph';
  const earlier = await currentRun(graph, graphName);
  const edit = { kind: 'graph-edit', graph: graphName, copy: isThere ? replacedKey : null, earlier } as const;
  await changes.make(edit, async () => {
    if (isThere) {
      if (isKept) await graph.command('remove an unfinished copy of the graph', 'DEL', replacedKey);
      await graph.command('copy the graph', 'GRAPH.COPY', graphName, replacedKey);
    }
    return edit;
  });
  return isThere ? `a copy of the graph is kept as "${replacedKey}"` : 'there is no graph to keep';
}

/** A snapshot on the server, or a new collection where there is none. Done once in a run. */
export async function safeguardCollection(context: StepContext): Promise<string> {
  const { vectors, collection, changes } = context;
  const made = changes.made('collection-edit');
  if (made?.phase === 'done') return `the snapshot "${made.change.snapshot ?? ''}" was taken before`;
  const info = await vectors.collection(collection);
  const isBegun = changes.made('collection-create')?.phase === 'intent';
  if (info === null || isBegun || context.work.makesCollectionAnew) return makeCollection(context);
  if (changes.made('collection-create') !== undefined) return 'the collection was made by this run';
  // A run that was killed here before may have left a snapshot that it could not note.
  const before = made?.change.asked ?? [];
  const asked = await withAsk(vectors, {
    kind: 'collection-edit',
    collection,
    snapshot: null,
    asked: before,
  });
  let name = '';
  await changes.make(asked, async () => {
    name = await takeAsked(vectors, asked);
    return { ...asked, snapshot: name };
  });
  return `a snapshot of the collection is kept as "${name}"`;
}
