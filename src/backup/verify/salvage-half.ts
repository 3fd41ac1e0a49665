import { InvalidJson, IncompleteJson, parseJson, printPythonJson } from '../../memory/json.js';
import { isMap, type Value } from '../../memory/values.js';
import { ascii } from '../create/vectors-export.js';
import type { BlockWriter } from '../create/block-writer.js';
import { asNode, asRelationship } from '../files/graph-file.js';
import { InternalIdSet } from '../pair/id-set.js';
import { ByteReader } from '../files/json-bytes.js';
import { readPoint } from '../files/point-record.js';
import { GraphContent, VectorsContent } from '../content/contents.js';
import type { ListName } from './damage.js';
import type { TextPart } from './readable-text.js';
import { RecordCutter } from './record-cutter.js';

/** What is known of a half besides its records, where the file itself does not tell any more. */
export interface KnownFacts {
  /** `YYYYMMDD_HHMMSS`. */
  timestamp: string;
  /** Of the graph or the collection. */
  name: string;
  /** Records of each list; null where nobody said. */
  expected: (list: ListName) => number | null;
}

/** What became of the records of one half. */
export interface HalfCounts {
  /** By list. */
  saved: Partial<Record<ListName, number>>;
  /** Null where nobody knows how many there were. */
  lost: Partial<Record<ListName, number | null>>;
  /** Relationships that were readable and lead to a node that is lost; they count as lost. */
  leftOut: number;
  /** Saved ones that no checksum covers: they stood before damage, and a letter in them may be a wrong one. */
  unproven: number;
}

/** Takes what is readable of a half, and writes its whole records into a new one. */
abstract class HalfSalvage {
  protected readonly cutter = new RecordCutter();
  protected readonly counts: Record<ListName, number> = { nodes: 0, relationships: 0, points: 0 };
  protected leftOut = 0;
  private unproven = 0;
  private sinceEnd = 0;

  constructor(
    protected readonly file: BlockWriter,
    protected readonly known: KnownFacts,
  ) {}

  async part(part: TextPart): Promise<void> {
    if (part.kind === 'text') {
      for (const record of this.cutter.feed(part.bytes)) await this.take(record);
      return;
    }
    if (part.isGap) await this.breakOff();
    if (!part.isProven) this.unproven += this.sinceEnd;
    this.sinceEnd = 0;
  }

  async finish(): Promise<HalfCounts> {
    await this.breakOff();
    this.close();
    const saved: HalfCounts['saved'] = {};
    const lost: HalfCounts['lost'] = {};
    for (const list of this.lists) {
      saved[list] = this.counts[list];
      const expected = this.known.expected(list) ?? this.said(list);
      lost[list] = expected === null ? null : Math.max(0, expected - this.counts[list]);
    }
    return { saved, lost, leftOut: this.leftOut, unproven: this.unproven };
  }

  protected abstract readonly lists: readonly ListName[];
  /** Writes one record. @returns the list that it is of; null where it is left out */
  protected abstract record(text: string): Promise<ListName | null>;
  /** Writes what stands behind the records. */
  protected abstract close(): void;
  /** The name of the member that says how many records a list has. */
  protected abstract countMember(list: ListName): string;

  protected async write(list: ListName, text: string): Promise<void> {
    await this.file.record(`${this.counts[list] === 0 ? '' : ','}\n    ${ascii(text)}`);
  }

  /** What stands before the records, as it stood there. */
  protected open(nameMember: string): void {
    const name = this.cutter.member(nameMember);
    const written = name?.startsWith('"') === true ? ascii(name) : printPythonJson(this.known.name);
    this.file.text(`{\n  "timestamp": "${this.known.timestamp}",\n  "${nameMember}": ${written}`);
  }

  private async breakOff(): Promise<void> {
    const last = this.cutter.breakOff();
    if (last !== null) await this.take(last);
  }

  private async take(text: string): Promise<void> {
    try {
      const list = await this.record(text);
      if (list === null) return;
      this.counts[list]++;
      this.sinceEnd++;
    } catch (error) {
      // Half a record, or one with damage in it.
      if (!(error instanceof InvalidJson || error instanceof IncompleteJson)) throw error;
    }
  }

  private said(list: ListName): number | null {
    const text = this.cutter.member(this.countMember(list));
    return text === null || !/^[0-9]+$/.test(text) ? null : Number(text);
  }
}

/** A new graph half: nodes, and the relationships of which both ends are saved. */
export class GraphSalvage extends HalfSalvage {
  readonly content = new GraphContent();
  protected readonly lists = ['nodes', 'relationships'] as const;
  private readonly ids = new InternalIdSet();
  private place: 'start' | 'nodes' | 'relationships' = 'start';

  protected async record(text: string): Promise<ListName | null> {
    const record = parseJson(text);
    const isNode = isMap(record) && record['labels'] !== undefined;
    return isNode ? this.node(record, text) : this.relationship(record, text);
  }

  private async node(record: Value, text: string): Promise<ListName | null> {
    const node = asNode(record);
    if ('reason' in node || this.place === 'relationships' || !this.ids.add(node.internalId)) return null;
    this.toNodes();
    await this.write('nodes', text);
    this.content.part({ kind: 'records', list: 'nodes', records: [record] });
    return 'nodes';
  }

  private async relationship(record: Value, text: string): Promise<ListName | null> {
    const relationship = asRelationship(record);
    if ('reason' in relationship) return null;
    this.toRelationships();
    if (!this.ids.has(relationship.source) || !this.ids.has(relationship.target)) {
      this.leftOut++;
      return null;
    }
    await this.write('relationships', text);
    this.content.part({ kind: 'records', list: 'relationships', records: [record] });
    return 'relationships';
  }

  private toNodes(): void {
    if (this.place !== 'start') return;
    this.open('graph_name');
    this.file.text(',\n  "nodes": [');
    this.place = 'nodes';
  }

  private toRelationships(): void {
    this.toNodes();
    if (this.place !== 'nodes') return;
    this.file.text(`${this.counts.nodes === 0 ? '' : '\n  '}],\n  "relationships": [`);
    this.place = 'relationships';
  }

  protected close(): void {
    const { nodes, relationships } = this.counts;
    this.toRelationships();
    this.file.text(`${relationships === 0 ? '' : '\n  '}],\n  "stats": {\n`);
    this.file.text(`    "node_count": ${nodes},\n    "relationship_count": ${relationships}\n  }\n}`);
  }

  protected countMember(list: ListName): string {
    return list === 'nodes' ? 'node_count' : 'relationship_count';
  }
}

/** A new vector half. */
export class VectorsSalvage extends HalfSalvage {
  readonly content = new VectorsContent();
  protected readonly lists = ['points'] as const;
  private isOpen = false;

  protected async record(text: string): Promise<ListName | null> {
    const bytes = Buffer.from(`${text}\0`);
    const reader = new ByteReader(bytes, 0, bytes.length - 1, Buffer.allocUnsafe(bytes.length));
    const point = readPoint(reader, {});
    if (!reader.atEnd() || point.id === null) return null;
    this.toPoints();
    if ('reason' in point) {
      await this.write('points', printPythonJson(point.record));
      this.content.part({ kind: 'points', points: [], bad: [point] });
    } else {
      const id = typeof point.id === 'string' ? JSON.stringify(point.id) : String(point.id);
      await this.write(
        'points',
        `{"id": ${id}, "vector": ${point.vector.text}, "payload": ${point.payload.text}}`,
      );
      this.content.part({ kind: 'points', points: [point], bad: [] });
    }
    return 'points';
  }

  private toPoints(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.open('collection_name');
    this.file.text(',\n  "points": [');
  }

  protected close(): void {
    this.toPoints();
    const { points } = this.counts;
    this.file.text(`${points === 0 ? '' : '\n  '}],\n  "stats": {\n`);
    this.file.text(
      `    "points_count": ${points},\n    "vector_size": ${this.vectorSize() ?? 'null'}\n  }\n}`,
    );
  }

  protected countMember(): string {
    return 'points_count';
  }

  /** As the file says at its end, else as most of the vectors have it. */
  private vectorSize(): string | null {
    const said = this.cutter.member('vector_size');
    if (said !== null && /^[0-9]+$/.test(said)) return said;
    const sizes = Object.entries(this.content.bySize).filter(([size]) => size !== '');
    return sizes.sort(([, a], [, b]) => b - a)[0]?.[0] ?? null;
  }
}
