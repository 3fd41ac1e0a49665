import type { ValueMap } from '../../memory/values.js';
import {
  fieldPath,
  idJson,
  payloadJson,
  pointJson,
  vectorJson,
  type PointVector,
  type WritePoint,
} from './point-json.js';
import { WriteBatches, type WriteOptions } from './write-batches.js';
import type { WriteItem, WriteKind } from './write-body.js';
import type { VectorStore } from './vector-store.js';

/** Fields of a payload to be set and to be deleted; all others stay. */
export interface PayloadChange {
  id: string | bigint;
  set: ValueMap;
  delete: readonly string[];
}

const UPSERT: WriteKind = {
  operation: 'write the points',
  method: 'PUT',
  path: '/points',
  before: '{"points":[',
  after: ']}',
};
const VECTORS: WriteKind = { ...UPSERT, operation: 'write the vectors', path: '/points/vectors' };
const DELETE: WriteKind = {
  ...UPSERT,
  operation: 'delete the points',
  method: 'POST',
  path: '/points/delete',
};
const PAYLOADS: WriteKind = {
  operation: 'write the payloads',
  method: 'POST',
  path: '/points/batch',
  before: '{"operations":[',
  after: ']}',
};

/**
 * Writes points in large requests, a few at a time. Each method comes back when there is room for more, not when its
 * points are written: {@link flush} waits for that. Methods are called one after the other, and take effect in that order.
 *
 * Every method throws Failure (see vector-failure.ts), also for what an earlier call handed over; after that the writer is
 * of no more use.
 */
export class VectorWriter {
  private readonly batches: WriteBatches;

  constructor(store: VectorStore, options: WriteOptions = {}) {
    this.batches = new WriteBatches(store.requests, options);
  }

  /** Points that the server confirmed so far, of all kinds of writes. */
  get written(): number {
    return this.batches.written;
  }

  /**
   * Writes whole points: of one that exists, payload and all vectors are replaced. In a collection with several vectors
   * give all of them as an object of names, or use {@link setVectors}.
   */
  async upsert(collection: string, points: Iterable<WritePoint>): Promise<void> {
    await this.batches.add(
      UPSERT,
      collection,
      mapped(points, (point) => ({ id: point.id, json: pointJson(point) })),
    );
  }

  /** Replaces vectors of points that exist; payloads, and vectors under other names, stay as they are. */
  async setVectors(
    collection: string,
    points: Iterable<{ id: string | bigint; vector: PointVector }>,
  ): Promise<void> {
    await this.batches.add(
      VECTORS,
      collection,
      mapped(points, ({ id, vector }) => ({
        id,
        json: [`{"id":${idJson(id)},"vector":`, vectorJson(vector), '}'],
      })),
    );
  }

  /** Deletes points; ids that do not exist are passed over. */
  async delete(collection: string, ids: Iterable<string | bigint>): Promise<void> {
    await this.batches.add(
      DELETE,
      collection,
      mapped(ids, (id) => ({ id, json: [idJson(id)] })),
    );
  }

  /** Sets and deletes fields of the payloads of points that exist; an object in `set` replaces the one that was there. */
  async setPayload(collection: string, changes: Iterable<PayloadChange>): Promise<void> {
    await this.batches.add(PAYLOADS, collection, mapped(changes, changeItem));
  }

  /** Waits until everything is written. */
  async flush(): Promise<void> {
    await this.batches.flush();
  }
}

function changeItem(change: PayloadChange): WriteItem {
  const points = `"points":[${idJson(change.id)}]`;
  const operations: string[] = [];
  // Setting null deletes a field too, and needs no path: for names that none can be written for.
  const set: ValueMap = { ...change.set };
  const paths: string[] = [];
  for (const field of change.delete) {
    const path = fieldPath(field);
    if (path === null) set[field] = null;
    else paths.push(path);
  }
  if (paths.length > 0) operations.push(`{"delete_payload":{"keys":${JSON.stringify(paths)},${points}}}`);
  if (Object.keys(set).length > 0 || operations.length === 0)
    operations.push(`{"set_payload":{"payload":${payloadJson(set)},${points}}}`);
  return { id: change.id, json: [operations.join(',')] };
}

function* mapped<T>(items: Iterable<T>, item: (one: T) => WriteItem): Generator<WriteItem> {
  for (const one of items) yield item(one);
}
