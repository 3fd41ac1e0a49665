import { createHash } from 'node:crypto';
import type { BadRecord } from '../backup/graph-file.js';
import { ID_PROPERTY, isVectorEligible, MEMORY_LABEL } from '../memory/contract.js';
import { fingerprintNode } from '../memory/fingerprint.js';
import { readHints, type HintedPattern } from '../memory/hints.js';
import { joinKey } from '../memory/ids.js';
import { mergeWithBackup } from '../memory/merge.js';
import { decodePayload } from '../memory/payload.js';
import { isMap, type GraphNode, type Value, type ValueMap } from '../memory/values.js';
import { storableProperties, Unwritable, withoutUnsoundNames } from '../stores/graph/graph-writer.js';
import { backupVectorIds } from './backup-vector-ids.js';
import type { GraphSink } from './graph-sink.js';
import type { NodeSource } from './node-source.js';
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
  private readonly tally = { backup: 0, merged: 0, payload: 0, live: 0, other: 0, quarantined: 0 };
  private readonly vectorIdsAtBackup: () => Promise<ReadonlySet<string> | null>;

  constructor(
    private readonly context: StepContext,
    private readonly sink: GraphSink,
  ) {
    if (context.work.index === null) throw new Error('the source must be proven before nodes are staged');
    this.index = context.work.index;
    this.vectorIdsAtBackup = once(() => backupVectorIds(context));
  }

  async takeSource(source: NodeSource): Promise<void> {
    const bad = ({ reason, record }: BadRecord): void => this.quarantine('node', '?', reason, record);
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
    await this.stage(node, source, (id) => (claim.stagedId = id));
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
      !this.context.restoreUnmatched &&
      isVectorEligible(properties, this.context.excludedTypes)
    ) {
      const known = await this.vectorIdsAtBackup();
      if (known?.has(joinKey(id)) === true) {
        this.quarantine('memory', id, GONE, node);
        return;
      }
    }
    const claim = { source, stagedId: -1 };
    if (key !== null) this.claimed.set(key, claim);
    this.memories++;
    this.tally[source.kind]++;
    await this.stage(node, source, (stagedId) => (claim.stagedId = stagedId));
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
      const payload = payloads.get(key) ?? null;
      const decoded = decodePayload(key, payload);
      if (!decoded.ok) {
        this.index.setOrigin(position, Origin.Quarantined);
        this.quarantine('memory', key, decoded.reason, payload);
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
    const staged = await this.stage(node, source, (id) => index.setStagedId(position, id));
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

  private async stage(
    node: GraphNode,
    source: NodeSource | null,
    assigned: (id: number) => void,
  ): Promise<boolean> {
    const { kept, refused } = storableProperties(node.properties);
    const id =
      typeof node.properties[ID_PROPERTY] === 'string' ? node.properties[ID_PROPERTY] : node.labels.join(':');
    for (const key of refused) {
      this.quarantine('property', `${id} ${key}`, 'the graph cannot hold its value', node.properties[key]);
    }
    const tell = (stagedId: number): void => {
      assigned(stagedId);
      source?.ids.set(node.internalId, stagedId);
    };
    try {
      await this.sink.node({ labels: node.labels, properties: kept }, tell);
      return true;
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      return this.stageSoundPart({ ...node, properties: kept }, id, tell, error.message);
    }
  }

  /** One label or property name that cannot be stored must not cost the whole node. */
  private async stageSoundPart(
    node: GraphNode,
    id: string,
    tell: (stagedId: number) => void,
    problem: string,
  ): Promise<boolean> {
    const { labels, properties, refused } = withoutUnsoundNames(node.labels, node.properties);
    if (labels.length === 0) {
      this.quarantine('node', id, problem, node);
      return false;
    }
    for (const { name, reason } of refused)
      this.quarantine('property', `${id} ${name}`, reason, node.properties[name]);
    await this.sink.node({ labels, properties }, tell);
    return true;
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
    await this.stage(node, null, (id) => (claim.stagedId = id));
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

  private quarantine(
    kind: 'memory' | 'node' | 'property',
    id: string,
    reason: string,
    record: unknown,
  ): void {
    this.tally.quarantined++;
    this.context.quarantine({ kind, id, reason, record });
  }

  describe(): string {
    const { backup, merged, payload, live, other, quarantined } = this.tally;
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
    ];
    return `${this.memories} memories (${memories.join(', ')}); ${rest.join('; ')}`;
  }
}

const GONE =
  'it had a vector when the backup was taken and has none now: deleted since, or its vector was lost. To bring such memories back: --restore-unmatched';

const PATTERN = 'Pattern\0';
const MEMORY_KEY = `${MEMORY_LABEL}\0`;

function patternIdentity(type: string): string {
  return `${PATTERN}${type}`;
}

/** What makes two nodes of different sources the same node; null where nothing does. */
function identity(node: GraphNode): string | null {
  const { labels, properties } = node;
  if (labels[0] === 'Pattern' && typeof properties['type'] === 'string')
    return patternIdentity(properties['type']);
  const id = properties[ID_PROPERTY];
  if (typeof id !== 'string') return null;
  return labels.includes(MEMORY_LABEL) ? `${MEMORY_KEY}${id}` : `${labels.join(':')}\0${id}`;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
