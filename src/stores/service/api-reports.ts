import { z } from 'zod';

// What AutoMem answers, under the names that the rest of Lifeboat uses. Versions differ in what they tell, so what only
// informs may be missing. What says how it went must be a number: nothing unreadable may pass for "none failed".
const count = z.number().nullable().catch(null);
const outcome = z.number();
const text = z.string().catch('');
const ids = z.array(z.string()).catch([]);
const flag = z.boolean().catch(false);

const failures = {
  /** Memories that got no vector. The answer is HTTP 200 all the same. */
  failed: outcome.default(0),
  /** Ten at most. */
  failed_ids: ids,
  failed_ids_truncated: flag,
};

const reembed = z
  .object({ ...failures, processed: outcome, total: outcome })
  .transform(({ failed_ids, failed_ids_truncated, ...rest }) => ({
    ...rest,
    failedIds: failed_ids,
    hasMoreFailed: failed_ids_truncated,
  }));

const sync = z
  .object({
    ...failures,
    status: z.enum(['dry_run', 'already_synced', 'complete']),
    synced: outcome.default(0),
    falkordb_count: count,
    qdrant_count: count,
    missing_count: count,
    orphaned_count: count,
  })
  .transform((answer) => ({
    status: answer.status,
    /** Memories with a new vector. */
    synced: answer.synced,
    failed: answer.failed,
    failedIds: answer.failed_ids,
    hasMoreFailed: answer.failed_ids_truncated,
    /** As AutoMem counts them, excluded types left out. */
    memories: answer.falkordb_count,
    vectors: answer.qdrant_count,
    /** Only told by a dry run. */
    missing: answer.missing_count,
    /** Vectors without a memory; AutoMem leaves them where they are. */
    orphaned: answer.orphaned_count,
  }));

const dimensions = z
  .object({ configured: count, effective: count, collection: count, mismatch: flag })
  .nullable()
  .catch(null);

const health = z
  .object({
    status: z.string(),
    falkordb: text,
    qdrant: text,
    memory_count: count,
    vector_count: count,
    sync_status: text,
    vector_dimensions: dimensions,
    graph: text,
  })
  .transform((answer) => ({
    /** "healthy" or "degraded"; more vectors than memories is "healthy". */
    status: answer.status,
    /** "connected" says only that AutoMem has a client: a null count beside it means that the store does not answer. */
    falkordb: answer.falkordb,
    qdrant: answer.qdrant,
    memories: answer.memory_count,
    vectors: answer.vector_count,
    /** By counts alone: "synced", "drift_detected", "orphaned_vectors", "unknown". */
    syncStatus: answer.sync_status,
    dimensions: answer.vector_dimensions,
    graph: answer.graph,
  }));

export type ReembedReport = z.infer<typeof reembed>;
export type SyncReport = z.infer<typeof sync>;
export type HealthReport = z.infer<typeof health>;

/** Each reads an answer; null where it is not one of AutoMem's. */
export const readReembed = (answer: unknown): ReembedReport | null => reembed.safeParse(answer).data ?? null;
export const readSync = (answer: unknown): SyncReport | null => sync.safeParse(answer).data ?? null;
export const readHealth = (answer: unknown): HealthReport | null => health.safeParse(answer).data ?? null;
