import { ID_PROPERTY } from '../memory/contract.js';
import type { GraphNode } from '../memory/values.js';
import { storableProperties, Unwritable, withoutUnsoundNames } from '../stores/graph/storable.js';
import type { GraphSink } from './graph-sink.js';
import type { NodeSource } from './node-source.js';
import type { QuarantineEntry, StepContext } from './step.js';

/** Hands nodes to the staging graph, and puts aside of them what it cannot hold. */
export class NodeWriter {
  /** Records that were put aside. */
  quarantined = 0;

  constructor(
    private readonly context: Pick<StepContext, 'quarantine'>,
    private readonly sink: GraphSink,
  ) {}

  /**
   * @param source learns where its node went; null where the node comes from none
   * @param assigned is told the internal id in the staging graph
   * @returns false where nothing of the node could be written
   */
  async write(node: GraphNode, source: NodeSource | null, assigned: (id: number) => void): Promise<boolean> {
    const { kept, refused } = storableProperties(node.properties);
    const name = nameOf(node);
    for (const key of refused)
      this.property(`${name} ${key}`, 'the graph cannot hold its value', node.properties[key]);
    const tell = (stagedId: number): void => {
      assigned(stagedId);
      source?.ids.set(node.internalId, stagedId);
    };
    try {
      await this.sink.node({ labels: node.labels, properties: kept }, tell);
      return true;
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      return this.writeSoundPart({ ...node, properties: kept }, name, tell, error.message);
    }
  }

  /** One label or property name that cannot be stored must not cost the whole node. */
  private async writeSoundPart(
    node: GraphNode,
    name: string,
    tell: (stagedId: number) => void,
    problem: string,
  ): Promise<boolean> {
    const { labels, properties, refused } = withoutUnsoundNames(node.labels, node.properties);
    if (labels.length === 0) {
      this.quarantine({ kind: 'node', id: name, reason: problem, record: node });
      return false;
    }
    for (const { name: key, reason } of refused)
      this.property(`${name} ${key}`, reason, node.properties[key]);
    await this.sink.node({ labels, properties }, tell);
    return true;
  }

  quarantine(entry: QuarantineEntry): void {
    this.quarantined++;
    this.context.quarantine(entry);
  }

  private property(id: string, reason: string, record: unknown): void {
    this.quarantine({ kind: 'property', id, reason, record });
  }
}

function nameOf({ labels, properties }: GraphNode): string {
  const id = properties[ID_PROPERTY];
  return typeof id === 'string' ? id : labels.join(':');
}
