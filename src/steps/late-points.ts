import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.js';
import { MEMORY_LABEL } from '../memory/contract.js';
import { joinKey } from '../memory/ids.js';
import { toCypherLiteral } from '../stores/graph/cypher.js';
import type { GraphStore } from '../stores/graph/graph-store.js';
import { batches } from '../stores/graph/live-pages.js';
import type { RawPoint } from '../stores/vectors/point-pages.js';
import type { VectorStore } from '../stores/vectors/vector-store.js';
import { VectorWriter } from '../stores/vectors/vector-writer.js';
import { PointMark } from './point-mark.js';

/** Points with vectors that are fetched at once. */
const BATCH = 200;
/** How often the collection is looked at: a service that never rests must not keep a rollback off. */
const LOOKS = 3;
/** Between two looks while the server is at work. */
const PAUSE_MS = 10;

/** By joined id. */
type PointsById = Map<string, RawPoint>;

/**
 * What a service writes to a collection between the snapshot that a rollback takes of it and the moment when the rollback
 * replaces it: it would be in neither.
 */
export class LatePoints {
  private readonly mark = new PointMark();

  private constructor(
    private readonly vectors: VectorStore,
    private readonly collection: string,
  ) {}

  /** To be called before the snapshot is taken. */
  static async begin(vectors: VectorStore, collection: string): Promise<LatePoints> {
    const late = new LatePoints(vectors, collection);
    await late.mark.look(vectors, collection);
    return late;
  }

  /** All that came or changed since, whole, as it is now. The last look is as late as it can be. */
  async fetch(): Promise<RawPoint[]> {
    const found: PointsById = new Map();
    for (let look = 0; look < LOOKS; look++) if ((await this.lookInto(found)) === 0) break;
    return [...found.values()];
  }

  /**
   * Goes on looking while the collection is replaced, which takes seconds, and the server takes writes until the last of
   * them. What it answers when it has just been replaced is what is there now, and is left out.
   *
   * @param work is waited for; that it failed is for its owner to say
   */
  async fetchDuring(work: Promise<unknown>): Promise<RawPoint[]> {
    const over = new AbortController();
    const end = (): void => over.abort();
    work.then(end, end);
    const found: PointsById = new Map();
    while (!over.signal.aborted) {
      await this.lookInto(found).catch(passOverFailure);
      await sleep(PAUSE_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    const now = await this.presentOf([...found.values()].map(({ id }) => id));
    return [...found].flatMap(([key, point]) => (isSame(point, now.get(key)) ? [] : [point]));
  }

  /** @returns how many were found */
  private async lookInto(found: PointsById): Promise<number> {
    const { added, changed } = await this.mark.look(this.vectors, this.collection);
    const ids = [...added, ...changed];
    for (const batch of batches(ids, BATCH))
      for (const point of await this.vectors.retrieveRaw(this.collection, batch))
        found.set(joinKey(point.id), point);
    return ids.length;
  }

  /** None where the collection was deleted. */
  private async presentOf(ids: readonly (string | bigint)[]): Promise<PointsById> {
    const present: PointsById = new Map();
    if ((await this.vectors.collection(this.collection)) === null) return present;
    for (const batch of batches(ids, BATCH))
      for (const point of await this.vectors.retrieveRaw(this.collection, batch))
        present.set(joinKey(point.id), point);
    return present;
  }
}

function isSame(point: RawPoint, other: RawPoint | undefined): boolean {
  return point.payload === other?.payload && point.vector === other.vector;
}

/** In the middle of being replaced a collection may not answer. */
function passOverFailure(error: unknown): void {
  if (!(error instanceof Failure)) throw error;
}

/**
 * Writes those of the points into the collection again whose memory the graph has as they say.
 *
 * @returns how many
 */
export async function putBackMatching(
  points: readonly RawPoint[],
  { graph, vectors }: { graph: GraphStore; vectors: VectorStore },
  graphName: string,
  collection: string,
): Promise<number> {
  if (points.length === 0 || (await graph.kindOf(graphName)) !== 'graph') return 0;
  const writer = new VectorWriter(vectors);
  let written = 0;
  for (const batch of batches(points, BATCH)) {
    const known = await knownOf(graph, graphName, batch);
    const matching = batch.filter((point) => isAsKnown(point, known.get(joinKey(point.id))));
    await writer.upsert(collection, matching);
    written += matching.length;
  }
  await writer.flush();
  return written;
}

interface Known {
  content: string | null;
  updatedAt: string | null;
}

async function knownOf(
  graph: GraphStore,
  graphName: string,
  points: readonly RawPoint[],
): Promise<Map<string, Known>> {
  const keys = points.map(({ id }) => joinKey(id));
  // Ids may stand in the graph in capital letters.
  const list = toCypherLiteral([...keys, ...keys.map((key) => key.toUpperCase())]);
  const rows = await graph.textRows(
    graphName,
    `CYPHER ids=${list} MATCH (m:${MEMORY_LABEL}) WHERE m.id IN $ids RETURN m.id, m.content, m.updated_at`,
  );
  return new Map(
    rows.map(([id, content, updatedAt]) => [
      joinKey(id ?? ''),
      { content: content ?? null, updatedAt: updatedAt ?? null },
    ]),
  );
}

/** A memory that was changed in the graph that was put aside is another one in the graph that is live. */
function isAsKnown({ payload }: RawPoint, known: Known | undefined): boolean {
  if (known === undefined) return false;
  const { content, updated_at: updatedAt } = (JSON.parse(payload) ?? {}) as Record<string, unknown>;
  return content === known.content && (known.updatedAt === null || updatedAt === known.updatedAt);
}
