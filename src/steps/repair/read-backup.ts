import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { joinKey } from '../../memory/ids.js';
import { parseJson, printPythonJson } from '../../memory/json.js';
import type { GraphNode, ValueMap } from '../../memory/values.js';
import { identity } from '../identity.js';
import { BackupSource } from '../node-source.js';
import { pairInUse } from '../pair-in-use.js';
import type { StepContext } from '../step.js';

/** A node as a relationship of the backup ends at it: there already, by internal id, or one that comes back, by joined id. */
export type BackupEnd = number | string;

export interface BackupRelationship {
  from: BackupEnd;
  to: BackupEnd;
  type: string;
  properties: ValueMap;
}

/** What the newest backup knows of some memories. */
export interface BackupExcerpt {
  /** Joined id → node. */
  nodes: Map<string, GraphNode>;
  /** Those whose ends are both in the live graph or come back to it. */
  relationships: BackupRelationship[];
}

/**
 * Reads the newest backup once, to its end, so that nothing is taken from one that is damaged further down.
 *
 * @param live what makes a node the same node → its internal id in the live graph
 * @param wanted joined ids of memories: these nodes, and relationships that touch them; null takes all relationships
 * @returns null where there is no backup
 * @throws Failure where it cannot be read completely
 */
export async function readBackup(
  context: StepContext,
  live: ReadonlyMap<string, number>,
  wanted: ReadonlySet<string> | null,
): Promise<BackupExcerpt | null> {
  const { archive, graphName, signal } = context;
  const backup = pairInUse(context);
  if (archive === null || backup?.graph == null) return null;
  const totals = backup.counts ?? { nodes: null, relationships: null };
  const source = new BackupSource(archive, backup.graph, graphName, totals);
  const excerpt: BackupExcerpt = { nodes: new Map(), relationships: [] };
  const ends = new Map<number, { end: BackupEnd; isWanted: boolean }>();
  for await (const page of source.nodes(() => undefined)) {
    signal.throwIfAborted();
    for (const node of page) {
      const key = wantedKey(node, wanted);
      const end = live.get(identity(node) ?? '') ?? key;
      if (end !== null) ends.set(node.internalId, { end, isWanted: wanted === null || key !== null });
      if (key !== null) excerpt.nodes.set(key, { ...node, properties: detached(node.properties) });
    }
  }
  const intern = internTypes();
  for await (const page of source.relationships(() => undefined)) {
    signal.throwIfAborted();
    for (const relationship of page) {
      const from = ends.get(relationship.source);
      const to = ends.get(relationship.target);
      if (from === undefined || to === undefined || !(from.isWanted || to.isWanted)) continue;
      const { type, properties } = relationship;
      excerpt.relationships.push({
        from: from.end,
        to: to.end,
        type: intern(type),
        properties: detached(properties),
      });
    }
  }
  return excerpt;
}

function wantedKey({ labels, properties }: GraphNode, wanted: ReadonlySet<string> | null): string | null {
  const id = properties[ID_PROPERTY];
  if (wanted === null || typeof id !== 'string' || !labels.includes(MEMORY_LABEL)) return null;
  const key = joinKey(id);
  return wanted.has(key) ? key : null;
}

/** What is read of a file is cut from its text, which stays in memory as long as any piece of it: so it is copied. */
function detached(properties: ValueMap): ValueMap {
  return parseJson(printPythonJson(properties)) as ValueMap;
}

/** One text for each type, cut from nothing. */
function internTypes(): (type: string) => string {
  const types = new Map<string, string>();
  return (type) => {
    const known = types.get(type);
    if (known !== undefined) return known;
    const copy = parseJson(printPythonJson(type)) as string;
    types.set(copy, copy);
    return copy;
  };
}
