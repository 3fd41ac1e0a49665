import { gunzipStream } from '../backup/files/container.js';
import {
  asNode,
  asRelationship,
  readBackupFile,
  type BadRecord,
  type FilePart,
} from '../backup/files/graph-file.js';
import { ExitCode, Failure } from '../failure.js';
import { isMap, type GraphNode, type GraphRelationship, type Value } from '../memory/values.js';
import type { BackupFile } from '../backup/types.js';
import { changedFile, type Archive } from '../stores/archive/archive.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { liveNodes, liveRelationships } from '../stores/graph/live-pages.js';
import { nodeHashes, relationshipHash } from './graph-hash.js';
import type { GraphMark } from './graph-mark.js';
import { IdMap } from './id-map.js';
import { ReadAhead } from './read-ahead.js';

/**
 * A graph to take nodes and relationships from: the backup's or the live one. Nodes come first; relationships name
 * their ends by the source's own internal ids, which `ids` translates into those of the staging graph.
 */
export interface NodeSource {
  readonly kind: 'live' | 'backup';
  readonly ids: IdMap;
  /** Totals where they are known beforehand, for the progress. */
  readonly totals: { nodes: number | null; relationships: number | null };
  nodes(bad: (record: BadRecord) => void): AsyncGenerator<GraphNode[]>;
  relationships(bad: (record: BadRecord) => void): AsyncGenerator<GraphRelationship[]>;
}

const LISTS = new Set(['nodes', 'relationships']);

/** Parts, of a quarter of a megabyte of JSON each, that are read while the collection is: some 30 MB when parsed. */
const PARTS_AHEAD = 24;

/** The graph half of a backup, read once from beginning to end; both halves of the walk share one stream. */
export class BackupSource implements NodeSource {
  readonly kind = 'backup';
  readonly ids = new IdMap();
  private readonly ahead: ReadAhead<FilePart>;
  private parts: AsyncGenerator<FilePart> | null = null;
  private pushedBack: FilePart | null = null;
  private nodesRead = 0;
  private relationshipsRead = 0;
  private stats: Value = null;

  constructor(
    archive: Archive,
    private readonly file: BackupFile,
    private readonly graphName: string,
    readonly totals: NodeSource['totals'],
  ) {
    this.ahead = new ReadAhead(readBackupFile(file.path, gunzipStream(archive, file), LISTS), PARTS_AHEAD);
  }

  async *nodes(bad: (record: BadRecord) => void): AsyncGenerator<GraphNode[]> {
    for await (const records of this.list('nodes')) {
      this.nodesRead += records.length;
      yield good(records, asNode, bad);
    }
  }

  async *relationships(bad: (record: BadRecord) => void): AsyncGenerator<GraphRelationship[]> {
    for await (const records of this.list('relationships')) {
      this.relationshipsRead += records.length;
      yield good(records, asRelationship, bad);
    }
    this.reconcile();
  }

  private async *list(name: 'nodes' | 'relationships'): AsyncGenerator<Value[]> {
    for (;;) {
      const part = this.pushedBack ?? (await this.next());
      this.pushedBack = null;
      if (part === null) return;
      if (part.kind === 'field') this.field(part.name, part.value);
      else if (part.kind === 'list') continue;
      else if (part.list === name) yield part.records;
      else if (name === 'nodes') {
        this.pushedBack = part;
        return;
      } else throw this.failure('its nodes stand after its relationships, which AutoMem never writes');
    }
  }

  private async next(): Promise<FilePart | null> {
    this.parts ??= this.ahead[Symbol.asyncIterator]();
    const result = await this.parts.next();
    return result.done === true ? null : result.value;
  }

  private field(name: string, value: Value): void {
    if (name === 'stats') this.stats = value;
    if (name === 'graph_name' && typeof value === 'string' && value !== this.graphName) {
      throw this.failure(`it is a backup of the graph "${value}", not of "${this.graphName}"`);
    }
  }

  /** Both with what the file says of itself and with what was found when it was verified. */
  private reconcile(): void {
    const { totals, nodesRead, relationshipsRead } = this;
    if (
      nodesRead !== (totals.nodes ?? nodesRead) ||
      relationshipsRead !== (totals.relationships ?? relationshipsRead)
    )
      throw changedFile(this.file.path);
    if (!isMap(this.stats)) return;
    const { node_count: nodes, relationship_count: relationships } = this.stats;
    if (
      (nodes !== undefined && nodes !== this.nodesRead) ||
      (relationships !== undefined && relationships !== this.relationshipsRead)
    ) {
      throw this.failure('it holds other numbers of records than it says');
    }
  }

  private failure(reason: string): Failure {
    return new Failure({
      operation: 'read the backup',
      subject: this.file.path,
      reason,
      hint: 'Use another backup with --backup TIMESTAMP, or go on without one with --backup none.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-inconsistent',
    });
  }
}

function good<T extends object>(
  records: Value[],
  read: (record: Value) => T | BadRecord,
  bad: (record: BadRecord) => void,
): T[] {
  const kept: T[] = [];
  for (const record of records) {
    const result = read(record);
    if ('reason' in result) bad(result);
    else kept.push(result);
  }
  return kept;
}

/**
 * What is in the live graph: after a loss, what the service has written since. The service may write while it is read;
 * the mark remembers what was read, so that the rest can be caught up with.
 */
export class LiveSource implements NodeSource {
  readonly kind = 'live';
  readonly ids = new IdMap();

  constructor(
    private readonly store: GraphStore,
    private readonly graph: string,
    readonly totals: { nodes: number; relationships: number },
    private readonly mark: GraphMark,
  ) {}

  async *nodes(): AsyncGenerator<GraphNode[]> {
    for await (const page of liveNodes(this.store, this.graph)) {
      for (const node of page) this.remember(node);
      yield page;
    }
  }

  private remember(node: GraphNode): void {
    const hashes = nodeHashes(node);
    const before = this.mark.nodes.value(node.internalId, 'key');
    if (before !== undefined && before !== hashes.key) this.mark.deletedKeys.add(before);
    this.mark.nodes.set(node.internalId, { ...hashes, target: -1 });
  }

  /** To be read once the nodes have their places in the staging graph. */
  async *relationships(): AsyncGenerator<GraphRelationship[]> {
    for (const liveId of this.mark.nodes.ids()) this.mark.setTarget(liveId, this.ids.get(liveId));
    for await (const page of liveRelationships(this.store, this.graph)) {
      const known = page.filter(
        ({ source, target }) => this.mark.nodes.has(source) && this.mark.nodes.has(target),
      );
      for (const { internalId, type, properties, source, target } of known) {
        const [from, to] = [this.ids.get(source), this.ids.get(target)];
        this.mark.relationships.set(internalId, { hash: relationshipHash(type, properties), from, to });
      }
      // Ends that were made after the nodes were read come with the next look.
      yield known;
    }
  }
}
