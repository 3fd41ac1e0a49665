import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { sameValue } from '../../memory/fingerprint.js';
import { joinKey } from '../../memory/ids.js';
import type { GraphNode, ValueMap } from '../../memory/values.js';
import {
  liveNodes,
  liveRelationships,
  nodesAt,
  relationshipsBetween,
  type LiveRelationship,
} from '../../stores/graph/live-pages.js';
import { IdMap } from '../id-map.js';
import { newestTime } from '../newest.js';
import type { StepContext } from '../step.js';
import type { CopyRecord } from './copy-record.js';
import { lasting, type CopyVersions } from './copy-versions.js';

/** How many examples are kept of a kind. */
const NAMED = 10;

/** How many there are of a kind, and the names of the first. */
export interface Tally {
  count: number;
  examples: string[];
}

/** What the live graph holds and the staged one does not. */
export interface LeftBehind {
  /** Joined ids of memories that are not staged at all. */
  memories: string[];
  /** Memories that are staged, and have other contents of a later time in the live graph. */
  newer: Tally;
  /** The same, where no time tells which is the newer one. */
  other: Tally;
  /** Nodes that are no memories. */
  nodes: Tally;
  /** Nodes that are no memories and say something else. */
  changedNodes: Tally;
  relationships: Tally;
  /** Relationships that say something else. */
  changedRelationships: Tally;
}

interface Pair {
  live: GraphNode;
  stagedId: number;
}

/**
 * Holds the live graph against what was staged: nodes by identity and contents, relationships by type, ends and properties,
 * each as often as it comes. What the service wrote since the run began is left out, since the run catches up with it.
 */
export async function compareWithLive(
  context: StepContext,
  staged: CopyRecord,
  versions: CopyVersions,
): Promise<LeftBehind> {
  return new LiveComparison(context, staged, versions).run();
}

class LiveComparison {
  private readonly found: LeftBehind = {
    memories: [],
    newer: tally(),
    other: tally(),
    nodes: tally(),
    changedNodes: tally(),
    relationships: tally(),
    changedRelationships: tally(),
  };
  /** Live internal id → staged one. */
  private readonly ids = new IdMap();
  /** Names of nodes that relationships begin or end at are looked up for the examples alone. */
  private readonly unnamed: Record<'relationships' | 'changedRelationships', LiveRelationship[]> = {
    relationships: [],
    changedRelationships: [],
  };

  constructor(
    private readonly context: StepContext,
    private readonly staged: CopyRecord,
    private readonly versions: CopyVersions,
  ) {}

  async run(): Promise<LeftBehind> {
    const { graph, graphName, signal } = this.context;
    for await (const page of liveNodes(graph, graphName)) {
      signal.throwIfAborted();
      await this.takeNodes(page);
    }
    for await (const page of liveRelationships(graph, graphName)) {
      signal.throwIfAborted();
      await this.takeRelationships(page);
    }
    await this.nameRelationships('relationships');
    await this.nameRelationships('changedRelationships');
    return this.found;
  }

  private async takeNodes(page: readonly GraphNode[]): Promise<void> {
    const differing: Pair[] = [];
    for (const live of page) {
      const counterpart = this.versions.take(live);
      if (counterpart === null) this.missing(live);
      else {
        this.ids.set(live.internalId, counterpart.stagedId);
        if (!counterpart.isSame) differing.push({ live, stagedId: counterpart.stagedId });
      }
    }
    if (differing.length > 0) await this.lookCloser(differing);
  }

  private missing(live: GraphNode): void {
    if (this.isNew('nodes', live.internalId)) return;
    const id = memoryId(live);
    if (id === null) note(this.found.nodes, nameOf(live));
    // Of several nodes under one id, the backup may hold fewer.
    else if (this.staged.memories.find(id) < 0) this.found.memories.push(joinKey(id));
    else note(this.found.other, nameOf(live));
  }

  /** Which of them say something that their staged form does not: one that only lost properties loses nothing more. */
  private async lookCloser(pairs: readonly Pair[]): Promise<void> {
    const { graph, stagingKey, dryRun } = this.context;
    const ids = pairs.map(({ stagedId }) => stagedId);
    const staged = dryRun ? new Map<number, GraphNode>() : await nodesAt(graph, stagingKey, ids);
    for (const { live, stagedId } of pairs) {
      const copy = staged.get(stagedId)?.properties ?? null;
      if (copy !== null && !saysMore(live.properties, copy)) continue;
      note(this.kindOf(live, copy), nameOf(live));
    }
  }

  private kindOf(live: GraphNode, copy: ValueMap | null): Tally {
    const { changedNodes, newer, other } = this.found;
    if (memoryId(live) === null) return changedNodes;
    return copy !== null && newestTime(live.properties) > newestTime(copy) ? newer : other;
  }

  private async takeRelationships(page: readonly LiveRelationship[]): Promise<void> {
    const differing: LiveRelationship[] = [];
    for (const relationship of page) {
      const { internalId, source, target, type, properties } = relationship;
      const [from, to] = [this.ids.get(source), this.ids.get(target)];
      const isStaged = from >= 0 && to >= 0;
      const found = isStaged ? this.versions.takeRelationship(from, to, type, properties) : 'none';
      if (found === 'changed') differing.push(relationship);
      else if (found === 'none' && !this.isNew('relationships', internalId))
        this.noteRelationship('relationships', relationship);
    }
    if (differing.length > 0) await this.lookCloserAtRelationships(differing);
  }

  /** As with nodes: which of them say something that no staged one of their type and ends does. */
  private async lookCloserAtRelationships(differing: readonly LiveRelationship[]): Promise<void> {
    const { graph, stagingKey, dryRun } = this.context;
    const stagedEnds = ({ source, target }: LiveRelationship): [number, number] => [
      this.ids.get(source),
      this.ids.get(target),
    ];
    const ends = new Map(differing.map((one) => [stagedEnds(one).join(' '), stagedEnds(one)]));
    const staged = dryRun ? [] : await relationshipsBetween(graph, stagingKey, [...ends.values()]);
    const copies = Map.groupBy(staged, ({ source, target, type }) => `${source} ${target} ${type}`);
    for (const live of differing) {
      const rivals = copies.get(`${stagedEnds(live).join(' ')} ${live.type}`) ?? [];
      if (dryRun || rivals.every(({ properties }) => saysMore(live.properties, properties)))
        this.noteRelationship('changedRelationships', live);
    }
  }

  private noteRelationship(
    kind: 'relationships' | 'changedRelationships',
    relationship: LiveRelationship,
  ): void {
    this.found[kind].count++;
    if (this.unnamed[kind].length < NAMED) this.unnamed[kind].push(relationship);
  }

  private async nameRelationships(kind: 'relationships' | 'changedRelationships'): Promise<void> {
    const { graph, graphName } = this.context;
    const unnamed = this.unnamed[kind];
    if (unnamed.length === 0) return;
    const ends = unnamed.flatMap(({ source, target }) => [source, target]);
    const nodes = await nodesAt(graph, graphName, [...new Set(ends)]);
    const name = (id: number): string => {
      const node = nodes.get(id);
      return node === undefined ? '?' : nameOf(node);
    };
    this.found[kind].examples = unnamed.map(
      ({ type, source, target }) => `${name(source)} -${type}-> ${name(target)}`,
    );
  }

  /** Came after the live graph was marked. */
  private isNew(table: 'nodes' | 'relationships', internalId: number): boolean {
    const { dryRun, work } = this.context;
    return !dryRun && work.mark !== null && !work.mark[table].has(internalId);
  }
}

function tally(): Tally {
  return { count: 0, examples: [] };
}

function note(kind: Tally, example: string): void {
  kind.count++;
  if (kind.examples.length < NAMED) kind.examples.push(example);
}

function saysMore(live: ValueMap, copy: ValueMap): boolean {
  return Object.entries(lasting(live)).some(
    ([name, value]) => value !== null && !sameValue(value, copy[name]),
  );
}

function memoryId({ labels, properties }: GraphNode): string | null {
  const id = properties[ID_PROPERTY];
  return typeof id === 'string' && labels.includes(MEMORY_LABEL) ? id : null;
}

function nameOf({ labels, properties }: GraphNode): string {
  const id = properties[ID_PROPERTY];
  return typeof id === 'string' ? id : labels.join(':') || 'a node without a label';
}
