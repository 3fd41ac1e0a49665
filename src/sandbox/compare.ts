import type { GraphSnapshot } from './compare-read.js';
import type { SpoolRecord } from './compare-spool.js';

export { readGraph, type GraphSnapshot, type ReadGraphOptions } from './compare-read.js';

/** A property that is not the same; null where it is absent. Doubles always show a point or an exponent. */
export interface PropertyDifference {
  name: string;
  before: string | null;
  after: string | null;
}

/** One thing that differs. `subject` is a node as `:Label "id"` or a relationship as `node -[TYPE]-> node`. */
export interface Difference {
  kind:
    | 'node-missing'
    | 'node-extra'
    | 'node-changed'
    | 'relationship-missing'
    | 'relationship-extra'
    | 'relationship-changed';
  subject: string;
  /** Only what differs; empty for what is missing or extra. */
  properties: PropertyDifference[];
}

export interface GraphComparison {
  /** True when both graphs hold the very same nodes and relationships, property by property. */
  equal: boolean;
  nodes: { before: number; after: number; missing: number; extra: number; changed: number };
  /** A relationship that changed counts as one missing and one extra. */
  relationships: { before: number; after: number; missing: number; extra: number };
  /** The first ones of each kind, in detail. */
  examples: Difference[];
}

export interface CompareOptions {
  /** Examples of nodes, and of relationships, that are told in detail. Default 10. */
  examples?: number;
}

/**
 * Compares two graphs node by node and edge by edge. Nodes are matched by label set and `id` (those without an `id` by
 * all they hold), relationships by both ends, type and all properties, as often as they occur. Internal ids do not
 * count. An integer is not a double: 1 differs from 1.0.
 */
export async function compareGraphs(
  before: GraphSnapshot,
  after: GraphSnapshot,
  options: CompareOptions = {},
): Promise<GraphComparison> {
  if (before.ignored.join() !== after.ignored.join())
    throw new Error('The snapshots leave out different properties');
  const limit = options.examples ?? 10;
  const nodes = compareNodes(before, after, limit);
  const edges = compareRelationships(before, after, limit);
  const equal = nodes.missing + nodes.extra + nodes.changed + edges.missing + edges.extra === 0;
  const examples = equal
    ? []
    : [
        ...(await nodeExamples(before, after, nodes.keys)),
        ...(await relationshipExamples(before, after, edges)).slice(0, limit),
      ];
  return {
    equal,
    nodes: {
      before: before.nodes,
      after: after.nodes,
      missing: nodes.missing,
      extra: nodes.extra,
      changed: nodes.changed,
    },
    relationships: {
      before: before.relationships,
      after: after.relationships,
      missing: edges.missing,
      extra: edges.extra,
    },
    examples,
  };
}

/** A difference in one line, of graphs or of collections: `node-changed :Memory "x": importance 1.0 → 1`. */
export function describeDifference({
  kind,
  subject,
  properties,
}: Pick<Difference, 'subject' | 'properties'> & { kind: string }): string {
  const changes = properties.map(({ name, before, after }) => `${name} ${cut(before)} → ${cut(after)}`);
  return `${kind} ${subject}${changes.length === 0 ? '' : `: ${changes.join(', ')}`}`;
}

function cut(text: string | null): string {
  if (text === null) return 'absent';
  return text.length > 120 ? `${text.slice(0, 100)}… (${text.length} characters)` : text;
}

interface NodeResult {
  missing: number;
  extra: number;
  changed: number;
  /** Keys of the examples. */
  keys: Set<string>;
}

function compareNodes(before: GraphSnapshot, after: GraphSnapshot, limit: number): NodeResult {
  const result: NodeResult = { missing: 0, extra: 0, changed: 0, keys: new Set() };
  const note = (key: string, old: string[], now: string[]): void => {
    const gone = without(old, now).length;
    const added = without(now, old).length;
    const changed = Math.min(gone, added);
    result.changed += changed;
    result.missing += gone - changed;
    result.extra += added - changed;
    if (gone + added > 0 && result.keys.size < limit) result.keys.add(key);
  };
  for (const [key, old] of before.nodeDigests) note(key, old, after.nodeDigests.get(key) ?? []);
  for (const [key, now] of after.nodeDigests) if (!before.nodeDigests.has(key)) note(key, [], now);
  return result;
}

/** The items of one list that the other does not have, each as often as it has it more often. */
function without(items: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return items.filter((item) => {
    const index = left.indexOf(item);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

interface RelationshipResult {
  missing: number;
  extra: number;
  /** Digest → how many more there are on that side; the first ones only. */
  lost: Map<string, number>;
  added: Map<string, number>;
}

/** Relationships on each side whose records are looked up, to find the pairs in which only a property changed. */
const LOOKED_UP = 5_000;

function compareRelationships(
  before: GraphSnapshot,
  after: GraphSnapshot,
  limit: number,
): RelationshipResult {
  const most = Math.max(limit, LOOKED_UP);
  const surplus = (one: GraphSnapshot, other: GraphSnapshot): [number, Map<string, number>] => {
    let total = 0;
    const found = new Map<string, number>();
    for (const [digest, count] of one.relationshipDigests) {
      const more = count - (other.relationshipDigests.get(digest) ?? 0);
      if (more <= 0) continue;
      total += more;
      if (found.size < most) found.set(digest, more);
    }
    return [total, found];
  };
  const [missing, lost] = surplus(before, after);
  const [extra, added] = surplus(after, before);
  return { missing, extra, lost, added };
}

type NodeRecord = Extract<SpoolRecord, { kind: 'node' }>;
type RelationshipRecord = Extract<SpoolRecord, { kind: 'relationship' }>;

async function nodeExamples(
  before: GraphSnapshot,
  after: GraphSnapshot,
  keys: Set<string>,
): Promise<Difference[]> {
  if (keys.size === 0) return [];
  const [old, now] = [await nodesByKey(before, keys), await nodesByKey(after, keys)];
  return [...keys].flatMap((key) => {
    const gone = unmatched(old.get(key) ?? [], now.get(key) ?? []);
    const added = unmatched(now.get(key) ?? [], old.get(key) ?? []);
    return pair('node', key, gone, added);
  });
}

async function nodesByKey(snapshot: GraphSnapshot, keys: Set<string>): Promise<Map<string, NodeRecord[]>> {
  const found = new Map<string, NodeRecord[]>();
  for await (const record of snapshot.spool.records()) {
    // Nodes come first in the file.
    if (record.kind !== 'node') break;
    if (keys.has(record.key)) found.set(record.key, [...(found.get(record.key) ?? []), record]);
  }
  return found;
}

function unmatched(records: NodeRecord[], others: NodeRecord[]): NodeRecord[] {
  const digests = without(
    records.map(({ digest }) => digest),
    others.map(({ digest }) => digest),
  );
  return digests.flatMap((digest) => records.find((record) => record.digest === digest) ?? []);
}

async function relationshipExamples(
  before: GraphSnapshot,
  after: GraphSnapshot,
  { lost, added }: RelationshipResult,
): Promise<Difference[]> {
  const [old, now] = [await relationshipsBySubject(before, lost), await relationshipsBySubject(after, added)];
  const subjects = new Set([...old.keys(), ...now.keys()]);
  return [...subjects].flatMap((subject) =>
    pair('relationship', subject, old.get(subject) ?? [], now.get(subject) ?? []),
  );
}

async function relationshipsBySubject(
  snapshot: GraphSnapshot,
  wanted: ReadonlyMap<string, number>,
): Promise<Map<string, RelationshipRecord[]>> {
  const found = new Map<string, RelationshipRecord[]>();
  const left = new Map(wanted);
  if (left.size === 0) return found;
  for await (const record of snapshot.spool.records()) {
    const more = record.kind === 'relationship' ? left.get(record.digest) : undefined;
    if (record.kind !== 'relationship' || more === undefined) continue;
    if (more === 1) left.delete(record.digest);
    else left.set(record.digest, more - 1);
    const subject = `${record.source} -[${record.type}]-> ${record.target}`;
    found.set(subject, [...(found.get(subject) ?? []), record]);
  }
  return found;
}

/** What is on both sides changed; the rest is missing or extra. */
function pair(
  what: 'node' | 'relationship',
  subject: string,
  gone: readonly { properties: [string, string][] }[],
  added: readonly { properties: [string, string][] }[],
): Difference[] {
  const differences: Difference[] = [];
  for (let index = 0; index < Math.max(gone.length, added.length); index++) {
    const [old, now] = [gone[index], added[index]];
    if (old && now) {
      differences.push({
        kind: `${what}-changed`,
        subject,
        properties: changesOf(old.properties, now.properties),
      });
    } else {
      differences.push({ kind: old ? `${what}-missing` : `${what}-extra`, subject, properties: [] });
    }
  }
  return differences;
}

function changesOf(before: [string, string][], after: [string, string][]): PropertyDifference[] {
  const [old, now] = [new Map(before), new Map(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .map((name) => ({ name, before: old.get(name) ?? null, after: now.get(name) ?? null }))
    .filter((change) => change.before !== change.after);
}
