import type { BadRecord } from '../../backup/files/graph-file.js';
import { MEMORY_LABEL } from '../../memory/contract.js';
import { ExactHash } from '../../memory/exact-hash.js';
import type { GraphNode } from '../../memory/values.js';
import type { GraphSink } from '../graph-sink.js';
import { identity } from '../identity.js';
import type { NodeSource } from '../node-source.js';
import { NodeWriter } from '../node-writer.js';
import type { StepContext } from '../step.js';

/** A staged node of an earlier source. Nodes that nothing tells apart are linked, and each is taken once. */
interface Claim {
  stagedId: number;
  taken: boolean;
  next: Claim | null;
}

/**
 * Stages nodes exactly as their sources hold them: every label and property, nodes without an id, several under one id. Of
 * a second source only what the first one lacks.
 */
export class CopyStager {
  memories = 0;
  private readonly tally = { live: 0, backup: 0, other: 0 };
  private readonly writer: NodeWriter;
  private readonly claims = new Map<string, Claim>();
  private readonly hash = new ExactHash();

  constructor(
    private readonly context: StepContext,
    private readonly sink: GraphSink,
  ) {
    this.writer = new NodeWriter(context, sink);
  }

  async run(sources: readonly NodeSource[]): Promise<void> {
    for (const [index, source] of sources.entries()) {
      await this.take(source, index > 0, index < sources.length - 1);
      // The next source asks where these nodes went.
      await this.sink.flush();
    }
  }

  private async take(source: NodeSource, isLater: boolean, isFollowed: boolean): Promise<void> {
    const { context, writer, sink } = this;
    const bad = ({ reason, record }: BadRecord): void =>
      writer.quarantine({ kind: 'node', id: '?', reason, record });
    for await (const nodes of source.nodes(bad)) {
      context.signal.throwIfAborted();
      for (const node of nodes) {
        const earlier = isLater ? this.earlier(node) : null;
        if (earlier !== null) source.ids.set(node.internalId, earlier.stagedId);
        else await this.stage(node, source, isFollowed);
      }
      context.progress('nodes', sink.written.nodes, source.totals.nodes);
    }
  }

  private async stage(node: GraphNode, source: NodeSource, isFollowed: boolean): Promise<void> {
    const claim = isFollowed ? this.claim(node) : null;
    const isStaged = await this.writer.write(node, source, (id) => {
      if (claim !== null) claim.stagedId = id;
    });
    if (!isStaged) return;
    if (!node.labels.includes(MEMORY_LABEL)) this.tally.other++;
    else {
      this.memories++;
      this.tally[source.kind]++;
    }
  }

  private claim(node: GraphNode): Claim {
    const key = this.keyOf(node);
    const claim: Claim = { stagedId: -1, taken: false, next: null };
    let last = this.claims.get(key);
    if (last === undefined) this.claims.set(key, claim);
    else {
      while (last.next !== null) last = last.next;
      last.next = claim;
    }
    return claim;
  }

  private earlier(node: GraphNode): Claim | null {
    let claim = this.claims.get(this.keyOf(node)) ?? null;
    while (claim?.taken === true) claim = claim.next;
    // One that could not be staged has no place to lead to.
    if (claim === null || claim.stagedId < 0) return null;
    claim.taken = true;
    return claim;
  }

  /** What nothing identifies is the same where all of it is the same. */
  private keyOf(node: GraphNode): string {
    const key = identity(node);
    if (key !== null) return key;
    this.hash.node(node.labels, node.properties);
    return `\0${this.hash.high} ${this.hash.low}`;
  }

  describe(): string {
    const { live, backup, other } = this.tally;
    const { quarantined } = this.writer;
    const parts = [
      [live, 'from the live graph'],
      [backup, 'exactly as the backup holds them'],
    ] as const;
    const memories = parts.filter(([count]) => count > 0).map(([count, how]) => `${count} ${how}`);
    const aside = quarantined > 0 ? `; ${quarantined} records in quarantine` : '';
    return `${this.memories} memories (${memories.join(', ') || 'there were none'}); ${other} other nodes${aside}`;
  }
}
