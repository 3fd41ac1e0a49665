import { IdSet } from '../../backup/pair/id-set.js';
import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { ExactHash } from '../../memory/exact-hash.js';
import { isSoundName } from '../../stores/graph/storable.js';
import { propertiesText } from '../../stores/graph/json-text.js';
import { Double, type GraphNode, type Value, type ValueMap } from '../../memory/values.js';
import type { GraphSink } from '../graph-sink.js';
import type { CopyVersions, NodeVersion } from './copy-versions.js';

/** Two words of a hash for each internal id, in packed arrays that grow. */
class HashTable {
  size = 0;
  private high = new Int32Array(1024);
  private low = new Int32Array(1024);

  set(id: number, high: number, low: number): void {
    this.reserve(id);
    this.high[id] = high;
    this.low[id] = low;
  }

  /** Sums do not depend on the order in which they are made, and count what comes twice. */
  addTo(id: number, high: number, low: number): void {
    this.reserve(id);
    this.high[id] = ((this.high[id] as number) + high) | 0;
    this.low[id] = ((this.low[id] as number) + low) | 0;
  }

  is(id: number, high: number, low: number): boolean {
    return id < this.size && this.high[id] === high && this.low[id] === low;
  }

  /** The first id for which two tables differ; -1 where they are the same. */
  firstDifference(other: HashTable): number {
    const size = Math.max(this.size, other.size);
    for (let id = 0; id < size; id++)
      if (!this.is(id, other.high[id] ?? 0, other.low[id] ?? 0) && !this.isEmpty(id, other)) return id;
    return -1;
  }

  private isEmpty(id: number, other: HashTable): boolean {
    return [this.high, this.low, other.high, other.low].every((words) => (words[id] ?? 0) === 0);
  }

  private reserve(id: number): void {
    if (id >= this.high.length) {
      const length = Math.max(id + 1, this.high.length * 2);
      const [high, low] = [this.high, this.low];
      this.high = new Int32Array(length);
      this.low = new Int32Array(length);
      this.high.set(high);
      this.low.set(low);
    }
    this.size = Math.max(this.size, id + 1);
  }
}

/** A node as it is about to be written. */
interface NodeReading {
  high: number;
  low: number;
  /** Of its text; null where that cannot be foretold. */
  text: { high: number; low: number } | null;
  /** Its id where it is a memory. */
  memory: string | null;
  version: NodeVersion | null;
}

/**
 * What a graph holds, to the last property, in 16 bytes a node: of each node a hash, and of the relationships that begin at
 * it the sum of theirs. Two records of the same graph are equal, whatever the order they were made in.
 */
export class CopyRecord {
  /** Memories that were recorded. */
  readonly memories = new IdSet();
  nodes = 0;
  relationships = 0;
  private readonly hash = new ExactHash();
  private readonly nodeHashes = new HashTable();
  private readonly textHashes = new HashTable();
  private readonly relationshipSums = new HashTable();
  /** Properties of nodes that hold a number, whose type their text does not tell. */
  readonly numbers = new Set<string>();

  /** @param versions records by identity besides, to hold another graph against it */
  constructor(readonly versions: CopyVersions | null = null) {}

  /** @returns what {@link placeNode} is to be given once the node's internal id is known */
  readNode({ labels, properties }: Pick<GraphNode, 'labels' | 'properties'>): NodeReading {
    this.hash.node(labels, properties);
    const id = properties[ID_PROPERTY];
    const memory = typeof id === 'string' && labels.includes(MEMORY_LABEL) ? id : null;
    const { high, low } = this.hash;
    const version = this.versions?.versionOf({ labels, properties }) ?? null;
    return { high, low, text: this.textOf(labels, properties), memory, version };
  }

  placeNode(internalId: number, { high, low, text, memory, version }: NodeReading): void {
    this.nodes++;
    this.nodeHashes.set(internalId, high, low);
    if (text !== null) this.textHashes.set(internalId, text.high, text.low);
    if (memory !== null) this.memories.add(memory);
    if (version !== null) this.versions?.add(internalId, version);
  }

  relationship(source: number, target: number, type: string, properties: ValueMap): void {
    this.relationships++;
    this.hash.relationship(type, target, properties);
    this.relationshipSums.addTo(source, this.hash.high, this.hash.low);
    this.versions?.addRelationship(source, target, type, properties);
  }

  private textOf(labels: readonly string[], properties: ValueMap): { high: number; low: number } | null {
    const text = propertiesText(properties);
    if (text === null) return null;
    const { hash, numbers } = this;
    let { high, low } = namesSum(hash, labels);
    for (const key in properties) {
      const type = numberType(properties[key]);
      if (type === null) continue;
      // A name that cannot be stored is refused later, and no query could ask for it.
      if (!numbers.has(key) && isSoundName(key)) numbers.add(key);
      const name = hash.named(`${key} ${type}`);
      high = (high + name.high) | 0;
      low = (low + name.low) | 0;
    }
    hash.texts(text, high, low);
    return { high: hash.high, low: hash.low };
  }

  /**
   * The same from what the server says of a node: much faster than its properties one by one, and not always decided.
   *
   * @param types by property of {@link numbers}
   * @returns false also where the node may be as it was recorded: see {@link holds}
   */
  holdsText(
    internalId: number,
    text: string,
    labels: readonly string[],
    types: ReadonlyMap<string, string>,
  ): boolean {
    const { hash } = this;
    let { high, low } = namesSum(hash, labels);
    for (const [key, type] of types) {
      if (type !== 'Integer' && type !== 'Float') continue;
      const name = hash.named(`${key} ${type}`);
      high = (high + name.high) | 0;
      low = (low + name.low) | 0;
    }
    hash.texts(text, high, low);
    return this.textHashes.is(internalId, hash.high, hash.low);
  }

  /** Whether a node that was read back is the one that was recorded under its internal id. */
  holds({ internalId, labels, properties }: GraphNode): boolean {
    this.hash.node(labels, properties);
    return this.nodeHashes.is(internalId, this.hash.high, this.hash.low);
  }

  /** Internal id of a node whose relationships are not those of the other record; -1 where there is none. */
  differsAt(other: CopyRecord): number {
    return this.relationshipSums.firstDifference(other.relationshipSums);
  }
}

/** What FalkorDB calls the type of a number; null for anything else. */
function numberType(value: Value | undefined): 'Integer' | 'Float' | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'Integer' : 'Float';
  return typeof value === 'bigint' ? 'Integer' : value instanceof Double ? 'Float' : null;
}

/** The labels of a node, in any order. */
function namesSum(hash: ExactHash, labels: readonly string[]): { high: number; low: number } {
  const sum = { high: 0, low: 0 };
  for (const label of new Set(labels)) {
    const name = hash.named(label);
    sum.high = (sum.high + name.high) | 0;
    sum.low = (sum.low + name.low) | 0;
  }
  return sum;
}

/** Records what is staged while it is. */
export function recordingSink(sink: GraphSink, record: CopyRecord): GraphSink {
  return {
    written: sink.written,
    digests: sink.digests,
    node: (node, assigned) => {
      const hash = record.readNode(node);
      return sink.node(node, (id) => {
        record.placeNode(id, hash);
        assigned(id);
      });
    },
    relationship: async (source, target, type, properties) => {
      await sink.relationship(source, target, type, properties);
      record.relationship(source, target, type, properties);
    },
    flush: () => sink.flush(),
  };
}
