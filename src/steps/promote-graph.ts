import { ExitCode, Failure } from '../failure.js';
import { renameKeys, type Rename } from '../stores/graph/rename-keys.js';
import { addTally, applyDelta, describeTally, emptyTally } from './apply-delta.js';
import type { Change } from './change.js';
import type { DeltaTally } from './delta-nodes.js';
import { markLiveGraph } from './live-mark.js';
import { LiveWatch } from '../stores/graph/live-watch.js';
import type { GraphMark } from './graph-mark.js';
import type { Step, StepContext } from './step.js';
import { currentRun, markCommand, runOf } from './current-run.js';
import { keptAlready } from './kept-already.js';

/** How often the live graph is read again before the swap: a service that never rests must not keep it off. */
const ROUNDS = 3;
/** Swaps that come to nothing because something was touched at that moment, such as the lease by its heartbeat. */
const ATTEMPTS = 20;

/**
 * Puts the staged graph in the place of the live one in one transaction, and keeps what was there. Both keys carry the
 * same hash tag, so the transaction also works in a cluster.
 *
 * The service may be writing. Where it was not, since the live graph was read, the server says so with the swap itself,
 * and that is all. Where it was, the live graph is read again and what changed is brought to the staged one, a few times
 * at most; what is written between the last look and the swap then stands in the replaced graph, which nobody writes to
 * any more, and the step `catch-up` fetches it from there.
 */
export const promoteGraph: Step = {
  id: 'promote-graph',
  title: 'Promote the new graph',
  writes: true,
  store: 'graph',
  isSwap: true,
  async run(context) {
    const { work, graphName } = context;
    if (work.swappedBefore) return keepEarlierSwap(context);
    if (work.mark === null) await markLiveGraph(context);
    try {
      const { replaced, tally } = await new Swap(context, work.mark as GraphMark).run();
      const written = describeTally(tally);
      const caughtUp = written === null ? '' : `; written meanwhile and caught up: ${written}`;
      return replaced === null
        ? `"${graphName}" is live; there was no graph to keep${caughtUp}`
        : `"${graphName}" is live; what it replaced is kept as "${replaced}"${caughtUp}`;
    } finally {
      work.watch?.close();
      work.watch = null;
    }
  },
};

class Swap {
  private tally = emptyTally();
  private rounds = 0;
  private isSaved = false;
  private isUnmarked = false;

  constructor(
    private readonly context: StepContext,
    private readonly mark: GraphMark,
  ) {}

  async run(): Promise<{ replaced: string | null; tally: DeltaTally }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.context.signal.throwIfAborted();
      const watch = await this.watch();
      if (!watch.isArmed && this.rounds < ROUNDS) await this.catchUp(watch);
      const replaced = await this.attempt(watch);
      if (replaced !== undefined) return { replaced, tally: this.tally };
    }
    throw untimely(this.context);
  }

  /** The connection of the swap. One that broke has forgotten what it watched. */
  private async watch(): Promise<LiveWatch> {
    const { work } = this.context;
    if (work.watch !== null && (await work.watch.isAlive())) return work.watch;
    work.watch?.close();
    work.watch = await LiveWatch.begin(this.context);
    await work.watch.disarm();
    return work.watch;
  }

  /** Watches first, then reads: if nothing is written from here on, the swap will say so. */
  private async catchUp(watch: LiveWatch): Promise<void> {
    const { context, mark } = this;
    const { graphName, stagingKey, work } = context;
    this.rounds++;
    this.isSaved = false;
    await watch.arm();
    const kind = await context.graph.kindOf(graphName);
    if (kind !== 'graph') {
      if (mark.nodes.count > 0)
        context.notice(`The live graph is gone since it was read; what was read of it is kept.`);
      return;
    }
    const done = await applyDelta(context, { from: graphName, to: stagingKey, mark, swapped: false });
    this.tally = addTally(this.tally, done);
    if (describeTally(done) === null) return;
    const { nodes, memories, relationships, byRelationship } = await context.graph.survey(stagingKey);
    work.restored = { ...work.restored, nodes, memories, relationships };
    if (work.byRelationship !== null) work.byRelationship = byRelationship;
  }

  /** @returns the key that the replaced graph is kept under, null for none; undefined where nothing was renamed */
  private async attempt(watch: LiveWatch): Promise<string | null | undefined> {
    const { context } = this;
    const { graphName, stagingKey, replacedKey, work } = context;
    const isThere = (await watch.store.kindOf(graphName)) !== 'none';
    // A graph that comes into being at this moment must not be renamed over.
    if (!isThere && !watch.isArmed) {
      await watch.arm();
      if ((await watch.store.kindOf(graphName)) !== 'none') return this.again(watch);
    }
    const isWatched = watch.isArmed;
    await watch.store.command('watch the staged graph', 'WATCH', stagingKey);
    if ((await watch.store.kindOf(stagingKey)) !== 'graph') throw stagingGone(context);
    if ((await watch.store.kindOf(replacedKey)) !== 'none') throw keptAlready(replacedKey);
    await this.save(watch);
    const earlier = await currentRun(watch.store, graphName);
    const mark = await this.noteWhose(watch);
    const replaced = isThere ? replacedKey : null;
    const swap: Change = { kind: 'graph-swap', graph: graphName, staging: stagingKey, replaced, earlier };
    let isKept = isThere;
    try {
      await context.changes.make(swap, async () => {
        isKept = (await this.rename(watch, replaced, mark)) && isThere;
        return isKept ? swap : { ...swap, replaced: null };
      });
    } catch (error) {
      if (error instanceof Failure && error.code === 'keys-changed') return this.again(watch);
      throw error;
    }
    work.replaced = isKept;
    work.promoted = true;
    work.swappedHere = true;
    this.mark.settled = isWatched;
    return isKept ? replacedKey : null;
  }

  /** What notes in the swap itself whose graph is live then; none where that is not allowed, which is no reason to fail. */
  private async noteWhose({ store }: LiveWatch): Promise<(readonly string[])[]> {
    const { graphName, stagingKey, notice } = this.context;
    const command = await markCommand(store, graphName, runOf(stagingKey));
    if (command !== null) return [command];
    if (!this.isUnmarked)
      notice(
        'The user of the settings may not SET a key beside the graph: whose graph is live is not noted there.',
      );
    this.isUnmarked = true;
    return [];
  }

  /** Before the swap: whoever takes over after it finds nothing in memory. */
  private async save({ store }: LiveWatch): Promise<void> {
    if (this.isSaved) return;
    const { stagingKey, checkpoints } = this.context;
    this.mark.limit = 1 + (await store.scalar(stagingKey, 'MATCH (n) RETURN max(id(n))'));
    await this.mark.save(checkpoints);
    this.isSaved = true;
  }

  private async again(watch: LiveWatch): Promise<undefined> {
    await watch.disarm();
    return undefined;
  }

  /** @returns false where the graph that was to be kept was deleted at that very moment */
  private async rename(
    watch: LiveWatch,
    replaced: string | null,
    mark: (readonly string[])[],
  ): Promise<boolean> {
    const { context } = this;
    const { graphName, stagingKey, work } = context;
    await context.changes.fence(watch.store, graphName);
    try {
      const renames: Rename[] = replaced === null ? [] : [[graphName, replaced]];
      renames.push([stagingKey, graphName]);
      return await renameKeys(watch.store, 'promote the staged graph', renames, mark);
    } catch (error) {
      if (error instanceof Failure && error.code === 'keys-changed') throw error;
      work.promoted = await isSwapped(context);
      work.replaced = work.promoted && replaced !== null;
      throw error;
    } finally {
      watch.spent();
    }
  }
}

/** Where the connection broke, the swap may have been made and only its answer lost. */
async function isSwapped({ openGraph, stagingKey, graphName }: StepContext): Promise<boolean> {
  try {
    const graph = await openGraph();
    return (await graph.kindOf(stagingKey)) === 'none' && (await graph.kindOf(graphName)) === 'graph';
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}

/**
 * A run that was killed between the swap and its note in the journal: the new graph is live already, and what it replaced
 * must not be renamed over. What was staged once more is let go of.
 */
async function keepEarlierSwap({
  graph,
  stagingKey,
  graphName,
  work,
  changes,
}: StepContext): Promise<string> {
  // What it replaced was fetched before it was read; its own mark is another one.
  if (work.mark !== null) work.mark.settled = true;
  await graph.command('remove the staging graph', 'DEL', stagingKey);
  changes.settle('graph-swap', 'done');
  return `"${graphName}" was live already: the run had been stopped right after the swap`;
}

function stagingGone({ stagingKey }: StepContext): Failure {
  return new Failure({
    operation: 'promote the staged graph',
    subject: stagingKey,
    reason: 'it is not there any more: something deleted it',
    hint: 'Look for another program that clears keys, or for a maxmemory-policy that evicts them, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'staging-gone',
  });
}

function untimely({ graphName }: StepContext): Failure {
  return new Failure({
    operation: 'promote the staged graph',
    subject: graphName,
    reason: `in ${ATTEMPTS} attempts something was touched at the very moment of the swap`,
    hint: 'Nothing was renamed. See what creates or deletes the graph all the time, then run the command again.',
    exitCode: ExitCode.failed,
    code: 'keys-changed',
  });
}
