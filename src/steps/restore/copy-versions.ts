import { ExactHash } from '../../memory/exact-hash.js';
import type { GraphNode, ValueMap } from '../../memory/values.js';
import { ACCESS_PROPERTY, nodeKey } from '../graph-hash.js';
import { PackedTable } from '../packed-table.js';

/** What recalls and the nightly decay set anew by themselves: it says nothing about the node. */
const PASSING: ReadonlySet<string> = new Set([ACCESS_PROPERTY, 'relevance_score']);
const NONE: ValueMap = {};

/** A node as numbers of 53 bits, never 0: what makes it this node, and what it says. */
export interface NodeVersion {
  key: number;
  body: number;
}

/** A staged node that has the place of a live one. */
export interface Counterpart {
  stagedId: number;
  isSame: boolean;
}

/**
 * Which nodes and relationships were staged, to hold the live graph against them: by identity, with multiplicity, in some
 * 60 bytes a node and 18 a relationship.
 */
export class CopyVersions {
  private readonly hash = new ExactHash();
  /** `next` is one more than the staged id of another node of the same key; 0 where there is none. */
  private readonly nodes = new PackedTable(['body', 'next']);
  /** Key → staged id of the first node that no live one has found yet. */
  private readonly first = new Map<number, number>();
  /** By type and ends. */
  private readonly relationships = new KeyList();
  /** By their properties, too. */
  private readonly wholeRelationships = new KeyList();

  versionOf(node: Pick<GraphNode, 'labels' | 'properties'>): NodeVersion {
    const { labels, properties } = node;
    this.hash.node(labels, lasting(properties));
    const body = this.digest();
    const name = nodeKey(node);
    // What nothing identifies is the same where all of it is the same.
    if (name === null) return { key: body, body };
    this.hash.texts(name, 0, 0);
    return { key: this.digest(), body };
  }

  add(stagedId: number, { key, body }: NodeVersion): void {
    const other = this.first.get(key) ?? -1;
    this.nodes.set(stagedId, { body, next: other + 1 });
    this.first.set(key, stagedId);
  }

  addRelationship(source: number, target: number, type: string, properties: ValueMap): void {
    this.relationships.add(this.relationshipKey(source, target, type, NONE));
    this.wholeRelationships.add(this.relationshipKey(source, target, type, properties));
  }

  /** The staged node for a live one, each at most once, and of several the one that is the same; null where there is none. */
  take(node: GraphNode): Counterpart | null {
    const { key, body } = this.versionOf(node);
    const first = this.first.get(key);
    if (first === undefined) return null;
    let before = -1;
    let at = first;
    for (let previous = -1, id = first; id >= 0; previous = id, id = this.after(id)) {
      if (this.nodes.value(id, 'body') !== body) continue;
      [before, at] = [previous, id];
      break;
    }
    this.unlink(key, before, at);
    return { stagedId: at, isSame: this.nodes.value(at, 'body') === body };
  }

  /** Whether a relationship of that type stands between two staged nodes, and says the same; each counts once. */
  takeRelationship(
    source: number,
    target: number,
    type: string,
    properties: ValueMap,
  ): 'same' | 'changed' | 'none' {
    const isThere = this.relationships.take(this.relationshipKey(source, target, type, NONE));
    const isSame = this.wholeRelationships.take(this.relationshipKey(source, target, type, properties));
    return isSame ? 'same' : isThere ? 'changed' : 'none';
  }

  private unlink(key: number, before: number, at: number): void {
    const after = this.after(at);
    if (before >= 0) this.nodes.set(before, { body: this.nodes.value(before, 'body') ?? 1, next: after + 1 });
    else if (after >= 0) this.first.set(key, after);
    else this.first.delete(key);
  }

  private after(id: number): number {
    return (this.nodes.value(id, 'next') ?? 0) - 1;
  }

  private relationshipKey(source: number, target: number, type: string, properties: ValueMap): number {
    this.hash.relationship(type, target, properties);
    this.hash.texts(`${this.digest()}`, source, 0);
    return this.digest();
  }

  private digest(): number {
    return (this.hash.high >>> 0) * 2 ** 21 + (this.hash.low >>> 11) || 1;
  }
}

/** What of a node's properties tells a change. */
export function lasting(properties: ValueMap): ValueMap {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !PASSING.has(name)));
}

/** Many numbers, of which each can be taken as often as it was added. */
class KeyList {
  private keys = new Float64Array(1024);
  private size = 0;
  private taken: Uint8Array | null = null;

  add(key: number): void {
    if (this.size === this.keys.length) {
      const { keys } = this;
      this.keys = new Float64Array(keys.length * 2);
      this.keys.set(keys);
    }
    this.keys[this.size++] = key;
  }

  take(key: number): boolean {
    this.taken ??= this.sort();
    for (let at = this.lowest(key); this.keys[at] === key; at++) {
      if (this.taken[at] === 1) continue;
      this.taken[at] = 1;
      return true;
    }
    return false;
  }

  private sort(): Uint8Array {
    this.keys = this.keys.slice(0, this.size).sort();
    return new Uint8Array(this.size);
  }

  private lowest(key: number): number {
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
