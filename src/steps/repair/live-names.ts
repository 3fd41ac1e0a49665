import { nodeNames, nodesAt } from '../../stores/graph/live-pages.js';
import { identity } from '../identity.js';
import type { StepContext } from '../step.js';

/** The nodes of the live graph that something names: identity ↔ internal id. */
export class LiveNames {
  readonly byIdentity = new Map<string, number>();
  private readonly byInternalId = new Map<number, string>();

  static async read({ graph, graphName, signal }: StepContext): Promise<LiveNames> {
    const names = new LiveNames();
    for await (const page of nodeNames(graph, graphName)) {
      signal.throwIfAborted();
      for (const node of page) {
        const key = identity(node);
        // Of several nodes under one id nobody can tell which one counts.
        if (key !== null && !names.byIdentity.has(key)) names.add(key, node.internalId);
      }
    }
    return names;
  }

  add(key: string, internalId: number): void {
    this.byIdentity.set(key, internalId);
    this.byInternalId.set(internalId, key);
  }

  /** Those of the nodes that still are what they were: the server gives the id of a deleted node to the next one. */
  async stillThere(
    { graph, graphName }: StepContext,
    internalIds: Iterable<number>,
  ): Promise<ReadonlySet<number>> {
    const nodes = await nodesAt(graph, graphName, [...new Set(internalIds)]);
    const sound = [...nodes].filter(
      ([internalId, node]) => identity(node) === this.byInternalId.get(internalId),
    );
    return new Set(sound.map(([internalId]) => internalId));
  }
}
