import { identity, MEMORY_KEY, PATTERN, patternIdentity } from './identity.js';
import { createHash } from 'node:crypto';
import type { BadRecord } from '../backup/files/graph-file.js';
import { ID_PROPERTY, isVectorEligible, MEMORY_LABEL } from '../memory/contract.js';
import { fingerprintNode } from '../memory/fingerprint.js';
import { readHints, type HintedPattern } from '../memory/hints.js';
import { joinKey } from '../memory/ids.js';
import { mergeWithBackup } from '../memory/merge.js';
import { decodePayload } from '../memory/payload.js';
import { isMap, type GraphNode, type Value, type ValueMap } from '../memory/values.js';
import { backupVectorIds } from './backup-vector-ids.js';
import type { GraphSink } from './graph-sink.js';
import type { NodeSource } from './node-source.js';
import { NodeWriter } from './node-writer.js';
import { Origin, pointId, type SourceIndex } from './source-index.js';
import type { StepContext } from './step.js';

/** Payloads fetched at once for memories that need them a second time. */
const BATCH = 500;
/** Parts of a graph source after which changed memories are merged, however few they are. */
const PARTS_A_MERGE = 32;

interface Changed {
  node: GraphNode;
  position: number;
  key: string;
}

/** Decides for each node where it comes from, and stages it. One use: a run of the step. */
export class NodeStager {
  memories = 0;
  private readonly index: SourceIndex;
  /** Identity of every staged node that is not a known memory → its internal id, once assigned. */
  private readonly claimed = new Map<string, { source: NodeSource | null; stagedId: number }>();
  private readonly patterns = new Map<string, HintedPattern>();
  private readonly aliases: { source: NodeSource; internalId: number; staged: () => number }[] = [];
  private changed: Changed[] = [];
  private readonly tally = { backup: 0, merged: 0, payload: 0, live: 0, other: 0, deleted: 0 };
  private readonly writer: NodeWriter;
  private readonly vectorIdsAtBackup: () => Promise<ReadonlySet<string> | null>;

  constructor(
    private readonly context: StepContext,
    private readonly sink: GraphSink,
  ) {
    if (context.work.index === null) throw new Error('the source must be proven before nodes are staged');
    this.index = context.work.index;
    this.writer = new NodeWriter(context, sink);
    this.vectorIdsAtBackup = once(() => backupVectorIds(context));
  }

  async takeSource(source: NodeSource): Promise<void> {
    const bad = ({ reason, record }: BadRecord): void =>
      this.writer.quarantine({ kind: 'node', id: '?', reason, record });
    let parts = 0;
    for await (const nodes of source.nodes(bad)) {
      this.context.signal.throwIfAborted();
      for (const node of nodes) await this.take(node, source);
      // The texts of a node are cut from its part of the file and keep all of it in memory: they must not wait long.
      if (this.changed.length >= BATCH || ++parts % PARTS_A_MERGE === 0) await this.mergeChanged(source);
      this.context.progress('nodes', this.sink.written.nodes, this.index.size);
    }
    await this.mergeChanged(source);
  }

  private async take(node: GraphNode, source: NodeSource): Promise<void> {
    if (node.labels.includes(MEMORY_LABEL)) return this.takeMemory(node, source);
    const key = identity(node);
    const earlier = key === null ? undefined : this.claimed.get(key);
    if (earlier !== undefined && earlier.source !== source) {
      this.aliases.push({ source, internalId: node.internalId, staged: () => earlier.stagedId });
      return;
    }
    this.tally.other++;
    const claim = { source, stagedId: -1 };
    if (key !== null) this.claimed.set(key, claim);
    await this.writer.write(node, source, (id) => (claim.stagedId = id));
  }

  private async takeMemory(node: GraphNode, source: NodeSource): Promise<void> {
    const { index } = this;
    const position = index.find(node.properties[ID_PROPERTY]);
    if (position < 0) return this.takeWithoutPoint(node, source);
    if (index.origin(position) === Origin.Live && source.kind === 'backup') {
      this.aliases.push({ source, internalId: node.internalId, staged: () => index.stagedId(position) });
      return;
    }
    if (source.kind === 'live') return this.stageMemory(node, source, position, Origin.Live);
    const isSame = fingerprintNode(node.properties, index.providedBits(position)) === index.hash(position);
    if (!isSame || index.isDamaged(position)) {
      this.changed.push({ node, position, key: joinKey(node.properties[ID_PROPERTY] as string) });
      return;
    }
    await this.stageMemory(node, source, position, Origin.Backup);
  }

  /** A memory of a graph source that has no point. Some never have one; for the others the backup must tell. */
  private async takeWithoutPoint(node: GraphNode, source: NodeSource): Promise<void> {
    const { properties } = node;
    const id = typeof properties[ID_PROPERTY] === 'string' ? properties[ID_PROPERTY] : '?';
    const key = identity(node);
    const earlier = key === null ? undefined : this.claimed.get(key);
    if (earlier !== undefined && earlier.source !== source) {
      this.aliases.push({ source, internalId: node.internalId, staged: () => earlier.stagedId });
      return;
    }
    if (
      source.kind === 'backup' &&
      !this.context.options.restoreUnmatched &&
      isVectorEligible(properties, this.context.excludedTypes)
    ) {
      const known = await this.vectorIdsAtBackup();
      if (known?.has(joinKey(id)) === true) {
        this.writer.quarantine({ kind: 'memory', id, reason: GONE, record: node });
        return;
      }
    }
    const claim = { source, stagedId: -1 };
    if (key !== null) this.claimed.set(key, claim);
    this.memories++;
    this.tally[source.kind]++;
    await this.writer.write(node, source, (stagedId) => (claim.stagedId = stagedId));
  }

  private async mergeChanged(source: NodeSource): Promise<void> {
    const batch = this.changed;
    this.changed = [];
    if (batch.length === 0) return;
    const payloads = await this.payloads(batch.map(({ key }) => key));
    for (const { node, position, key } of batch) {
      const payload = payloads.get(key) ?? null;
      const merged = mergeWithBackup(key, node.properties, payload);
      for (const { field, rule } of merged.salvaged) this.context.salvage(key, field, rule);
      const isChanged = merged.changed.length > 0;
      if (isChanged) {
        this.noteUnbacked(merged.properties);
        this.notePatterns(key, payload);
      }
      await this.stageMemory(
        { ...node, properties: merged.properties },
        source,
        position,
        isChanged ? Origin.Merged : Origin.Backup,
      );
    }
  }

  /** Memories that only their payload knows: new since the backup, or all of them without one. */
  async takeRemaining(): Promise<void> {
    let batch: { key: string; position: number }[] = [];
    for (const entry of this.index.entries(Origin.Pending)) {
      batch.push(entry);
      if (batch.length < BATCH) continue;
      await this.takePayloads(batch);
      batch = [];
    }
    if (batch.length > 0) await this.takePayloads(batch);
    for (const pattern of this.patterns.values()) await this.stagePattern(pattern);
  }

  private async takePayloads(batch: { key: string; position: number }[]): Promise<void> {
    this.context.signal.throwIfAborted();
    const payloads = await this.payloads(batch.map(({ key }) => key));
    for (const { key, position } of batch) {
      const payload = payloads.get(key);
      if (payload === undefined) {
        // The point was read a moment ago: the service has deleted the memory since.
        this.index.setOrigin(position, Origin.Quarantined);
        this.tally.deleted++;
        continue;
      }
      const decoded = decodePayload(key, payload);
      if (!decoded.ok) {
        this.index.setOrigin(position, Origin.Quarantined);
        this.writer.quarantine({ kind: 'memory', id: key, reason: decoded.reason, record: payload });
        continue;
      }
      for (const { field, rule } of decoded.salvaged) this.context.salvage(key, field, rule);
      this.noteUnbacked(decoded.properties);
      this.notePatterns(key, payload);
      const labels =
        decoded.properties['type'] === 'MetaPattern' ? [MEMORY_LABEL, 'MetaMemory'] : [MEMORY_LABEL];
      await this.stageMemory(
        { internalId: -1, labels, properties: decoded.properties },
        null,
        position,
        Origin.Payload,
      );
    }
    this.context.progress('nodes', this.sink.written.nodes, this.index.size);
  }

  private async payloads(keys: string[]): Promise<Map<string, Value>> {
    const points = await this.context.vectors.retrieve(this.context.collection, keys.map(pointId), {
      payload: true,
      numbers: 'exact',
    });
    return new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
  }

  private async stageMemory(
    node: GraphNode,
    source: NodeSource | null,
    position: number,
    origin: Origin,
  ): Promise<void> {
    const { index } = this;
    index.setOrigin(position, origin);
    const staged = await this.writer.write(node, source, (id) => index.setStagedId(position, id));
    if (!staged) {
      index.setOrigin(position, Origin.Quarantined);
      return;
    }
    this.memories++;
    if (origin === Origin.Backup) this.tally.backup++;
    else if (origin === Origin.Merged) this.tally.merged++;
    else if (origin === Origin.Payload) this.tally.payload++;
    else this.tally.live++;
  }

  private notePatterns(id: string, payload: Value): void {
    const metadata = isMap(payload) ? payload['metadata'] : undefined;
    for (const pattern of readHints(id, metadata).patterns) {
      const known = this.patterns.get(pattern.type);
      if (known === undefined || known.similarMemories < pattern.similarMemories)
        this.patterns.set(pattern.type, pattern);
    }
  }

  /** A pattern that payloads mention and no graph source had. AutoMem merges patterns by their type. */
  private async stagePattern(pattern: HintedPattern): Promise<void> {
    const key = patternIdentity(pattern.type);
    if (this.claimed.has(key)) return;
    const digest = createHash('sha256').update(pattern.type).digest('hex').slice(0, 8);
    const about = pattern.keyTerms.slice(0, 5).join(', ');
    const node: GraphNode = {
      internalId: -1,
      labels: ['Pattern'],
      properties: {
        id: `pattern-${pattern.type}-${digest}`,
        type: pattern.type,
        content: `Pattern across ${pattern.similarMemories} ${pattern.type} memories highlighting ${about}`,
        observations: pattern.similarMemories,
        key_terms: pattern.keyTerms,
      },
    };
    const claim = { source: null, stagedId: -1 };
    this.claimed.set(key, claim);
    this.tally.other++;
    await this.writer.write(node, null, (id) => (claim.stagedId = id));
  }

  private noteUnbacked(properties: ValueMap): void {
    const times = [properties['updated_at'], properties['timestamp']].filter(
      (time) => typeof time === 'string',
    );
    const newest = times.sort().at(-1);
    const { work } = this.context;
    if (newest !== undefined && (work.newestUnbacked === null || newest > work.newestUnbacked))
      work.newestUnbacked = newest;
  }

  /** Waits for the server, then tells each source where the nodes went that another source had already brought. */
  async finish(): Promise<void> {
    await this.sink.flush();
    for (const { source, internalId, staged } of this.aliases) source.ids.set(internalId, staged());
    for (const [key, { stagedId }] of this.claimed) {
      if (key.startsWith(PATTERN)) this.context.work.patternIds.set(key.slice(PATTERN.length), stagedId);
      else if (key.startsWith(MEMORY_KEY))
        this.context.work.memoryIds.set(joinKey(key.slice(MEMORY_KEY.length)), stagedId);
    }
  }

  describe(): string {
    const { backup, merged, payload, live, other, deleted } = this.tally;
    const { quarantined } = this.writer;
    const parts = [
      [live, 'from the live graph'],
      [backup, 'exactly as the backup holds them'],
      [merged, 'from the backup, updated from their payload'],
      [payload, 'from their payload alone'],
    ] as const;
    const memories = parts.filter(([count]) => count > 0).map(([count, how]) => `${count} ${how}`);
    const rest = [
      `${other} other nodes`,
      ...(quarantined > 0 ? [`${quarantined} records in quarantine`] : []),
      ...(deleted > 0 ? [`${deleted} deleted since the collection was read`] : []),
    ];
    return `${this.memories} memories (${memories.join(', ')}); ${rest.join('; ')}`;
  }
}

const GONE =
  'it had a vector when the backup was taken and has none now: deleted since, or its vector was lost. To bring such memories back: --restore-unmatched';

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
