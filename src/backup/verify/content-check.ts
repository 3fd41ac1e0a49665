import { MEMORY_LABEL } from '../../memory/contract.js';
import { printPythonJson } from '../../memory/json.js';
import { isMap, numeric, type Value, type ValueMap } from '../../memory/values.js';
import { count } from '../create/graph-export.js';
import { ContentDigest, EndHashes, nodeHash, pointHash, relationshipHash } from '../digest.js';
import { asNode, asRelationship, type FilePart } from '../graph-file.js';
import type { Manifest } from '../manifest.js';
import { ProblemList, type Half, type PairProblem } from '../pair-problems.js';
import { payloadValue } from './payload-value.js';
import type { BadPoint, FilePoint } from '../point-record.js';
import type { VectorsPart } from '../vectors-file.js';

type Counts = Record<string, number>;

/** Counts and digests what a graph half holds, as whoever wrote it did. */
export class GraphContent {
  readonly digest = new ContentDigest();
  readonly totals = { nodes: 0, memories: 0, relationships: 0 };
  readonly byLabel: Counts = {};
  readonly byRelationship: Counts = {};
  readonly byType: Counts = {};
  private readonly ends = new EndHashes();

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
    count(this.byLabel, labels.join(':'));
    if (!labels.includes(MEMORY_LABEL)) return;
    this.totals.memories++;
    count(this.byType, typeText(properties['type']));
  }

  private relationship(record: Value): void {
    const relationship = asRelationship(record);
    this.totals.relationships++;
    if ('reason' in relationship) return;
    const { source, target, type, properties } = relationship;
    const [from, to] = [this.ends.get(source), this.ends.get(target)];
    if (from !== null && to !== null) this.digest.add(relationshipHash(type, from, to, properties));
    count(this.byRelationship, type);
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

  readonly part = (part: VectorsPart): void => {
    if (part.kind !== 'points') return;
    for (const { id, vector, payload } of part.points) {
      this.point(id, vector.text, payloadValue(payload.text));
      count(this.bySize, String(vector.size));
    }
    for (const point of part.bad) this.badPoint(point);
  };

  private point(id: FilePoint['id'], vector: Parameters<typeof pointHash>[1], payload: Value): void {
    this.totals.points++;
    this.digest.add(pointHash(id, vector, payload));
    const type = isMap(payload) ? payload['type'] : undefined;
    count(this.byType, typeof type === 'string' ? type : '');
  }

  /** What cannot be restored may be exactly what the store held: a point with named vectors. */
  private badPoint({ record, id }: BadPoint): void {
    if (!isMap(record) || id === null) {
      this.totals.points++;
      return;
    }
    const { vector = null, payload = null } = record;
    this.point(id, typeof vector === 'string' ? [vector] : vector, payload);
    count(this.bySize, '');
  }
}

/** What both halves held; null for one that was not read to its end. */
export interface ReadContent {
  graph: GraphContent | null;
  vectors: VectorsContent | null;
}

/** Holds what was read against what the manifest says was written. @returns problems, all of them fatal */
export function compareContent(manifest: Manifest, content: ReadContent): PairProblem[] {
  const problems: PairProblem[] = [];
  for (const half of ['graph', 'vectors'] as const) {
    const read = content[half];
    const facts = manifest.body[half];
    if (read === null || !isMap(facts)) continue;
    const list = new ProblemList(half);
    compareCounts(list, read, facts);
    compareDigest(list, half, read.digest, manifest);
    problems.push(...list.all());
  }
  return problems;
}

const TABLES = {
  byLabel: ['by_label', 'nodes with the label'],
  byRelationship: ['by_relationship', 'relationships of the type'],
  byType: ['by_type', 'of the type'],
  bySize: ['by_size', 'points with so many components:'],
} as const;

function compareCounts(problems: ProblemList, read: GraphContent | VectorsContent, facts: ValueMap): void {
  for (const [name, found] of Object.entries(read.totals)) {
    const said = numeric(facts[name]);
    if (said !== null && said !== found)
      problems.fatal(`manifest-${name}`, `the manifest says ${said} ${name}, and there are ${found}`);
  }
  for (const [field, [name, words]] of Object.entries(TABLES)) {
    const said = facts[name];
    const found = (read as unknown as Record<string, Counts | undefined>)[field];
    if (!isMap(said) || found === undefined) continue;
    for (const key of new Set([...Object.keys(said), ...Object.keys(found)])) {
      const [expected, actual] = [numeric(said[key]) ?? 0, Object.hasOwn(found, key) ? found[key] : 0];
      if (expected === actual) continue;
      const reason = `the manifest says ${expected}, and there are ${actual ?? 0}`;
      problems.record(
        'fatal',
        `manifest-${name.replace('_', '-')}`,
        'counts that are not the manifest’s',
        `${words} ${JSON.stringify(key)}`,
        reason,
      );
    }
  }
}

function compareDigest(problems: ProblemList, half: Half, digest: ContentDigest, manifest: Manifest): void {
  const said = digestOf(manifest, half);
  if (said === null || said === digest.toString()) return;
  problems.fatal(
    'manifest-digest',
    `the records of the ${half === 'graph' ? 'graph' : 'vector'} half are not those that its manifest was written for: their digest is another one`,
  );
}

/** The digest that the manifest gives of a half. */
function digestOf({ files }: Manifest, half: Half): string | null {
  const folder = half === 'graph' ? 'falkordb/' : 'qdrant/';
  for (const [path, { digest }] of files) if (path.startsWith(folder)) return digest;
  return null;
}
