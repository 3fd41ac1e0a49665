import { hash } from 'node:crypto';
import { IdTable } from '../drift/id-table.js';
import type { RawPoint } from '../stores/vectors/point-pages.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import { PackedTable } from './packed-table.js';

const MAGIC = 'lifeboat points 1';

/** What a look found that the one before did not. */
export interface PointNews {
  /** Ids as the writer takes them. */
  added: (string | bigint)[];
  /** Payloads that are others now. */
  changed: (string | bigint)[];
}

/**
 * Which points a collection has, and with which payloads: for each id a hash of the payload, as the text that the server
 * gives. A vector counts by its payload: whoever embeds a memory anew writes both.
 */
export class PointMark {
  private readonly ids = new IdTable();
  private readonly hashes = new PackedTable(['payload']);

  /**
   * Looks at the whole collection, and takes what is there for known from now on.
   *
   * @param isMeant which points are; the others stay news to later looks
   */
  async look(
    vectors: VectorStore,
    collection: string,
    isMeant: (point: RawPoint) => boolean = () => true,
  ): Promise<PointNews> {
    const news: PointNews = { added: [], changed: [] };
    for await (const page of vectors.scrollRaw(collection, undefined, false)) {
      for (const point of page) {
        if (!isMeant(point)) continue;
        const { id, payload } = point;
        const at = this.ids.add(id);
        const now = hashOf(payload);
        const before = this.hashes.value(at, 'payload');
        if (before === undefined) news.added.push(id);
        else if (before !== now) news.changed.push(id);
        this.hashes.set(at, { payload: now });
      }
    }
    return news;
  }

  /** For a file: {@link fromBuffer} reads it. */
  toBuffer(): Buffer {
    const keys = Array.from({ length: this.ids.size }, (_, at) => this.ids.keyAt(at));
    const head = JSON.stringify({ keys });
    return Buffer.concat([Buffer.from(`${MAGIC}\n${head}\n`), ...this.hashes.toBuffers()]);
  }

  /** @returns null where it is no such file, or of another version */
  static fromBuffer(data: Buffer): PointMark | null {
    if (data.toString('latin1', 0, MAGIC.length + 1) !== `${MAGIC}\n`) return null;
    const end = data.indexOf('\n', MAGIC.length + 1);
    const { keys } = JSON.parse(data.toString('utf8', MAGIC.length + 1, end)) as { keys: string[] };
    const mark = new PointMark();
    for (const key of keys) mark.ids.add(key);
    mark.hashes.fill(data.subarray(end + 1), keys.length);
    return mark;
  }
}

/** 48 bits, never 0, which stands for none. */
function hashOf(text: string): number {
  return hash('sha1', text, 'buffer').readUIntBE(0, 6) || 1;
}
