import { parseJson, printPythonJson } from '../../memory/json.js';
import { isMap, type Value } from '../../memory/values.js';
import type { RawPoint } from '../../stores/vectors/point-pages.js';
import type { VectorStore } from '../../stores/vectors/vector-store.js';
import { ContentDigest, pointHash } from '../digest.js';
import type { BlockWriter } from './block-writer.js';
import { count, type OnRead } from './graph-export.js';

/** What a vector half holds. */
export interface ExportedVectors {
  points: number;
  /** Points by the type in their payload; "" where it has none. */
  byType: Record<string, number>;
  /** Points by the number of components of their unnamed vector; "" where they have none. */
  bySize: Record<string, number>;
  digest: string;
}

const SPACE = /\s/;
const ALL_SPACE = /\s+/g;
const NOT_ASCII = /[\u0080-\uffff]/g;

/**
 * Writes the vector half of a backup: all points in the order of their ids. Vectors and payloads are passed on as the text
 * in which the server gives them, so that every number is written as it is stored.
 */
export class VectorsExport {
  private readonly digest = new ContentDigest();
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
    for await (const page of this.store.scrollRaw(this.collection)) {
      this.signal.throwIfAborted();
      for (const point of page) await this.point(point, sizeName);
      this.onRead('points', result.points);
    }
    file.text(`${result.points === 0 ? '' : '\n  '}],\n  "stats": {\n`);
    file.text(`    "points_count": ${result.points},\n    "vector_size": ${size ?? 'null'}\n  }\n}`);
    return { ...result, digest: this.digest.toString() };
  }

  private async point({ id, vector: text, payload }: RawPoint, size: string): Promise<void> {
    const { result } = this;
    const isPlain = /^\[\s*[^[\s]/.test(text);
    const vector = isPlain ? withoutSpace(text) : text;
    const written = typeof id === 'string' ? JSON.stringify(id) : id.toString();
    const head = result.points === 0 ? '' : ',';
    await this.file.record(
      `${head}\n    {"id": ${written}, "vector": ${isPlain ? vector : ascii(vector)}, "payload": ${ascii(payload)}}`,
    );
    const value = parseJson(payload);
    this.digest.add(pointHash(id, isPlain ? vector : valuesOf(vector), value));
    result.points++;
    count(result.byType, typeOf(value));
    // The server takes no vector of another size.
    count(result.bySize, isPlain ? size : '');
  }
}

/** Servers print numbers with or without a space between. */
function withoutSpace(numbers: string): string {
  const text = numbers.replaceAll(', ', ',');
  return SPACE.test(text) ? text.replace(ALL_SPACE, '') : text;
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

function typeOf(payload: Value): string {
  const type = isMap(payload) ? payload['type'] : undefined;
  return typeof type === 'string' ? type : '';
}
