import { crc32 } from 'node:zlib';
import { ID_PROPERTY, MEMORY_LABEL } from '../../memory/contract.js';
import { printPythonJson } from '../../memory/json.js';
import {
  addCount,
  type GraphNode,
  type GraphRelationship,
  type Value,
  type ValueMap,
} from '../../memory/values.js';
import type { GraphStore, GraphTotals } from '../../stores/graph/graph-store.js';
import type { NamedRelationship } from '../../stores/graph/live-pages.js';
import {
  liveNodes,
  liveRelationships,
  namedRelationships,
  nodeNames,
} from '../../stores/graph/live-pages.js';
import { ContentDigest, EndHashes, nodeHash, propertyLines, relationshipHash } from '../content/digest.js';
import type { BlockWriter } from './block-writer.js';

/** What a graph half holds. */
export interface ExportedGraph {
  nodes: number;
  memories: number;
  relationships: number;
  byLabel: Record<string, number>;
  byRelationship: Record<string, number>;
  /** Memories by their type; "" where they have none. */
  byType: Record<string, number>;
  digest: string;
  /** Relationships that were left out, because a node at their end is younger than the read. */
  late: number;
  /** Nodes that came while it was read, after their place in it had passed. */
  young: number;
}

/** Says how much was read. */
export type OnRead = (what: 'nodes' | 'relationships' | 'points', count: number) => void;

/**
 * Writes the graph half of a backup: all nodes, then all relationships, as AutoMem lays them out. The graph may be written
 * to meanwhile: what was there all the time is in the file, and every relationship in it leads from a node of the file to
 * a node of the file. {@link proveAgain} tells afterwards whether these are still the nodes that they led to.
 */
export class GraphExport {
  readonly ends = new EndHashes();
  private readonly names = new Map<number, number>();
  private readonly digest = new ContentDigest();
  private readonly result: Omit<ExportedGraph, 'digest'> = {
    nodes: 0,
    memories: 0,
    relationships: 0,
    byLabel: {},
    byRelationship: {},
    byType: {},
    late: 0,
    young: 0,
  };

  constructor(
    private readonly store: GraphStore,
    private readonly graph: string,
    private readonly file: BlockWriter,
    private readonly onRead: OnRead,
    private readonly signal: AbortSignal,
    /** Also asks each relationship for the names of its ends: dearer, and right even where ids are given out anew. */
    private readonly isCareful = false,
  ) {}

  /** @param timestamp `YYYYMMDD_HHMMSS` */
  async write(timestamp: string): Promise<ExportedGraph> {
    const { file, result } = this;
    file.text(`{\n  "timestamp": "${timestamp}",\n  "graph_name": ${printPythonJson(this.graph)}`);
    file.text(',\n  "nodes": [');
    for await (const page of liveNodes(this.store, this.graph)) {
      this.signal.throwIfAborted();
      for (const node of page) await this.node(node);
      this.onRead('nodes', result.nodes);
    }
    file.text(`${result.nodes === 0 ? '' : '\n  '}],\n  "relationships": [`);
    const { store, graph } = this;
    const pages = this.isCareful ? namedRelationships(store, graph) : liveRelationships(store, graph);
    for await (const page of pages) {
      this.signal.throwIfAborted();
      for (const relationship of page) await this.relationship(relationship);
      this.onRead('relationships', result.relationships);
    }
    file.text(`${result.relationships === 0 ? '' : '\n  '}],\n  "stats": {\n`);
    file.text(`    "node_count": ${result.nodes},\n`);
    file.text(`    "relationship_count": ${result.relationships}\n  }\n}`);
    return Object.assign(result, { digest: this.digest.toString() });
  }

  /**
   * Walks the graph a second time, by the names of its nodes, after it was written to (or may have been) during the first.
   * The server gives the ids of deleted nodes to new ones: a relationship that was read after such a change would join a
   * node of the file that it never joined, unless it was read carefully.
   *
   * @param isQuiet whether nothing was written: the totals then have to be the same
   * @returns why the file cannot be kept, in words; null where it can
   */
  async proveAgain(totals: () => Promise<GraphTotals>, isQuiet: boolean): Promise<string | null> {
    const { nodes, relationships } = this.result;
    const before = await totals();
    if (isQuiet && (before.nodes !== nodes || before.relationships !== relationships))
      return `${nodes} nodes and ${relationships} relationships were read where the server counts ${before.nodes} and ${before.relationships}`;
    let listed = 0;
    let young = 0;
    for await (const page of nodeNames(this.store, this.graph)) {
      this.signal.throwIfAborted();
      listed += page.length;
      for (const { internalId, labels, properties } of page) {
        const known = this.names.get(internalId);
        if (known === undefined) young++;
        else if (!this.isCareful && known !== nameHash(labels, properties))
          return 'nodes were deleted and others took their ids';
      }
    }
    const after = await totals();
    if (before.nodes === after.nodes && listed !== after.nodes)
      return `${listed} nodes were listed where the server counts ${after.nodes}`;
    this.result.young = young;
    return null;
  }

  private async node(node: GraphNode): Promise<void> {
    const { result } = this;
    const { internalId, labels, properties } = node;
    const lines = propertyLines(properties);
    await this.file.record(`${result.nodes === 0 ? '' : ','}\n    ${nodeText(node, lines)}`);
    const hash = nodeHash(node, lines);
    this.digest.add(hash);
    this.ends.set(internalId, hash);
    this.names.set(internalId, nameHash(labels, properties));
    result.nodes++;
    count(result.byLabel, labels.join(':'));
    if (!labels.includes(MEMORY_LABEL)) return;
    result.memories++;
    count(result.byType, textOf(properties['type']));
  }

  /** Whether its ends are still those that stand in the file under these ids. */
  private joinsThese(relationship: GraphRelationship | NamedRelationship): boolean {
    if (!('from' in relationship)) return true;
    return [relationship.from, relationship.to].every(
      ({ internalId, labels, properties }) => this.names.get(internalId) === nameHash(labels, properties),
    );
  }

  private async relationship(relationship: GraphRelationship | NamedRelationship): Promise<void> {
    const { result, ends } = this;
    const { source, target, type, properties } = relationship;
    const [from, to] = [ends.get(source), ends.get(target)];
    if (from === null || to === null || !this.joinsThese(relationship)) {
      result.late++;
      return;
    }
    const lines = propertyLines(properties);
    const comma = result.relationships === 0 ? '' : ',';
    await this.file.record(`${comma}\n    ${relationshipText(relationship, lines)}`);
    this.digest.add(relationshipHash(type, from, to, properties, lines));
    result.relationships++;
    count(result.byRelationship, type);
  }
}

/** One member a line, so that records can be told apart, and their ends found, without a parser. */
function nodeText({ internalId, labels }: GraphNode, lines: readonly string[]): string {
  return `{\n      "id": ${internalId},\n      "labels": ${printPythonJson(labels)},\n      "properties": ${propertiesText(lines)}\n    }`;
}

function relationshipText({ source, type, target }: GraphRelationship, lines: readonly string[]): string {
  return `{\n      "source_id": ${source},\n      "type": ${printPythonJson(type)},\n      "target_id": ${target},\n      "properties": ${propertiesText(lines)}\n    }`;
}

function propertiesText(lines: readonly string[]): string {
  return lines.length === 0 ? '{}' : `{\n        ${lines.join(',\n        ')}\n      }`;
}

function nameHash(labels: readonly string[], properties: ValueMap): number {
  // A type may be changed; only a node without an id has nothing better.
  const id = textOf(properties[ID_PROPERTY]) || textOf(properties['type']);
  return crc32(`${labels.join(':')} ${id}`);
}

function textOf(value: Value | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : printPythonJson(value);
}

/** Counts by names that may be any text. */
export function count(counts: Record<string, number>, name: string): void {
  addCount(counts, name, 1);
}
