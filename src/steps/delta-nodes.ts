import { Failure } from '../failure.js';
import { ID_PROPERTY } from '../memory/contract.js';
import type { GraphNode, Value, ValueMap } from '../memory/values.js';
import { toCypherLiteral } from '../stores/graph/cypher.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { storableProperties, withoutUnsoundNames } from '../stores/graph/storable.js';
import { nodeNames, nodesAt } from '../stores/graph/live-pages.js';
import type { LiveWriter } from '../stores/graph/live-writer.js';
import type { FreshNode, GoneNode, NodeChanges } from './graph-delta.js';
import { ACCESS_PROPERTY, keyHash, nodeHashes, nodeKey } from './graph-hash.js';
import type { GraphMark } from './graph-mark.js';
import { laterText, newestTime } from './newest.js';
import type { StepContext } from './step.js';

/** How often a node that the service changes at the very moment is looked at again. */
const ATTEMPTS = 5;
/** What a delta is applied to. */
export interface DeltaTarget {
  readonly context: Pick<StepContext, 'quarantine' | 'notice'>;
  readonly store: GraphStore;
  readonly writer: LiveWriter;
  readonly mark: GraphMark;
  /** Whether the service writes to it as well: then the newest wins; else what was read is the truth. */
  readonly isShared: boolean;
  readonly tally: DeltaTally;
}

/** What was done. */
export interface DeltaTally {
  nodesCreated: number;
  nodesChanged: number;
  nodesDeleted: number;
  relationshipsCreated: number;
  relationshipsChanged: number;
  relationshipsDeleted: number;
}

/** A fresh node with its counterpart in the target, as it is there now. */
interface Pair {
  fresh: FreshNode;
  node: GraphNode;
  there: GraphNode;
}

/** Creates and changes nodes; those that are gone are another matter, see {@link deleteGone}. */
export async function applyNodes(target: DeltaTarget, changes: NodeChanges): Promise<void> {
  const { mark } = target;
  for (const { liveId } of changes.gone) mark.nodes.delete(liveId);
  const known = changes.fresh.filter(({ old }) => old !== null && old.target >= 0);
  const unknown = changes.fresh.filter(({ old }) => old === null || old.target < 0);
  const counterparts = await findCounterparts(target, unknown);
  const toCreate: FreshNode[] = [];
  let toChange: FreshNode[] = known;
  for (const fresh of unknown) {
    const at = counterparts.get(fresh);
    remember(mark, fresh, at ?? -1);
    (at === undefined ? toCreate : toChange).push(fresh);
  }
  await create(target, toCreate);
  for (let attempt = 0; toChange.length > 0 && attempt < ATTEMPTS; attempt++) {
    toChange = await change(target, toChange);
  }
  if (toChange.length > 0) {
    const ids = toChange.slice(0, 3).map(({ node }) => nameOf(node));
    target.context.notice(
      `${toChange.length} nodes change faster than they can be caught up with (${ids.join(', ')}); they stay as the service writes them.`,
    );
  }
}

function remember(mark: GraphMark, { node, hashes }: FreshNode, target: number): void {
  mark.nodes.set(node.internalId, { ...hashes, target });
}

/** Nodes of the target that are the same as ones that are new to the mark: by id, whoever made them. */
async function findCounterparts(
  { store, writer, mark }: DeltaTarget,
  fresh: readonly FreshNode[],
): Promise<Map<FreshNode, number>> {
  const wanted = new Map<string, FreshNode[]>();
  for (const one of fresh) {
    const key = nodeKey(one.node);
    if (key !== null) wanted.set(key, [...(wanted.get(key) ?? []), one]);
  }
  const found = new Map<FreshNode, number>();
  if (wanted.size === 0) return found;
  // Twins under one id: what another live node became is not this one's counterpart.
  const taken = new Set([...mark.nodes.ids()].map((liveId) => mark.target(liveId)));
  for await (const page of nodeNames(store, writer.graph)) {
    for (const name of page) {
      if (taken.has(name.internalId)) continue;
      const one = wanted.get(nodeKey(name) ?? '')?.pop();
      if (one !== undefined) found.set(one, name.internalId);
    }
  }
  return found;
}

async function create(target: DeltaTarget, nodes: readonly FreshNode[]): Promise<void> {
  const sound = nodes.flatMap((fresh) => {
    const node = storable(target, fresh.node);
    return node.labels.length === 0 ? [] : [{ fresh, node }];
  });
  const ids = await target.writer.createNodes(sound.map(({ node }) => node));
  for (const [at, { fresh }] of sound.entries()) remember(target.mark, fresh, ids[at] as number);
  target.tally.nodesCreated += sound.length;
}

/** @returns the nodes that the service changed between the look at them and the write */
async function change(target: DeltaTarget, nodes: readonly FreshNode[]): Promise<FreshNode[]> {
  const { store, writer, mark, tally } = target;
  const targetOf = ({ node }: FreshNode): number => mark.target(node.internalId);
  const there = await nodesAt(store, writer.graph, nodes.map(targetOf));
  const pairs: Pair[] = [];
  for (const fresh of nodes) {
    const found = there.get(targetOf(fresh));
    if (found === undefined || nodeHashes(found).key !== fresh.hashes.key) {
      // Deleted meanwhile, which is the newer word on it.
      remember(mark, fresh, -1);
      continue;
    }
    pairs.push({ fresh, node: storable(target, fresh.node), there: found });
  }
  const writes = pairs.flatMap((pair) => {
    const properties = target.isShared ? newestOf(pair) : pair.node.properties;
    const isSame = sameBody(properties, pair.there);
    return isSame ? [] : [{ ...pair, properties }];
  });
  const done = await writer.setProperties(
    writes.map(({ there: { internalId, properties: was }, properties }) => ({
      internalId,
      properties,
      ...(target.isShared ? { still: guardOf(was, GUARDS) } : {}),
    })),
  );
  tally.nodesChanged += done.size;
  const missed = new Set(
    writes.filter(({ there: { internalId } }) => !done.has(internalId)).map(({ fresh }) => fresh),
  );
  for (const { fresh, node, there: now } of pairs) {
    if (missed.has(fresh)) continue;
    await alignLabels(target, fresh, node, now);
    remember(mark, fresh, now.internalId);
  }
  return [...missed];
}

/** Every change by the service sets one of these; all are texts. */
const BODY_GUARDS = [ID_PROPERTY, 'updated_at', 'enriched_at', 'archived_at', 'content'] as const;
const GUARDS = [...BODY_GUARDS, ACCESS_PROPERTY] as const;

/** What a node must still have when it is written to; see KnownNode. */
function guardOf(properties: ValueMap, names: readonly string[]): Record<string, string | null> {
  const values = names.map((name) => [name, properties[name] ?? null] as const);
  return Object.fromEntries(
    values.filter(
      (entry): entry is [string, string | null] => entry[1] === null || typeof entry[1] === 'string',
    ),
  );
}

function sameBody(properties: ValueMap, there: GraphNode): boolean {
  const [wanted, found] = [{ ...there, properties }, there].map(nodeHashes);
  return wanted?.body === found?.body && wanted?.access === found?.access;
}

/**
 * What a node becomes that the service may have written on both sides of the swap. One side alone changed: that one. Both
 * did: the newest by its own times, and what was written before the swap where they are the same. When it was last read is
 * the later one in any case.
 */
function newestOf({ fresh, node, there }: Pair): ValueMap {
  const now = nodeHashes(there);
  const { old } = fresh;
  const changedBefore = old === null || old.body !== fresh.hashes.body;
  const changedSince = old === null || old.body !== now.body;
  const isBefore =
    changedBefore && (!changedSince || newestTime(node.properties) >= newestTime(there.properties));
  const body = isBefore ? node.properties : there.properties;
  const access = laterText(node.properties[ACCESS_PROPERTY], there.properties[ACCESS_PROPERTY]);
  return access === undefined ? body : { ...body, [ACCESS_PROPERTY]: access };
}

/** A node that is known has just the labels that were read; one that met its counterpart keeps those of both. */
async function alignLabels(
  { writer, isShared }: DeltaTarget,
  { old }: FreshNode,
  { labels }: GraphNode,
  there: GraphNode,
): Promise<void> {
  const add = labels.filter((label) => !there.labels.includes(label));
  const keeps = old === null || isShared;
  const remove = keeps ? [] : there.labels.filter((label) => !labels.includes(label));
  await writer.setLabels(there.internalId, { add, remove });
}

/** Deletes what the service deleted, once relationships have been seen to. */
export async function deleteGone(target: DeltaTarget, gone: readonly GoneNode[]): Promise<void> {
  const { store, writer, mark, tally } = target;
  const alive = new Set([...mark.nodes.ids()].map((liveId) => mark.target(liveId)));
  const carried = new Map(
    gone.filter((one) => one.target >= 0 && !alive.has(one.target)).map((one) => [one.target, one]),
  );
  const others = await findByKey(target, gone, alive);
  const there = await nodesAt(store, writer.graph, [...carried.keys(), ...others]);
  const doomed = [...there.values()].filter((node) => {
    const one = carried.get(node.internalId);
    return one === undefined || isUntouched(target, one, node);
  });
  const deleted = await writer.deleteNodes(
    doomed.map(({ internalId, properties }) => ({ internalId, still: guardOf(properties, BODY_GUARDS) })),
  );
  mark.deletedKeys.clear();
  tally.nodesDeleted += deleted.size;
}

/** Nodes that were deleted before they were carried over, and came from another source. */
async function findByKey(
  { store, writer, mark }: DeltaTarget,
  gone: readonly GoneNode[],
  alive: ReadonlySet<number>,
): Promise<number[]> {
  const keys = new Set(mark.deletedKeys);
  for (const { key, target } of gone) if (target < 0) keys.add(key);
  for (const liveId of mark.nodes.ids()) keys.delete(mark.nodes.value(liveId, 'key') ?? 0);
  const found: number[] = [];
  if (keys.size === 0) return found;
  for await (const page of nodeNames(store, writer.graph)) {
    for (const name of page) {
      const isGone = nodeKey(name) !== null && keys.has(keyHash(name));
      if (isGone && !alive.has(name.internalId)) found.push(name.internalId);
    }
  }
  return found;
}

/** A change after the delete is the newer word; that it was read again is none. */
function isUntouched({ isShared }: DeltaTarget, { key, body }: GoneNode, node: GraphNode): boolean {
  const now = nodeHashes(node);
  return now.key === key && (!isShared || now.body === body);
}

/** The part of a node that can be written in place; the rest goes to quarantine. */
function storable({ context }: DeltaTarget, node: GraphNode): GraphNode {
  const id = nameOf(node);
  const { kept, refused } = storableProperties(node.properties);
  const sound = withoutUnsoundNames(node.labels, kept);
  const properties = Object.fromEntries(
    Object.entries(sound.properties).filter(([name, value]) => {
      if (hasLiteral(value)) return true;
      refused.push(name);
      return false;
    }),
  );
  const aside = (name: string, reason: string): void =>
    context.quarantine({ kind: 'property', id: `${id} ${name}`, reason, record: node.properties[name] });
  for (const name of refused) aside(name, 'the graph cannot hold its value');
  for (const { name, reason } of sound.refused) aside(name, reason);
  if (sound.labels.length === 0)
    context.quarantine({ kind: 'node', id, reason: 'it has no label that can be written', record: node });
  return { ...node, labels: sound.labels, properties };
}

/** Not a number and infinity are values of a graph that no query can write. */
export function hasLiteral(value: Value): boolean {
  try {
    toCypherLiteral(value);
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}

function nameOf({ labels, properties }: GraphNode): string {
  const id = properties[ID_PROPERTY];
  return typeof id === 'string' ? id : labels.join(':');
}
