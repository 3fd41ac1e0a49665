import type { QdrantClient } from '@qdrant/js-client-rest';
import type { StoreAddresses } from './addresses.js';
import { occupied } from './fill-graph.js';
import { pythonJson } from './population/python-json.js';
import type { PopulationPoint } from './population/population.js';
import { qdrantClient, qdrantFailure, QdrantWire } from './qdrant-client.js';

/** Bytes of one upsert, well below Qdrant's limit of 32 MB. */
const BATCH_BYTES = 512 * 1024;
const BATCH_POINTS = 1_000;

/**
 * Makes AutoMem's collection and fills it. The collection goes through Qdrant's own client, the points as plain HTTP:
 * faster, and the client would turn 1.0 into 1 and cannot write integers beyond 2^53.
 */
export class VectorFill {
  readonly #client: QdrantClient;
  readonly #wire: QdrantWire;
  #batch: string[] = [];
  #bytes = 0;
  #written: Promise<unknown> = Promise.resolve();

  constructor(private readonly target: StoreAddresses['vectors']) {
    this.#wire = new QdrantWire(target);
    this.#client = qdrantClient(target);
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  /**
   * Makes an empty collection with AutoMem's settings: one unnamed vector, Cosine, keyword indexes.
   * @throws Failure when a collection with points is there and `force` is false.
   */
  async create(dim: number, force: boolean): Promise<void> {
    const name = this.target.collection;
    await this.#during('make the collection', async () => {
      const { exists } = await this.#client.collectionExists(name);
      if (exists) {
        const { count } = await this.#client.count(name, { exact: true });
        if (count > 0 && !force) throw occupied('collection', name, `${count} points`);
        await this.#client.deleteCollection(name);
      }
      await this.#client.createCollection(name, { vectors: { size: dim, distance: 'Cosine' } });
      for (const field_name of ['tags', 'tag_prefixes']) {
        await this.#client.createPayloadIndex(name, { field_name, field_schema: 'keyword', wait: true });
      }
    });
  }

  /**
   * Adds a point. @param vector the numbers as JSON text, without brackets
   * @throws Failure of an earlier batch
   */
  async add(point: PopulationPoint, vector: string): Promise<void> {
    const text = `{"id":"${point.id}","vector":[${vector}],"payload":${pythonJson(point.payload)}}`;
    this.#batch.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= BATCH_BYTES || this.#batch.length === BATCH_POINTS) await this.#flush();
  }

  /** Writes what is left over and waits. @returns the exact number of points that are there. */
  async finish(): Promise<number> {
    await this.#flush();
    await this.#written;
    const { count } = await this.#during('count the points', () =>
      this.#client.count(this.target.collection, { exact: true }),
    );
    return count;
  }

  /** Leaves while the server works on a batch: the next one is made in the meantime. */
  async #flush(): Promise<void> {
    const body = `{"points":[${this.#batch.join(',')}]}`;
    const empty = this.#batch.length === 0;
    this.#batch = [];
    this.#bytes = 0;
    await this.#written;
    if (empty) return;
    this.#written = this.#during('write the points', () =>
      this.#wire.request('PUT', '/points?wait=true', body),
    );
    this.#written.catch(() => undefined);
  }

  async #during<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw qdrantFailure(operation, this.target, error);
    }
  }
}
