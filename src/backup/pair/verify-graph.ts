import { ID_PROPERTY, isVectorEligible, MEMORY_LABEL } from '../../memory/contract.js';
import { isMap, type GraphNode, type GraphRelationship, type Value } from '../../memory/values.js';
import { checkNames, storableProperties, Unwritable } from '../../stores/graph/storable.js';
import { asNode, asRelationship, type FilePart } from '../files/graph-file.js';
import { IdSet, InternalIdSet } from './id-set.js';
import { ProblemList } from './pair-problems.js';

/** A file of which more of the relationships lead nowhere was not written whole: nodes are missing in it. */
const MAX_DANGLING = 0.5;

/** Holds the records of a graph half against each other, one part after the other, and keeps only their ids. */
export class GraphVerifier {
  readonly problems = new ProblemList('graph');
  /** Ids of memories, with {@link eligible} by position. */
  readonly memoryIds = new IdSet();
  graphName: string | null = null;
  timestamp: string | null = null;
  nodes = 0;
  memories = 0;
  relationships = 0;
  private stats: Value = null;
  private readonly lists = new Set<string>();
  private badNodes = 0;
  private readonly internalIds = new InternalIdSet();
  /** 1 where the memory is meant to have a vector. */
  eligible = new Uint8Array(1024);

  /** @param excludedTypes types whose memories are meant to have no vector: RECALL_EXCLUDED_TYPES */
  constructor(private readonly excludedTypes: ReadonlySet<string>) {}

  part(part: FilePart): void {
    if (part.kind === 'field') this.field(part.name, part.value);
    else if (part.kind === 'list') this.opened(part.list);
    else if (part.list === 'nodes') this.nodeRecords(part.records);
    else for (const record of part.records) this.relationshipRecord(record);
  }

  /** To be called when the file was read to its end. */
  finish(): void {
    const { problems } = this;
    this.expectMembers();
    const { node_count: nodes, relationship_count: relationships } = isMap(this.stats) ? this.stats : {};
    for (const [what, said, found] of [
      ['nodes', nodes, this.nodes],
      ['relationships', relationships, this.relationships],
    ] as const) {
      if (said !== undefined && said !== found)
        problems.fatal(
          `graph-${what}-count`,
          `the graph half says that it holds ${shown(said)} ${what}, and holds ${found}`,
        );
    }
    // What a backup run writes after the loss that it is now to mend.
    if (this.nodes === 0) problems.fatal('graph-empty', 'the graph half holds no nodes');
    else if (this.badNodes === this.nodes)
      problems.fatal('graph-unusable', 'not one node of the graph half can be read');
    const dangling = problems.countOf('relationship-dangling');
    if (dangling > this.relationships * MAX_DANGLING)
      problems.fatal(
        'graph-nodes-missing',
        `${dangling} of ${this.relationships} relationships join nodes that are not in the graph half: it was not written whole`,
      );
  }

  private opened(list: string): void {
    if (this.lists.has(list)) this.problems.fatal(`graph-${list}`, `"${list}" comes twice in the graph half`);
    this.lists.add(list);
  }

  /** What AutoMem always writes is missing where somebody closed the brackets of a file that was cut. */
  private expectMembers(): void {
    for (const list of ['nodes', 'relationships'])
      if (!this.lists.has(list))
        this.problems.fatal(
          `graph-${list}`,
          `the graph half has no list "${list}": it was not written whole`,
        );
    if (!isMap(this.stats))
      this.problems.whole(
        'loss',
        'graph-stats',
        'the graph half does not say how much it holds ("stats"): whether that is all cannot be told',
      );
  }

  private field(name: string, value: Value): void {
    if (name === 'stats') this.stats = value;
    else if (name === 'graph_name' && typeof value === 'string') this.graphName = value;
    else if (name === 'timestamp' && typeof value === 'string') this.timestamp = value;
    else if (name === 'nodes' || name === 'relationships')
      this.problems.fatal(`graph-${name}`, `"${name}" of the graph half is not a list`);
  }

  private nodeRecords(records: Value[]): void {
    if (this.relationships > 0)
      this.problems.fatal('graph-order', 'nodes stand behind relationships, which AutoMem never writes');
    for (const record of records) {
      this.nodes++;
      const node = asNode(record);
      if ('reason' in node) {
        this.badNodes++;
        const name = `node ${this.nodes}`;
        this.problems.record('loss', 'node-bad', 'nodes that cannot be restored', name, node.reason);
      } else this.node(node);
    }
  }

  private node(node: GraphNode): void {
    if (!this.internalIds.add(node.internalId))
      this.problems.fatal('graph-internal-ids', `two nodes share the internal id ${node.internalId}`);
    const id = node.properties[ID_PROPERTY];
    const name = typeof id === 'string' ? id : `node ${this.nodes}`;
    const reason = unstorable(node.labels, node);
    if (reason !== null)
      this.problems.record('loss', 'node-part', 'nodes of which a part cannot be restored', name, reason);
    if (node.labels.includes(MEMORY_LABEL)) this.memory(node, id, name);
  }

  private memory(node: GraphNode, id: Value | undefined, name: string): void {
    this.memories++;
    if (typeof id !== 'string') {
      this.problems.record('note', 'memory-without-id', 'memories without an id', name, 'it has no id');
      return;
    }
    const before = this.memoryIds.size;
    const position = this.memoryIds.add(id);
    if (position < before)
      this.problems.record('note', 'memory-twice', 'memories whose id another one has too', name, 'id twice');
    if (position >= this.eligible.length) {
      const larger = new Uint8Array(this.eligible.length * 2);
      larger.set(this.eligible);
      this.eligible = larger;
    }
    if (isVectorEligible(node.properties, this.excludedTypes)) this.eligible[position] = 1;
  }

  private relationshipRecord(record: Value): void {
    this.relationships++;
    const name = `relationship ${this.relationships}`;
    const relationship = asRelationship(record);
    if ('reason' in relationship) {
      const what = 'relationships that cannot be restored';
      this.problems.record('loss', 'relationship-bad', what, name, relationship.reason);
      return;
    }
    const { source, target, type } = relationship;
    const missing = [source, target].filter((end) => !this.internalIds.has(end));
    if (missing.length > 0) {
      const what = 'relationships that join nodes which are not in the backup';
      const reason = `${type} from ${source} to ${target}: there is no node ${missing.join(' and no node ')}`;
      this.problems.record('loss', 'relationship-dangling', what, name, reason);
    }
    const reason = unstorable([type], relationship);
    if (reason !== null) {
      const what = 'relationships of which a part cannot be restored';
      this.problems.record('loss', 'relationship-part', what, name, reason);
    }
  }
}

/** What FalkorDB cannot hold of a record, or null. */
function unstorable(
  names: readonly string[],
  { properties }: Pick<GraphNode | GraphRelationship, 'properties'>,
): string | null {
  const { refused } = storableProperties(properties);
  if (refused.length > 0) return `the graph cannot hold the value of ${refused.join(', ')}`;
  try {
    checkNames(names, Object.keys(properties));
    return null;
  } catch (error) {
    if (error instanceof Unwritable) return error.message;
    throw error;
  }
}

function shown(value: Value): string {
  return typeof value === 'number' ? String(value) : 'no number of';
}
