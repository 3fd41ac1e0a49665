import type { GraphNode, ValueMap } from '../../memory/values.js';
import { BulkBlock } from './bulk-encoder.js';
import { quoteName } from './cypher.js';
import { DIGEST_PRIME, type GraphStore, type RelationshipDigest } from './graph-store.js';
import { checkNames } from './storable.js';

/** What the server acknowledged. */
export interface Written {
  nodes: number;
  relationships: number;
}

const FLUSH_BYTES = 1024 * 1024;
const FLUSH_ROWS = 10_000;
/** Commands under way at once: enough that the server never waits for us, few enough that memory stays flat. */
const IN_FLIGHT = 3;

/**
 * Writes a new graph with FalkorDB's bulk command, which is some ten times faster than parameterised Cypher, keeps
 * doubles to the last bit, and is replayed quickly from an append-only file.
 *
 * Nodes get the internal ids 0, 1, 2 … in the order in which they are acknowledged, which {@link BulkWriter.node} hands
 * out, so that relationships can name their ends whatever labels or ids those have. Only for a graph that nobody else
 * writes to: a staging copy.
 */
export class BulkWriter {
  readonly written: Written = { nodes: 0, relationships: 0 };
  /** What {@link GraphStore.relationshipDigests} must say of the finished graph. */
  readonly digests = new Map<string, RelationshipDigest>();
  private readonly blocks = new Map<string, BulkBlock>();
  private pendingBytes = 0;
  private pendingRows = 0;
  private kind: 'nodes' | 'relationships' = 'nodes';
  private began = false;
  private nextId = 0;
  private blockOrder: { block: BulkBlock; assign: ((id: number) => void)[] }[] = [];
  private readonly blockEntries = new Map<BulkBlock, ((id: number) => void)[]>();
  private readonly inFlight = new Set<Promise<void>>();
  private failure: Error | null = null;

  constructor(
    private readonly store: GraphStore,
    readonly graph: string,
  ) {}

  /**
   * Queues a node. All nodes must be written before the first relationship.
   *
   * @param assigned is told the node's internal id, at the latest when {@link flush} returns.
   * @throws Unwritable where labels or property names cannot be stored.
   */
  async node(node: Pick<GraphNode, 'labels' | 'properties'>, assigned: (id: number) => void): Promise<void> {
    checkNames(node.labels, Object.keys(node.properties));
    const block = this.block(node.labels.join(':'), node.properties);
    const before = block.bytes;
    block.node(node.properties);
    (this.blockEntries.get(block) as ((id: number) => void)[]).push(assigned);
    await this.grown(block.bytes - before);
  }

  /** Queues a relationship between two internal ids. */
  async relationship(source: number, target: number, type: string, properties: ValueMap): Promise<void> {
    if (this.kind === 'nodes') {
      await this.flush();
      this.kind = 'relationships';
    }
    checkNames([type], Object.keys(properties));
    const block = this.block(type, properties);
    const before = block.bytes;
    block.relationship(source, target, properties);
    this.digest(type, source, target);
    await this.grown(block.bytes - before);
  }

  /** Sends what is queued and waits until the server has acknowledged everything. */
  async flush(): Promise<void> {
    this.send();
    while (this.inFlight.size > 0) await Promise.all(this.inFlight);
    this.rethrow();
  }

  private block(name: string, properties: ValueMap): BulkBlock {
    const keys = Object.keys(properties);
    const signature = `${name}\0${keys.join('\0')}`;
    let block = this.blocks.get(signature);
    if (block === undefined) {
      block = new BulkBlock(name, keys);
      this.blocks.set(signature, block);
      const assign: ((id: number) => void)[] = [];
      this.blockEntries.set(block, assign);
      this.blockOrder.push({ block, assign });
    }
    return block;
  }

  private async grown(bytes: number): Promise<void> {
    this.pendingBytes += bytes;
    this.pendingRows++;
    if (this.pendingBytes < FLUSH_BYTES && this.pendingRows < FLUSH_ROWS) return;
    this.send();
    while (this.inFlight.size >= IN_FLIGHT) await Promise.race(this.inFlight);
    this.rethrow();
  }

  private send(): void {
    if (this.pendingRows === 0) return;
    const isNodes = this.kind === 'nodes';
    // Rows of no bytes are none to the bulk command: nodes without properties are made by a query, behind the others.
    const isBare = ({ block }: (typeof this.blockOrder)[number]): boolean => isNodes && block.isBare;
    const bare = this.blockOrder.filter(isBare);
    const blocks = this.blockOrder.filter((one) => !isBare(one));
    if (isNodes)
      for (const { assign } of [...blocks, ...bare]) for (const told of assign) told(this.nextId++);
    this.reset();
    this.sendBlocks(
      blocks.map(({ block }) => block),
      isNodes,
    );
    for (const { block } of bare) this.sendBare(block);
  }

  private sendBlocks(blocks: readonly BulkBlock[], isNodes: boolean): void {
    const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
    if (rows === 0) return;
    const counts = isNodes ? [rows, 0, blocks.length, 0] : [0, rows, 0, blocks.length];
    const begin = this.began ? [] : ['BEGIN'];
    this.began = true;
    const data = blocks.map((block) => block.finish());
    const what = 'write the staging graph';
    const sent = this.store.command(what, 'GRAPH.BULK', this.graph, ...begin, ...counts, ...data);
    this.follow(sent, isNodes ? 'nodes' : 'relationships', rows);
  }

  private sendBare({ name, rows }: BulkBlock): void {
    this.began = true;
    const labels = name
      .split(':')
      .map((label) => `:${quoteName(label)}`)
      .join('');
    const query = `UNWIND range(1, ${rows}) AS i CREATE (${labels})`;
    this.follow(
      this.store.command('write the staging graph', 'GRAPH.QUERY', this.graph, query),
      'nodes',
      rows,
    );
  }

  private follow(sent: Promise<unknown>, kind: keyof Written, rows: number): void {
    const followed = sent
      .then(() => {
        this.written[kind] += rows;
      })
      .catch((error: unknown) => {
        this.failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => this.inFlight.delete(followed));
    this.inFlight.add(followed);
  }

  private reset(): void {
    this.blocks.clear();
    this.blockEntries.clear();
    this.blockOrder = [];
    this.pendingBytes = 0;
    this.pendingRows = 0;
  }

  private digest(type: string, source: number, target: number): void {
    let digest = this.digests.get(type);
    if (digest === undefined) {
      digest = { count: 0, sources: 0, targets: 0, mixed: 0 };
      this.digests.set(type, digest);
    }
    digest.count++;
    digest.sources += source;
    digest.targets += target;
    digest.mixed += (source * 31 + target) % DIGEST_PRIME;
  }

  private rethrow(): void {
    if (this.failure !== null) throw this.failure;
  }
}
