import { setTimeout as sleep } from 'node:timers/promises';
import { joinKey, pointId } from '../../memory/ids.js';
import { needsGraph, needsVectors, noDifferences, toEmbed, type Differences } from '../differences.js';
import { vectorWriter } from '../guarded-writers.js';
import { findDifferences } from '../repair/compare.js';
import { repairOrphans } from '../repair/repair-graph.js';
import { safeguardCollection } from '../safeguard.js';
import type { Step, StepContext } from '../step.js';
import { embed } from './embed-missing.js';
import { takeBackLoss, tellLoss, WITHOUT_VECTOR } from './losses.js';
import { refresh } from './refresh-payloads.js';
import { vectorsFromBackup } from './vectors-from-backup.js';
import { setAside } from './write-points.js';

/** A service that writes faster than this is not going to be caught. */
const ROUNDS = 3;
/**
 * AutoMem embeds a memory within seconds of its being stored. What has no vector by then lost it, and AutoMem would not
 * make another one before its hourly repair.
 */
const GRACE_SECONDS = 10;

/**
 * Compares again what was written, and repairs what still differs: what the service changed while the run was at work, and
 * memories that were too young to tell. Ends when a comparison finds nothing to do, or a round changed nothing.
 */
export const settleDrift: Step = {
  id: 'settle-drift',
  title: 'Compare again, and settle what differs',
  writes: true,
  async run(context) {
    const { work, options } = context;
    // A restore of one half leaves the other store alone, whatever differs then.
    if (work.pair !== null && options.only !== null) return `not asked for (--only ${options.only})`;
    const done: string[] = [];
    let hasWaited = false;
    for (let round = 1; ;) {
      const found = await lookAgain(context, done);
      const hasGraphWork = mayEditGraph(context) && needsGraph(found, options);
      if (needsVectors(found) || hasGraphWork) {
        if (round > ROUNDS) {
          context.notice('The stores still differ after three rounds: something goes on writing.');
          break;
        }
        if (!(await settle(context, found, hasGraphWork, done))) break;
        round++;
      } else if (found.pending > 0 && !hasWaited) {
        hasWaited = true;
        await waitUntilOld(context);
      } else break;
    }
    const kept = tellKept(context);
    if (kept > 0) done.push(`${kept} memories that differ between the stores are left as they are (--merge)`);
    tellWithoutVector(context);
    const left = leaveNewer(context);
    if (left > 0) done.push(`${left} payloads that are newer than the graph are left alone`);
    const undecided = leaveUndecided(context);
    if (undecided > 0)
      done.push(`${undecided} memories of which no time says which store is newer are left alone`);
    return done.length === 0 ? 'nothing differs any more' : done.join('; ');
  },
};

/** What a merge leaves as it is, though the stores differ in it. */
const MERGE_LEAVES = ['changed', 'placeholders', 'stale', 'damaged', 'newer', 'undecided'] as const;

/** With --merge, only what is missing is added: what is there and differs is taken off the list, and told in the end. */
function leaveWhatIsThere({ options, work }: StepContext, found: Differences): void {
  work.keptByMerge.clear();
  if (!options.merge) return;
  for (const kind of MERGE_LEAVES) {
    for (const key of found[kind].keys()) work.keptByMerge.add(key);
    found[kind].clear();
  }
}

function tellKept(context: StepContext): number {
  const { keptByMerge: kept } = context.work;
  const what = 'memories differ between graph and payload, or in their vector, and were left as they are';
  if (kept.size === 0) {
    takeBackLoss(context.work, what);
    return 0;
  }
  for (const key of kept)
    setAside(context, key, 'its node and its point differ; with --merge, what is there is not changed');
  tellLoss(
    context.work,
    what,
    `${kept.size} ${what}, since --merge adds only what is missing. To bring them together: lifeboat repair --always`,
  );
  return kept.size;
}

/** Payloads that say something newer than a graph which this run does not change: neither side is touched. */
function leaveNewer(context: StepContext): number {
  const { newer } = context.work.differences ?? noDifferences();
  if (newer.size === 0) return 0;
  for (const key of newer.keys())
    setAside(
      context,
      key,
      'its payload was updated later than the graph, and differs: both stay as they are',
    );
  context.notice(
    `The payloads of ${newer.size} memories were updated later than the graph and say something else: they are left as they are, and in quarantine. To bring what is newer into the graph: lifeboat repair --always`,
  );
  return newer.size;
}

/** Memories that differ while the node has no usable time of change: either text may be the newer one. */
function leaveUndecided(context: StepContext): number {
  const { undecided } = context.work.differences ?? noDifferences();
  if (undecided.size === 0) return 0;
  const reason =
    'its node and its payload differ, and the node has no usable updated_at that says which is newer: both stay as they are';
  for (const key of undecided.keys()) setAside(context, key, reason);
  context.notice(
    `${undecided.size} memories differ between graph and payload, and their nodes have no usable updated_at: both sides are left as they are, and in quarantine. Give the nodes an updated_at: of now where the graph is right, of an earlier time than the payload's where that is. Then repair again.`,
  );
  return undecided.size;
}

/** What is left at the end, unless the embedding said why. */
function tellWithoutVector({ work }: StepContext): void {
  const left = work.differences === null ? 0 : toEmbed(work.differences).size;
  if (left === 0) takeBackLoss(work, WITHOUT_VECTOR);
  else if (!work.losses.some((loss) => loss.includes(WITHOUT_VECTOR)))
    tellLoss(work, WITHOUT_VECTOR, `${left} memories ${WITHOUT_VECTOR} after all that was tried.`);
}

/** The stores as they are now, without what is in quarantine. */
async function lookAgain(context: StepContext, done: string[]): Promise<Differences> {
  const { work } = context;
  const asked = { ...context, options: { ...context.options, newSpace: false } };
  const found = await findDifferences(asked, GRACE_SECONDS);
  for (const key of work.refusedVectors)
    for (const kind of ['missing', 'changed', 'placeholders'] as const) found[kind].delete(key);
  leaveWhatIsThere(context, found);
  work.differences = found;
  work.drift = { before: work.drift?.before ?? null, after: found.percent };
  const removed = await removeOwnOrphans(context, found);
  if (removed > 0) done.push(`${removed} points removed again whose memories were deleted meanwhile`);
  return found;
}

/** Points that this run wrote for memories that the service deleted in the same moment. */
async function removeOwnOrphans(context: StepContext, found: Differences): Promise<number> {
  const { writtenPoints: written } = context.work;
  const own = found.orphans.filter((id) => written.find(id) >= 0);
  if (own.length === 0) return 0;
  await context.changes.check();
  const writer = vectorWriter(context);
  await writer.delete(
    context.collection,
    own.map((id) => pointId(joinKey(id))),
  );
  await writer.flush();
  const gone = new Set(own);
  found.orphans = found.orphans.filter((id) => !gone.has(id));
  return own.length;
}

/** @returns whether anything was changed */
async function settle(
  context: StepContext,
  found: Differences,
  hasGraphWork: boolean,
  done: string[],
): Promise<boolean> {
  const { work } = context;
  const before = { ...work.restored };
  const damaged = hasGraphWork ? found.damaged.size + found.newer.size : 0;
  if (hasGraphWork) done.push(await repairOrphans(context));
  const isKept = context.changes.made('collection-edit') ?? context.changes.made('collection-create');
  if (isKept === undefined && needsVectors(found)) done.push(await safeguardCollection(context));
  const { missing, changed, placeholders } = found;
  if (missing.size + changed.size + placeholders.size > 0) {
    work.coverage = null;
    done.push(await vectorsFromBackup.run(context));
    if (missing.size + changed.size + placeholders.size > 0) done.push(await embed(context, true));
  }
  const refreshed = await refresh(context);
  if (refreshed > 0) done.push(`${refreshed} payloads brought up to date`);
  const came = work.restored.vectors > before.vectors || work.restored.memories > before.memories;
  return came || refreshed + damaged > 0;
}

async function waitUntilOld({ notice, stopSignal, signal }: StepContext): Promise<void> {
  notice(`Waiting ${GRACE_SECONDS} s for memories that were written just now.`);
  const ended = AbortSignal.any([stopSignal, signal]);
  // Asked to stop, it only stops waiting.
  await sleep(GRACE_SECONDS * 1000, undefined, { signal: ended }).catch(() => undefined);
  signal.throwIfAborted();
}

/** Only a run that keeps the graph as it was before may change it in place. */
function mayEditGraph({ changes, work }: StepContext): boolean {
  return work.promoted || changes.made('graph-edit') !== undefined;
}
