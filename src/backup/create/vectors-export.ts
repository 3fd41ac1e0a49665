import { InvalidJson, parseJson, printPythonJson } from '../../memory/json.js';
import type { Value } from '../../memory/values.js';
import type { BodyBuffer } from '../../stores/vectors/body-buffer.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import { CanonicalPayloads } from '../content/canonical-payload.js';
import { ContentDigest, PointHasher, pointHash } from '../content/digest.js';
import type { BlockWriter } from './block-writer.js';
import { count, type OnRead } from './graph-export.js';
import { PagePoints, type PagePoint } from './page-points.js';

/** What a vector half holds. */
export interface ExportedVectors {
  points: number;
  /** Points by the type in their payload; "" where it has none. */
  byType: Record<string, number>;
  /** Points by the number of components of their unnamed vector; "" where they have none. */
  bySize: Record<string, number>;
  digest: string;
}

const NOT_ASCII = /[\u0080-\uffff]/g;

/**
 * Writes the vector half of a backup: all points in the order of their ids. Vectors and payloads are passed on as the text
 * in which the server gives them, so that every number is written as it is stored.
 */
export class VectorsExport {
  private readonly digest = new ContentDigest();
  private readonly hasher = new PointHasher();
  private readonly payloads = new CanonicalPayloads();
  private readonly points = new PagePoints();
  private readonly result: Omit<ExportedVectors, 'digest'> = { points: 0, byType: {}, bySize: {} };

  constructor(
    private readonly store: VectorStore,
    private readonly collection: string,
    private readonly file: BlockWriter,
    private readonly onRead: OnRead,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * @param timestamp `YYYYMMDD_HHMMSS`
   * @param size components of the collection's unnamed vector, null where it has none
   */
  async write(timestamp: string, size: number | null): Promise<ExportedVectors> {
    const { file, result } = this;
    const sizeName = String(size ?? '');
    file.text(`{\n  "timestamp": "${timestamp}",\n  "collection_name": ${printPythonJson(this.collection)}`);
    file.text(',\n  "points": [');
    for await (const page of this.store.scrollBytes(this.collection)) {
      this.signal.throwIfAborted();
      await this.page(page, sizeName);
      this.onRead('points', result.points);
    }
    file.text(`${result.points === 0 ? '' : '\n  '}],\n  "stats": {\n`);
    file.text(`    "points_count": ${result.points},\n    "vector_size": ${size ?? 'null'}\n  }\n}`);
    return { ...result, digest: this.digest.toString() };
  }

  private async page(page: BodyBuffer, size: string): Promise<void> {
    try {
      for (const point of this.points.of(page)) await this.point(point, size);
    } catch (error) {
      throw error instanceof InvalidJson ? this.store.unreadable(error.message) : error;
    }
  }

  private async point(point: PagePoint, size: string): Promise<void> {
    const { file, result } = this;
    const { id, vector, payload } = point;
    const isPlain = typeof vector !== 'string';
    const text = ascii(payload);
    await file.record(
      `${result.points === 0 ? '' : ','}\n    {"id": ${id}, "vector": `,
      isPlain ? vector : ascii(vector),
      `, "payload": ${text}}`,
    );
    const canonical = this.payloads.of(text);
    this.digest.add(this.hashOf(point, canonical.text));
    result.points++;
    count(result.byType, canonical.type);
    // The server takes no vector of another size.
    count(result.bySize, isPlain ? size : '');
  }

  private hashOf({ id, vector, payload }: PagePoint, canonical: string): Buffer {
    const own = id.startsWith('"') ? (JSON.parse(id) as string) : id;
    return typeof vector === 'string'
      ? pointHash(own, valuesOf(vector), parseJson(payload))
      : this.hasher.hash(own, vector, canonical);
  }
}

/** Characters outside ASCII stand in texts only, where they can be escaped. */
export function ascii(json: string): string {
  return json.replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Vectors with names, sparse ones and lists of vectors: rare, and so read in full. */
function valuesOf(vector: string): Exclude<Value, string> {
  const value = parseJson(vector);
  return typeof value === 'string' ? [value] : value;
}
