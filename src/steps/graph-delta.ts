import type { GraphNode } from '../memory/values.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { liveNodes, liveRelationships, type LiveRelationship } from '../stores/graph/live-pages.js';
import { nodeHashes, relationshipHash, type NodeHashes } from './graph-hash.js';
import type { GraphMark } from './graph-mark.js';

/** A node that the mark does not hold as it is. */
export interface FreshNode {
  node: GraphNode;
  hashes: NodeHashes;
  /** As the mark has it; null for one that is new. */
  old: (NodeHashes & { target: number }) | null;
}

/** A node that the mark holds and the graph does not. */
export interface GoneNode extends NodeHashes {
  liveId: number;
  target: number;
  /** The server gave its internal id to another node. */
  reused: boolean;
}

export interface NodeChanges {
  fresh: FreshNode[];
  gone: GoneNode[];
  read: number;
}

export interface Ends {
  hash: number;
  from: number;
  to: number;
}

/** A relationship that the mark does not hold as it is, with its ends in the new graph (-1: not there). */
export interface FreshRelationship extends Ends {
  relationship: LiveRelationship;
  old: Ends | null;
}

export interface RelationshipChanges {
  fresh: FreshRelationship[];
  gone: (Ends & { liveId: number })[];
  /** Ids of relationships that are as the mark has them. */
  isKept: (liveId: number) => boolean;
  read: number;
}

/**
 * Reads a graph and tells which nodes are not as the mark holds them. Internal ids are reused after deletes: a node under a
 * known id that is another one counts as one gone and one new.
 */
export async function nodeChanges(store: GraphStore, graph: string, mark: GraphMark): Promise<NodeChanges> {
  const seen = new Uint8Array(mark.nodes.end);
  const changes: NodeChanges = { fresh: [], gone: [], read: 0 };
  for await (const page of liveNodes(store, graph)) {
    changes.read += page.length;
    for (const node of page) {
      const { internalId: liveId } = node;
      const hashes = nodeHashes(node);
      const old = mark.nodes.get(liveId);
      if (liveId < seen.length) seen[liveId] = 1;
      if (old !== null && old.key !== hashes.key) changes.gone.push({ ...old, liveId, reused: true });
      const known = old !== null && old.key === hashes.key ? old : null;
      if (known?.body === hashes.body && known.access === hashes.access) continue;
      changes.fresh.push({ node, hashes, old: known });
    }
  }
  for (const liveId of mark.nodes.ids()) {
    const old = mark.nodes.get(liveId);
    if (seen[liveId] !== 1 && old !== null) changes.gone.push({ ...old, liveId, reused: false });
  }
  return changes;
}

/** The same for relationships; to be asked once the changes of nodes are in the mark. */
export async function relationshipChanges(
  store: GraphStore,
  graph: string,
  mark: GraphMark,
): Promise<RelationshipChanges> {
  const { end } = mark.relationships;
  // 1: there; 2: there, but not as the mark has it.
  const seen = new Uint8Array(end);
  const fresh: FreshRelationship[] = [];
  let read = 0;
  for await (const page of liveRelationships(store, graph)) {
    read += page.length;
    for (const relationship of page) {
      const { internalId: liveId, type, properties } = relationship;
      const ends = {
        hash: relationshipHash(type, properties),
        from: mark.target(relationship.source),
        to: mark.target(relationship.target),
      };
      const old = mark.relationships.get(liveId);
      const isSame = old?.hash === ends.hash && old.from === ends.from && old.to === ends.to;
      if (liveId < end) seen[liveId] = isSame ? 1 : 2;
      if (!isSame) fresh.push({ ...ends, relationship, old });
    }
  }
  const gone: RelationshipChanges['gone'] = [];
  for (const liveId of mark.relationships.ids()) {
    const old = mark.relationships.get(liveId);
    if (seen[liveId] === 0 && old !== null) gone.push({ ...old, liveId });
  }
  return { fresh, gone, read, isKept: (liveId) => seen[liveId] === 1 };
}
