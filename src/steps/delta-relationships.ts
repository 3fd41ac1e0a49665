import { storableProperties, withoutUnsoundNames } from '../stores/graph/storable.js';
import { batches, relationshipsBetween, type LiveRelationship } from '../stores/graph/live-pages.js';
import type { KnownRelationship, NewRelationship } from '../stores/graph/live-writer.js';
import { hasLiteral, type DeltaTarget } from './delta-nodes.js';
import type { Ends, FreshRelationship, RelationshipChanges } from './graph-delta.js';
import { relationshipHash } from './graph-hash.js';
import { newestTime } from './newest.js';

/** Pairs of nodes that are dealt with at once. */
const PAIRS = 500;

/** What changed between two nodes, by hashes. */
interface Between {
  from: number;
  to: number;
  /** Hashes of what did not change: it stays what it is. */
  kept: number[];
  changed: FreshRelationship[];
  gone: number[];
  added: FreshRelationship[];
}

/** What to write. */
interface Writes {
  create: NewRelationship[];
  set: (KnownRelationship & { properties: NewRelationship['properties'] })[];
  remove: KnownRelationship[];
}

/**
 * Brings relationships up to what was read. They have no id of their own, and the server knows several of one type between
 * the same nodes: so all between two nodes are looked at together. What did not change is matched first, a changed one
 * finds its older form by its hash, and a new one takes the place of another of its type before it stands beside it, as
 * the service's own MERGE would have it. Doing it again changes nothing.
 */
export async function applyRelationships(target: DeltaTarget, changes: RelationshipChanges): Promise<void> {
  const { mark } = target;
  const groups = grouped(target, changes);
  for (const batch of batches([...groups.values()], PAIRS)) await applyBetween(target, batch);
  for (const { liveId } of changes.gone) mark.relationships.delete(liveId);
  for (const { relationship, hash, from, to } of changes.fresh) {
    // One whose node was made after the nodes were read is found the next time.
    const isKnown = mark.nodes.has(relationship.source) && mark.nodes.has(relationship.target);
    if (isKnown) mark.relationships.set(relationship.internalId, { hash, from, to });
    else mark.relationships.delete(relationship.internalId);
  }
}

function grouped({ mark }: DeltaTarget, changes: RelationshipChanges): Map<string, Between> {
  const groups = new Map<string, Between>();
  const group = ({ from, to }: Omit<Ends, 'hash'>): Between | null => {
    if (from < 0 || to < 0) return null;
    const key = `${from} ${to}`;
    let between = groups.get(key);
    if (between === undefined)
      groups.set(key, (between = { from, to, kept: [], changed: [], gone: [], added: [] }));
    return between;
  };
  for (const one of changes.gone) group(one)?.gone.push(one.hash);
  for (const fresh of changes.fresh) {
    const { old } = fresh;
    if (old?.from === fresh.from && old.to === fresh.to) group(fresh)?.changed.push(fresh);
    else {
      if (old !== null) group(old)?.gone.push(old.hash);
      group(fresh)?.added.push(fresh);
    }
  }
  if (groups.size === 0) return groups;
  for (const liveId of mark.relationships.ids()) {
    const ends = mark.relationships.get(liveId);
    if (ends !== null && changes.isKept(liveId)) groups.get(`${ends.from} ${ends.to}`)?.kept.push(ends.hash);
  }
  return groups;
}

async function applyBetween(target: DeltaTarget, groups: readonly Between[]): Promise<void> {
  const { store, writer, tally } = target;
  const there = await relationshipsBetween(
    store,
    writer.graph,
    groups.map(({ from, to }) => [from, to] as const),
  );
  const pools = Map.groupBy(there, ({ source, target: to }) => `${source} ${to}`);
  const writes: Writes = { create: [], set: [], remove: [] };
  for (const group of groups)
    settle(target, group, new Pool(pools.get(`${group.from} ${group.to}`) ?? []), writes);
  tally.relationshipsDeleted += await writer.deleteRelationships(writes.remove);
  tally.relationshipsChanged += await writer.setRelationships(writes.set);
  const created = await writer.createRelationships(writes.create);
  tally.relationshipsCreated += created.filter((id) => id !== null).length;
}

/** What the target holds between two nodes and is not accounted for yet. */
class Pool {
  private readonly left: { relationship: LiveRelationship; hash: number }[];

  constructor(there: readonly LiveRelationship[]) {
    this.left = there.map((relationship) => ({
      relationship,
      hash: relationshipHash(relationship.type, relationship.properties),
    }));
  }

  takeHash(hash: number): LiveRelationship | undefined {
    return this.take((one) => one.hash === hash);
  }

  takeType(type: string): LiveRelationship | undefined {
    return this.take(({ relationship }) => relationship.type === type);
  }

  private take(fits: (one: Pool['left'][number]) => boolean): LiveRelationship | undefined {
    const at = this.left.findIndex(fits);
    return at < 0 ? undefined : this.left.splice(at, 1)[0]?.relationship;
  }
}

function settle(target: DeltaTarget, group: Between, pool: Pool, writes: Writes): void {
  for (const hash of group.kept) pool.takeHash(hash);
  const added: FreshRelationship[] = [];
  for (const fresh of [...group.changed, ...group.added]) {
    if (pool.takeHash(fresh.hash) === undefined) added.push(fresh);
  }
  const homeless = added.filter((fresh) => {
    const before =
      group.changed.includes(fresh) && fresh.old !== null ? pool.takeHash(fresh.old.hash) : undefined;
    if (before !== undefined) writes.set.push({ ...before, properties: storable(target, fresh) });
    return before === undefined;
  });
  for (const hash of group.gone) {
    const doomed = pool.takeHash(hash);
    if (doomed !== undefined) writes.remove.push(doomed);
  }
  for (const fresh of homeless) {
    const { type } = fresh.relationship;
    const properties = storable(target, fresh);
    const other = pool.takeType(type);
    if (other === undefined) writes.create.push({ source: group.from, target: group.to, type, properties });
    else if (!target.isShared || newestTime(properties) >= newestTime(other.properties))
      writes.set.push({ ...other, properties });
  }
}

/** The part of the properties that can be written in place; the rest goes to quarantine. */
function storable(
  { context }: DeltaTarget,
  { relationship }: FreshRelationship,
): NewRelationship['properties'] {
  const { type, properties: all } = relationship;
  const { kept } = storableProperties(all);
  const sound = withoutUnsoundNames([type], kept).properties;
  const properties = Object.fromEntries(Object.entries(sound).filter(([, value]) => hasLiteral(value)));
  for (const name of Object.keys(all)) {
    if (all[name] === null || Object.hasOwn(properties, name)) continue;
    context.quarantine({
      kind: 'property',
      id: `${type} ${name}`,
      reason: 'the graph cannot hold its value or its name',
      record: relationship,
    });
  }
  return properties;
}
