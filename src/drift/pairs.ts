import { fieldHashes, SHARED_FIELDS } from '../memory/fingerprint.js';
import { isMap, type Value, type ValueMap } from '../memory/values.js';
import { IdTable } from './id-table.js';

/** What is known of an id, as bits. */
export const enum Mark {
  /** A Memory node has it. */
  Node = 1,
  /** A point has it. */
  Point = 2,
  /** More than one node has it. */
  Duplicate = 4,
  /** The node is of a type that is excluded from recall. */
  ExcludedNode = 8,
  /** The node has no content to embed. */
  BlankNode = 16,
  /** The payload's type is excluded from recall. */
  ExcludedPoint = 32,
  /** The payload has no content. */
  BlankPoint = 64,
  /** Node or payload changed within the grace period. */
  Young = 128,
  /** The point has no vector. */
  Vectorless = 256,
  /** The point's vector is a placeholder. */
  Placeholder = 512,
  /** It was there when the stores were read, and is in neither of them any more. */
  Gone = 1024,
}

const FIELDS = SHARED_FIELDS.length;
const NO_NODE = -1;

// The side that comes second is compared at once and never stored.
const second = new Uint32Array(FIELDS);

/**
 * Both stores joined by id while they are read, in whatever order their pages come. Held of each id: marks, where payload
 * and node differ, and of the contents a hash of each shared field; about 90 bytes, 40 without contents.
 */
export class Pairs {
  readonly ids: IdTable;
  /** Nodes added, several of one id counted each. */
  memories = 0;
  /** Points added, each id counted once. */
  points = 0;
  /** Nodes whose type is not excluded. */
  recalledMemories = 0;
  private marks: Uint16Array;
  private differing: Uint16Array;
  private nodes: Float64Array;
  private provided: Uint16Array;
  private hashes: Uint32Array;

  /**
   * @param expected how many ids there will be, more or less: columns that fit need not grow
   * @param withContents whether fields are compared
   */
  constructor(
    expected: number,
    readonly withContents: boolean,
  ) {
    const capacity = Math.max(1_024, Math.ceil(expected * 1.02));
    this.ids = new IdTable(capacity);
    this.marks = new Uint16Array(capacity);
    this.differing = new Uint16Array(capacity);
    this.nodes = new Float64Array(capacity);
    this.provided = new Uint16Array(withContents ? capacity : 0);
    this.hashes = new Uint32Array(withContents ? capacity * FIELDS : 0);
  }

  /**
   * Adds a Memory node.
   *
   * @param id null where the node has none; it then stands alone
   * @param marks what is known of the node besides
   * @param properties its shared fields, where contents are compared
   */
  addNode(id: string | null, internalId: number, marks: number, properties: ValueMap | null): void {
    this.memories++;
    if ((marks & Mark.ExcludedNode) === 0) this.recalledMemories++;
    const position = this.place(id ?? `(node ${internalId}, without an id)`);
    const known = this.marks[position] as number;
    if ((known & Mark.Node) !== 0) {
      this.mark(position, Mark.Duplicate | (marks & Mark.Young));
      return;
    }
    this.nodes[position] = internalId;
    if (properties !== null) {
      if ((known & Mark.Point) === 0) fieldHashes(properties, this.hashes, position * FIELDS);
      else {
        fieldHashes(properties, second, 0);
        this.compare(position, this.provided[position] as number);
      }
    }
    this.mark(position, Mark.Node | marks);
  }

  /** Adds a point; its payload where contents are compared. */
  addPoint(id: string | number | bigint, marks: number, payload: Value): void {
    const position = this.place(id);
    const known = this.marks[position] as number;
    if ((known & Mark.Point) !== 0) return;
    this.points++;
    if (this.withContents) {
      const fields = isMap(payload) ? payload : {};
      if ((known & Mark.Node) === 0)
        this.provided[position] = fieldHashes(fields, this.hashes, position * FIELDS);
      else this.compare(position, fieldHashes(fields, second, 0));
    }
    this.mark(position, Mark.Point | marks);
  }

  marksAt(position: number): number {
    return this.marks[position] as number;
  }

  mark(position: number, marks: number): void {
    this.marks[position] = (this.marks[position] as number) | marks;
  }

  /** Takes marks back. */
  unmark(position: number, marks: number): void {
    this.marks[position] = (this.marks[position] as number) & ~marks;
  }

  /** Bit set of the shared fields in which payload and node differ, or seem to before they were settled. */
  differingAt(position: number): number {
    return this.differing[position] as number;
  }

  setDiffering(position: number, bits: number): void {
    this.differing[position] = bits;
  }

  /** The graph's own id of the node, or -1. */
  internalIdAt(position: number): number {
    return (this.marksAt(position) & Mark.Node) === 0 ? NO_NODE : (this.nodes[position] as number);
  }

  /** Notes the provided fields whose hashes are not those that came first. */
  private compare(position: number, provided: number): void {
    const at = position * FIELDS;
    let bits = 0;
    for (let i = 0; i < FIELDS; i++) {
      if ((provided & (1 << i)) !== 0 && this.hashes[at + i] !== second[i]) bits |= 1 << i;
    }
    this.differing[position] = bits;
  }

  private place(id: string | number | bigint): number {
    const position = this.ids.add(id);
    if (position === this.marks.length) this.grow();
    return position;
  }

  private grow(): void {
    const length = this.marks.length * 2;
    this.marks = copied(this.marks, new Uint16Array(length));
    this.differing = copied(this.differing, new Uint16Array(length));
    this.nodes = copied(this.nodes, new Float64Array(length));
    if (!this.withContents) return;
    this.provided = copied(this.provided, new Uint16Array(length));
    this.hashes = copied(this.hashes, new Uint32Array(length * FIELDS));
  }
}

function copied<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
