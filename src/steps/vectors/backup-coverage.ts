import { gunzipStream } from '../../backup/files/container.js';
import type { FilePoint } from '../../backup/files/point-record.js';
import type { BackupFile } from '../../backup/types.js';
import { readVectorsFile } from '../../backup/files/vectors-file.js';
import type { SpaceSample } from '../../embedding/model-guard.js';
import { joinKey } from '../../memory/ids.js';
import { cosine, isPlaceholder } from '../../memory/placeholder.js';
import { isMap, type Value } from '../../memory/values.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { MemoryIds } from '../differences.js';
import { vectorsInUse } from '../pair-in-use.js';
import type { StepContext } from '../step.js';
import { contentsNow } from './select-memories.js';

/** Samples kept for the model guard: one in so many points, so that they are spread over the file. */
const SAMPLE_STRIDE = 37;
const MAX_SAMPLES = 64;
/** Points whose memories are looked up at once. */
const BATCH = 500;

/** Which memories the newest backup has a usable vector of, and some of those vectors. */
export interface BackupCoverage {
  /** Joined ids. */
  ids: Set<string>;
  samples: SpaceSample[];
  /** Of memories whose vector survives and whose content is the same: how near both vectors are to each other. */
  agreement: number[];
}

/** A point of the backup whose vector is still that of its memory. */
export interface UsablePoint {
  key: string;
  point: FilePoint;
  content: string;
}

/** The vector half of the newest backup; null where there is none, or none may be used. */
export function vectorsFile(context: StepContext): { archive: Archive; file: BackupFile } | null {
  const { archive, options } = context;
  const file = vectorsInUse(context)?.vectors ?? null;
  return archive === null || file === null || options.newSpace ? null : { archive, file };
}

/**
 * Reads the vector half of the newest backup from beginning to end, and finds which of the wanted memories it has a
 * vector of: of the right size, no placeholder, and made of the content that the memory has now.
 *
 * @throws Failure where the file is damaged: then nothing of it is used
 */
export async function findCoverage(
  context: StepContext,
  wanted: MemoryIds,
  size: number,
  survivors: readonly SpaceSample[] = [],
): Promise<BackupCoverage> {
  const coverage: BackupCoverage = { ids: new Set(), samples: [], agreement: [] };
  if (wanted.size === 0) return coverage;
  const surviving = new Map(survivors.map((sample) => [sample.id, sample]));
  const compare = (key: string, point: FilePoint): void => {
    const sample = surviving.get(key);
    if (sample?.content === contentOf(point))
      coverage.agreement.push(cosine(sample.vector, numbersOf(point)));
  };
  for await (const batch of usablePoints(context, wanted, size, compare)) {
    for (const { key, point, content } of batch) {
      coverage.ids.add(key);
      if (coverage.ids.size % SAMPLE_STRIDE === 1 && coverage.samples.length < MAX_SAMPLES)
        coverage.samples.push({ id: key, content, vector: numbersOf(point) });
    }
  }
  return coverage;
}

/**
 * Points of the backup whose vector can be used for a wanted memory, held against the graph as it is at this moment.
 *
 * @param onOther is shown every other point whose vector has the right size
 */
export async function* usablePoints(
  context: StepContext,
  wanted: MemoryIds,
  size: number,
  onOther: (key: string, point: FilePoint) => void = () => undefined,
): AsyncGenerator<UsablePoint[]> {
  let batch = new Map<string, FilePoint>();
  for await (const points of backupPoints(context)) {
    for (const point of points) {
      const key = joinKey(point.id);
      if (point.vector.size !== size) continue;
      if (wanted.has(key)) batch.set(key, point);
      else onOther(key, point);
    }
    if (batch.size < BATCH) continue;
    yield await current(context, wanted, batch);
    batch = new Map();
  }
  if (batch.size > 0) yield await current(context, wanted, batch);
}

async function* backupPoints(context: StepContext): AsyncGenerator<FilePoint[]> {
  const half = vectorsFile(context);
  if (half === null) return;
  let read = 0;
  for await (const part of readVectorsFile(half.file.path, gunzipStream(half.archive, half.file))) {
    context.signal.throwIfAborted();
    if (part.kind !== 'points') continue;
    yield part.points;
    read += part.points.length;
    context.progress('points of the backup', read, null);
  }
}

async function current(
  context: StepContext,
  wanted: MemoryIds,
  batch: ReadonlyMap<string, FilePoint>,
): Promise<UsablePoint[]> {
  const selection: MemoryIds = new Map([...batch.keys()].map((key) => [key, wanted.get(key) ?? -1]));
  const contents = await contentsNow(context, selection);
  return [...batch].flatMap(([key, point]) => {
    const content = contents.get(key);
    const isSame = content !== undefined && content === contentOf(point);
    return isSame && !isMadeUp(point, content) ? [{ key, point, content }] : [];
  });
}

function contentOf({ payload }: FilePoint): string | null {
  const value = payload.trouble === null ? (JSON.parse(payload.text) as Value) : payload.value();
  const content = isMap(value) ? value['content'] : undefined;
  return typeof content === 'string' ? content : null;
}

/** A vector without a direction, or a placeholder, which has no negative component: the text tells at a glance. */
function isMadeUp({ vector }: FilePoint, content: string): boolean {
  if (!/[1-9]/.test(vector.text)) return true;
  return !vector.text.includes('-') && isPlaceholder(JSON.parse(vector.text) as number[], content);
}

function numbersOf({ vector }: FilePoint): number[] {
  return JSON.parse(vector.text) as number[];
}
