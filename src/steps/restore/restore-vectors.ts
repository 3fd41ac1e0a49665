import { IdSet } from '../../backup/pair/id-set.js';
import type { BadPoint, FilePoint } from '../../backup/files/point-record.js';
import { VectorsSource } from '../../backup/files/vectors-source.js';
import { ExitCode, Failure } from '../../failure.js';
import { joinKey } from '../../memory/ids.js';
import { parseJson } from '../../memory/json.js';
import { isMap } from '../../memory/values.js';
import type { WritePoint } from '../../stores/vectors/point-json.js';
import type { VectorWriter } from '../../stores/vectors/vector-writer.js';
import { vectorWriter } from '../guarded-writers.js';
import { pointId } from '../source-index.js';
import type { QuarantineEntry, Step, StepContext } from '../step.js';
import { vectorPlace, type VectorPlace } from '../vectors/vector-place.js';
import { isFew } from '../few.js';
import { DeletedMemories } from './deleted-memories.js';
import { NewerPoints } from './newer-points.js';

/** Points between two questions for the lease, and for which ids the collection has. */
const BATCH = 1_000;
/** Of so many points that cannot be restored, all that is known is kept; of further ones, id and reason. */
const FULL_RECORDS = 1_000;
const NONE: ReadonlySet<string> = new Set();

/**
 * Writes the points of the verified backup into the live collection as they were written: vectors and payloads are text
 * that is passed on as it is. Points that the backup lacks stay; with --merge, points that exist stay as they are. What
 * a point had that was changed after the backup goes to quarantine. What the service wrote or deleted in both stores since the
 * swap stays as it is. A run that goes on after this step was done writes nothing again.
 */
export const restoreVectors: Step = {
  id: 'restore-vectors',
  title: 'Restore the vectors',
  writes: true,
  store: 'vectors',
  async run(context) {
    const { vectors, collection, work } = context;
    const before = await vectors.count(collection);
    const isOwn = context.changes.made('collection-create')?.phase === 'done';
    // Nothing is written over where there is nothing, nor with --merge.
    const newer = before > 0 && !context.options.merge ? new NewerPoints(context, isOwn) : null;
    const isDone = wasDone(context, before);
    const deleted = await DeletedMemories.open(context);
    const restore = new VectorsRestore(context, await vectorPlace(context), { newer, deleted, isDone });
    await restore.run();
    const after = await vectors.count(collection);
    work.restored.vectors = isDone
      ? (work.restoredBefore ?? 0)
      : restore.written + (isOwn ? restore.kept : 0);
    work.pointsOfBackup = restore.ids;
    const least = Math.max(before, restore.distinct);
    if (after < least) throw lost(context, least, after);
    for (const entry of restore.aside) context.quarantine(entry);
    await noteDeleted(context, deleted, restore.ids);
    return restore.describe(after);
  },
};

/** Whether this run restored all points before it was stopped, and they are there but for what a service deletes. */
function wasDone({ work: { restoredBefore } }: StepContext, points: number): boolean {
  return restoredBefore !== null && isFew(Math.max(0, restoredBefore - points), restoredBefore);
}

/** Memories that were deleted while their points were written: the comparison at the end takes these away again. */
async function noteDeleted({ work }: StepContext, deleted: DeletedMemories, ids: IdSet): Promise<void> {
  for (const key of await deleted.look()) if (ids.find(key) >= 0) work.writtenPoints.add(key);
}

/** What is asked of each point before it is written. */
interface Before {
  /** Null where there is nothing that could be written over. */
  newer: NewerPoints | null;
  deleted: DeletedMemories;
  /** Only looks: everything was written before. */
  isDone: boolean;
}

class VectorsRestore {
  /** Of every point that was read, also of those that cannot be restored. */
  readonly ids = new IdSet();
  /** Told at the end: a run that is stopped midway begins this step anew. */
  readonly aside: QuarantineEntry[] = [];
  private readonly writer: VectorWriter;
  private left = 0;
  private stayed = 0;
  private gone = 0;
  private handedOver = 0;
  private refused = 0;
  private unusable = 0;

  constructor(
    private readonly context: StepContext,
    private readonly place: VectorPlace,
    private readonly before: Before,
  ) {
    const onRefused = (id: string | bigint, reason: string): void => {
      this.refused++;
      this.setAside('memory', String(id), `Qdrant refused its point: ${reason}`, { id: String(id) });
    };
    this.writer = vectorWriter(context, { onRefused });
  }

  get written(): number {
    return this.handedOver - this.refused;
  }

  /** Points that are as they should be, or as the service made them since. */
  get kept(): number {
    return this.stayed;
  }

  /** Points that must be in the collection now. */
  get distinct(): number {
    return this.written + this.left + this.stayed;
  }

  async run(): Promise<void> {
    const { context, writer } = this;
    const { archive, work, collection: collectionName } = context;
    const { vectors: file = null, vectorSize = null, points } = work.pair ?? {};
    if (archive === null || file === null)
      throw new Error('the backup must be verified before its vectors are restored');
    const source = new VectorsSource(archive, file, {
      collectionName,
      vectorSize,
      ...(points === undefined ? {} : { points }),
    });
    let batch: FilePoint[] = [];
    for await (const page of source.pages((point) => this.bad(point))) {
      context.signal.throwIfAborted();
      for (const point of page) if (this.isFirst(point)) batch.push(point);
      if (batch.length < this.batchSize) continue;
      await this.write(batch);
      batch = [];
      context.progress('points', this.written, null);
    }
    await this.write(batch);
    await writer.flush();
  }

  /** What is written is passed on at once; what is asked for first is worth a larger question. */
  private get batchSize(): number {
    return this.asksFirst ? BATCH / 4 : 1;
  }

  private isFirst({ id, vector, payload }: FilePoint): boolean {
    const before = this.ids.size;
    if (this.ids.add(id) === before) return true;
    this.unusable++;
    const reason = 'its id comes a second time in the backup; the first one is restored';
    this.setAside('memory', String(id), reason, { id, components: vector.size, payload: payload.value() });
    return false;
  }

  private bad({ id, reason, record }: BadPoint): void {
    this.unusable++;
    if (id !== null) this.ids.add(id);
    this.setAside('memory', String(id ?? '?'), reason, record);
  }

  private sinceLease = BATCH;

  private async write(points: readonly FilePoint[]): Promise<void> {
    const { context, writer } = this;
    if (points.length === 0) return;
    this.sinceLease += points.length;
    if (this.sinceLease >= BATCH) {
      await context.changes.check();
      this.sinceLease = 0;
    }
    const { merge } = context.options;
    const wanted = await this.toWrite(points);
    const there = this.asksFirst ? await this.among(wanted) : NONE;
    const isThere = ({ id }: FilePoint): boolean => there.has(joinKey(id));
    const whole = wanted.filter((point) => !isThere(point)).map((point) => this.asWritten(point));
    await writer.upsert(context.collection, whole);
    this.handedOver += whole.length;
    if (merge) this.left += there.size;
    else if (there.size > 0) await this.writeInto(wanted.filter(isThere));
  }

  /** Without those that the service wrote or deleted since the swap. */
  private async toWrite(points: readonly FilePoint[]): Promise<readonly FilePoint[]> {
    const { newer, deleted, isDone } = this.before;
    const alive = points.filter(({ id }) => !deleted.has(joinKey(id)));
    this.gone += points.length - alive.length;
    if (isDone) {
      await newer?.look(alive);
      return [];
    }
    const stay = (await newer?.setAside(alive)) ?? NONE;
    this.stayed += stay.size;
    return alive.filter(({ id }) => !stay.has(joinKey(id)));
  }

  /** Whether points that exist are not simply written over: they stay, or they have other vectors besides. */
  private get asksFirst(): boolean {
    return this.context.options.merge || !this.place.isAlone;
  }

  /** Those of the points that the collection has, by joined id. */
  private async among(points: readonly FilePoint[]): Promise<Set<string>> {
    const { vectors, collection } = this.context;
    const ids = points.map(({ id }) => pointId(joinKey(id)));
    const there = await vectors.retrieve(collection, ids, { payload: false, numbers: 'exact' });
    return new Set(there.map(({ id }) => joinKey(id)));
  }

  /** Points that have vectors under other names keep those: only what AutoMem writes of them is replaced. */
  private async writeInto(points: readonly FilePoint[]): Promise<void> {
    const { vectors, collection } = this.context;
    const written = points.map((point) => this.asWritten(point));
    const found = await vectors.retrieve(
      collection,
      written.map(({ id }) => id),
      { payload: true, numbers: 'fast' },
    );
    const old = new Map(found.map(({ id, payload }) => [joinKey(id), isMap(payload) ? payload : {}]));
    this.handedOver += written.length;
    await this.writer.setVectors(collection, written);
    await this.writer.setPayload(
      collection,
      written.map(({ id, payload }) => {
        const value = typeof payload === 'string' ? parseJson(payload) : payload;
        const set = isMap(value) ? value : {};
        const gone = Object.keys(old.get(String(id)) ?? {}).filter((field) => !Object.hasOwn(set, field));
        return { id, set, delete: gone };
      }),
    );
  }

  private asWritten({ id, vector, payload }: FilePoint): WritePoint {
    if (payload.trouble !== null)
      this.setAside(
        'property',
        `${id} payload`,
        `${payload.trouble}: that part is left out`,
        payload.value(),
      );
    return {
      id: pointId(joinKey(id)),
      vector: vector.text,
      payload: payload.repaired(),
    };
  }

  private setAside(kind: QuarantineEntry['kind'], id: string, reason: string, record: unknown): void {
    const isKept = this.aside.length < FULL_RECORDS;
    this.aside.push({ kind, id, reason, ...(isKept ? { record } : {}) });
  }

  describe(count: number): string {
    if (this.before.isDone)
      return `all points were written before the run was stopped; ${count} are in the collection`;
    const parts = [
      [this.stayed, 'are there as they should be'],
      [this.gone, 'left out whose memories were deleted meanwhile'],
      [this.left, 'were there and stay as they are'],
      [this.unusable + this.refused, 'could not be restored'],
    ] as const;
    const rest = parts.filter(([points]) => points > 0).map(([points, what]) => `; ${points} ${what}`);
    return `${this.written} points written${rest.join('')}; ${count} are in the collection`;
  }
}

function lost({ collection }: StepContext, least: number, found: number): Failure {
  return new Failure({
    operation: 'count the restored points',
    subject: collection,
    reason: `there must be at least ${least}, and ${found} are there`,
    hint: 'Does something delete points meanwhile? Keep the service from writing.',
    exitCode: ExitCode.failed,
    code: 'points-missing',
  });
}
