import type { PayloadText } from '../../backup/files/payload-text.js';
import { encodePayload, payloadPatch, type PayloadPatch } from '../../memory/encode-payload.js';
import { idPeculiarity, joinKey, pointId } from '../../memory/ids.js';
import { isMap, type Value, type ValueMap } from '../../memory/values.js';
import { graphDecides } from '../../memory/newer-payload.js';
import type { OneVector } from '../../stores/vectors/point-json.js';
import type { VectorWriter } from '../../stores/vectors/vector-writer.js';
import { vectorWriter } from '../guarded-writers.js';
import { maybeNewer } from '../repair/find-damage.js';
import type { StepContext } from '../step.js';
import type { SelectedMemory } from './select-memories.js';
import type { VectorPlace } from './vector-place.js';

/** A vector for a memory. */
export interface NewVector {
  memory: SelectedMemory;
  vector: OneVector;
  /** The payload that came with it, for a point that the collection does not have; else it is made of the memory. */
  payload?: PayloadText;
}

/** Integer ids are 64 bits. */
const MAX_INTEGER_ID = 2n ** 64n - 1n;

/** Whether Qdrant can hold a point under this joined id. */
export function canBePoint(key: string): boolean {
  return idPeculiarity(key) === null || (/^\d{1,20}$/.test(key) && BigInt(key) <= MAX_INTEGER_ID);
}

/**
 * Writes vectors with the payloads that the graph asks for, each point in one piece: whoever is killed leaves points that
 * are as they should be, or as they were. Of a point that exists, other vectors and fields that AutoMem does not know stay.
 */
export class MemoryPoints {
  private readonly writer: VectorWriter;
  private refusedCount = 0;

  private constructor(
    private readonly context: StepContext,
    private readonly place: VectorPlace,
    /** In an empty collection nobody need look for what is there. */
    private readonly wasEmpty: boolean,
  ) {
    this.writer = vectorWriter(context, { onRefused: (id, reason) => this.refuse(id, reason) });
  }

  static async open(context: StepContext, place: VectorPlace): Promise<MemoryPoints> {
    const { vectors, collection } = context;
    return new MemoryPoints(context, place, (await vectors.count(collection)) === 0);
  }

  /** Points that Qdrant did not take, or whose newer payload was left; they are in quarantine in the end. */
  get refused(): number {
    return this.refusedCount;
  }

  /** @throws Failure of this write or of an earlier one */
  async write(asked: readonly NewVector[]): Promise<void> {
    const { context, writer } = this;
    if (asked.length === 0) return;
    await context.changes.check();
    const payloads = await this.payloadsOf(asked);
    const vectors = asked.filter(({ memory }) => !this.isNewer(memory, payloads.get(memory.key)));
    this.refusedCount += asked.length - vectors.length;
    const { writtenPoints } = context.work;
    for (const { memory } of vectors) writtenPoints.add(memory.key);
    const isThere = ({ memory }: NewVector): boolean => payloads.has(memory.key);
    const whole = this.place.isAlone ? vectors : vectors.filter((one) => !isThere(one));
    await writer.upsert(
      context.collection,
      whole.map((one) => ({
        id: pointId(one.memory.key),
        vector: one.vector,
        payload: payloadFor(one, payloads.get(one.memory.key)),
      })),
    );
    if (!this.place.isAlone) await this.writeInto(vectors.filter(isThere), payloads);
  }

  async flush(): Promise<void> {
    await this.writer.flush();
  }

  /** A payload that was updated after the node is not made older; the comparison at the end tells of it. */
  private isNewer({ properties }: SelectedMemory, payload: Value | undefined): boolean {
    return payload !== undefined && maybeNewer(this.context) && !graphDecides(properties, payload);
  }

  /** The payload last: as long as it has its old content, the point is known to be behind. */
  private async writeInto(
    vectors: readonly NewVector[],
    payloads: ReadonlyMap<string, Value>,
  ): Promise<void> {
    const { writer, context } = this;
    await writer.setVectors(
      context.collection,
      vectors.map(({ memory, vector }) => ({ id: pointId(memory.key), vector })),
    );
    const changes = vectors.flatMap(({ memory }) => {
      const patch = payloadPatch(payloads.get(memory.key) ?? null, memory.properties);
      return patch === null ? [] : [{ id: pointId(memory.key), ...patch }];
    });
    await writer.setPayload(context.collection, changes);
  }

  private async payloadsOf(vectors: readonly NewVector[]): Promise<Map<string, Value>> {
    if (this.wasEmpty && this.place.isAlone) return new Map();
    const { vectors: store, collection } = this.context;
    const ids = vectors.map(({ memory }) => pointId(memory.key));
    const points = await store.retrieve(collection, ids, { payload: true, numbers: 'exact' });
    return new Map(points.map(({ id, payload }) => [joinKey(id), payload]));
  }

  private refuse(id: string | bigint, reason: string): void {
    this.refusedCount++;
    setAside(this.context, joinKey(id), `Qdrant does not take its point: ${reason}`);
  }
}

/** Puts a memory that gets no vector aside, once in a run. */
export function setAside(context: StepContext, key: string, reason: string): void {
  const { refusedVectors: refused } = context.work;
  if (refused.has(key)) return;
  refused.add(key);
  context.quarantine({ kind: 'memory', id: key, reason });
}

function payloadFor({ memory, payload }: NewVector, current: Value | undefined): ValueMap | string {
  const { properties } = memory;
  if (current !== undefined) return patched(current, payloadPatch(current, properties));
  if (payload === undefined) return encodePayload(properties);
  // The native parser is many times faster, but makes 1 of 1.0: good enough to see that nothing must change.
  const quick = payload.trouble === null ? (JSON.parse(payload.text) as Value) : payload.value();
  const patch = payloadPatch(quick, properties);
  return patch === null ? payload.repaired() : patched(payload.value(), patch);
}

function patched(payload: Value, patch: PayloadPatch | null): ValueMap {
  const current = isMap(payload) ? payload : {};
  if (patch === null) return current;
  const gone = new Set(patch.delete);
  // Not spread: a field named __proto__ is a field, too.
  return Object.fromEntries([
    ...Object.entries(current).filter(([name]) => !gone.has(name) && !Object.hasOwn(patch.set, name)),
    ...Object.entries(patch.set),
  ]);
}
