import type { GraphNode, ValueMap } from '../memory/values.js';
import { DIGEST_PRIME, type GraphStore, type RelationshipDigest } from '../stores/graph/graph-store.js';
import { BulkWriter, type Written } from '../stores/graph/graph-writer.js';
import { checkNames } from '../stores/graph/storable.js';

/** Where staged records go: the staging graph, or nowhere in a dry run. */
export interface GraphSink {
  readonly written: Written;
  readonly digests: ReadonlyMap<string, RelationshipDigest>;
  node(node: Pick<GraphNode, 'labels' | 'properties'>, assigned: (id: number) => void): Promise<void>;
  relationship(source: number, target: number, type: string, properties: ValueMap): Promise<void>;
  flush(): Promise<void>;
}

export function openSink(store: GraphStore, graph: string, dryRun: boolean): GraphSink {
  return dryRun ? new DrySink() : new BulkWriter(store, graph);
}

/** Counts and checks like the real writer, so that a dry run tells the truth about what would be refused. */
class DrySink implements GraphSink {
  readonly written: Written = { nodes: 0, relationships: 0 };
  readonly digests = new Map<string, RelationshipDigest>();

  node(node: Pick<GraphNode, 'labels' | 'properties'>, assigned: (id: number) => void): Promise<void> {
    checkNames(node.labels, Object.keys(node.properties));
    assigned(this.written.nodes++);
    return Promise.resolve();
  }

  relationship(source: number, target: number, type: string, properties: ValueMap): Promise<void> {
    checkNames([type], Object.keys(properties));
    this.written.relationships++;
    const digest = this.digests.get(type) ?? { count: 0, sources: 0, targets: 0, mixed: 0 };
    digest.count++;
    digest.sources += source;
    digest.targets += target;
    digest.mixed += (source * 31 + target) % DIGEST_PRIME;
    this.digests.set(type, digest);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}
