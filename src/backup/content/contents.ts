import { MEMORY_LABEL } from '../../memory/contract.js';
import { printPythonJson } from '../../memory/json.js';
import { addCount, isMap, type Value } from '../../memory/values.js';
import { CanonicalPayloads } from './canonical-payload.js';
import { ContentDigest, EndHashes, nodeHash, PointHasher, pointHash, relationshipHash } from './digest.js';
import { asNode, asRelationship, type FilePart } from '../files/graph-file.js';
import type { BadPoint, FilePoint } from '../files/point-record.js';
import type { VectorsPart } from '../files/vectors-file.js';

export type Counts = Record<string, number>;

/** What a half holds, as whoever wrote it counted it: totals and tables by their names in the manifest. */
export interface HalfContents {
  /** Of the records, whatever their order. */
  digest: string;
  totals: Counts;
  tables: Record<string, Counts>;
}

/** Counts and digests what a graph half holds, as whoever wrote it did. */
export class GraphContent {
  readonly digest = new ContentDigest();
  readonly totals = { nodes: 0, memories: 0, relationships: 0 };
  readonly byLabel: Counts = {};
  readonly byRelationship: Counts = {};
  readonly byType: Counts = {};
  private readonly ends = new EndHashes();

  contents(): HalfContents {
    const { byLabel: by_label, byRelationship: by_relationship, byType: by_type } = this;
    return {
      digest: this.digest.toString(),
      totals: this.totals,
      tables: { by_label, by_relationship, by_type },
    };
  }

  readonly part = (part: FilePart): void => {
    if (part.kind !== 'records') return;
    if (part.list === 'nodes') for (const record of part.records) this.node(record);
    else for (const record of part.records) this.relationship(record);
  };

  private node(record: Value): void {
    const node = asNode(record);
    this.totals.nodes++;
    // A record that is none is told by the reader; the digest cannot fit then, which is right.
    if ('reason' in node) return;
    const { internalId, labels, properties } = node;
    const hash = nodeHash(node);
    this.digest.add(hash);
    this.ends.set(internalId, hash);
    addCount(this.byLabel, labels.join(':'), 1);
    if (!labels.includes(MEMORY_LABEL)) return;
    this.totals.memories++;
    addCount(this.byType, typeText(properties['type']), 1);
  }

  private relationship(record: Value): void {
    const relationship = asRelationship(record);
    this.totals.relationships++;
    if ('reason' in relationship) return;
    const { source, target, type, properties } = relationship;
    const [from, to] = [this.ends.get(source), this.ends.get(target)];
    if (from !== null && to !== null) this.digest.add(relationshipHash(type, from, to, properties));
    addCount(this.byRelationship, type, 1);
  }
}

function typeText(value: Value | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : printPythonJson(value);
}

/** Counts and digests what a vector half holds, as whoever wrote it did. */
export class VectorsContent {
  readonly digest = new ContentDigest();
  readonly totals = { points: 0 };
  readonly byType: Counts = {};
  readonly bySize: Counts = {};
  private readonly payloads = new CanonicalPayloads();
  private readonly hasher = new PointHasher();

  contents(): HalfContents {
    const { byType: by_type, bySize: by_size } = this;
    return { digest: this.digest.toString(), totals: this.totals, tables: { by_type, by_size } };
  }

  readonly part = (part: VectorsPart): void => {
    if (part.kind !== 'points') return;
    for (const point of part.points) this.point(point);
    for (const point of part.bad) this.badPoint(point);
  };

  private point({ id, vector, payload }: FilePoint): void {
    const { text, type } = this.payloads.of(payload.text);
    this.totals.points++;
    const bytes = vector.text === '' ? vector.bytes : Buffer.from(vector.text, 'latin1');
    this.digest.add(this.hasher.hash(id, bytes, text));
    addCount(this.byType, type, 1);
    addCount(this.bySize, String(vector.size), 1);
  }

  /** What cannot be restored may be exactly what the store held: a point with named vectors. */
  private badPoint({ record, id }: BadPoint): void {
    if (!isMap(record) || id === null) {
      this.totals.points++;
      return;
    }
    const { vector = null, payload = null } = record;
    this.totals.points++;
    this.digest.add(pointHash(id, typeof vector === 'string' ? [vector] : vector, payload));
    const type = isMap(payload) ? payload['type'] : undefined;
    addCount(this.byType, typeof type === 'string' ? type : '', 1);
    addCount(this.bySize, '', 1);
  }
}
