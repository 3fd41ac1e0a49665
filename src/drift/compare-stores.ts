import { ExitCode, Failure } from '../failure.js';
import { MEMORY_LABEL } from '../memory/contract.js';
import { GracePeriod } from './grace.js';
import { Mark, Pairs } from './pairs.js';
import { readMemories, readPoints, type Reading } from './read.js';
import { tally } from './report.js';
import { settle } from './settle.js';
import type { DriftContext, DriftOptions, DriftReport } from './types.js';
import { findPlaceholders, findVectorless } from './vector-marks.js';

const DEFAULT_GRACE_SECONDS = 120;
/** How often both stores are read before a service that keeps writing is taken as it is. */
const ATTEMPTS = 3;
/** How often at most, where the numbers move so much meanwhile that a read seems short. */
const MOST_ATTEMPTS = 6;

/**
 * Holds both stores against each other, id by id and, if asked for, field by field. Reads both completely and at the same
 * time, and reconciles what it read with the stores' own counts. Never holds a memory longer than its page.
 *
 * @throws Failure `source-incomplete` where a store keeps answering with fewer or more than it counts; any failure of a
 *   store that stops answering. Graph and collection must exist.
 */
export async function compareStores(context: DriftContext, options: DriftOptions): Promise<DriftReport> {
  const started = performance.now();
  const now = options.now ?? new Date();
  const grace = new GracePeriod(now, options.graceSeconds ?? DEFAULT_GRACE_SECONDS);
  const collection = await context.vectors.collection(context.collection);
  const shape = { size: collection?.size ?? null, distance: collection?.distance ?? null };
  const { pairs, steady } = await readCompletely(context, options, grace);
  const reading = { ...context, options, grace, onPage: () => options.signal.throwIfAborted() };
  // What only one store holds may have been written or deleted between the two readings.
  await settle(reading, pairs, options.depth === 'ids' || !steady);
  await markVectors(context, options, pairs, shape);
  const expected = options.expectedSize ?? null;
  const wrongSize = expected !== null && shape.size !== expected;
  return {
    takenAt: now.toISOString(),
    depth: options.depth,
    memories: pairs.memories,
    points: pairs.points,
    ...tally(pairs, wrongSize, options.onDifference),
    seconds: (performance.now() - started) / 1000,
  };
}

interface Totals {
  memories: number;
  points: number;
}

interface BothRead {
  pairs: Pairs;
  /** Whether both stores held the same number before, while and after they were read. */
  steady: boolean;
}

/** A read is complete or it is made again; where the numbers move, it must not stay below those before and after. */
async function readCompletely(
  context: DriftContext,
  options: DriftOptions,
  grace: GracePeriod,
): Promise<BothRead> {
  for (let attempt = 1; ; attempt++) {
    const before = await totals(context);
    const pairs = await readBoth(context, options, grace, before);
    const after = await totals(context);
    const steady = isSame(before, pairs) && isSame(pairs, after);
    if (steady) return { pairs, steady };
    if (attempt < ATTEMPTS) continue;
    if (isEnough(before, pairs, after, 'memories') && isEnough(before, pairs, after, 'points'))
      return { pairs, steady };
    if (isSame(before, after) || attempt >= MOST_ATTEMPTS) throw incomplete(context, before, pairs, after);
  }
}

async function totals({ graph, graphName, vectors, collection }: DriftContext): Promise<Totals> {
  const [memories, points] = await Promise.all([
    graph.scalar(graphName, `MATCH (m:${MEMORY_LABEL}) RETURN count(m)`),
    vectors.count(collection),
  ]);
  return { memories, points };
}

async function readBoth(
  context: DriftContext,
  options: DriftOptions,
  grace: GracePeriod,
  before: Totals,
): Promise<Pairs> {
  const pairs = new Pairs(Math.max(before.memories, before.points), options.depth === 'content');
  const total = before.memories + before.points;
  const failed = new AbortController();
  const onPage = (): void => {
    options.signal.throwIfAborted();
    failed.signal.throwIfAborted();
    options.onProgress?.(Math.min(pairs.memories + pairs.points, total), total);
  };
  const reading: Reading = { ...context, options, grace, onPage };
  const sides = [readMemories(reading, pairs), readPoints(reading, pairs)];
  try {
    await Promise.all(sides);
  } catch (error) {
    // The other side stops at its next page, and nothing of it goes on behind the caller's back.
    failed.abort(error);
    await Promise.allSettled(sides);
    throw error;
  }
  return pairs;
}

function isSame(a: Totals, b: Totals): boolean {
  return a.memories === b.memories && a.points === b.points;
}

/** More than was counted is no short read: something was deleted after it was read, which settling finds. */
function isEnough(before: Totals, read: Totals, after: Totals, side: keyof Totals): boolean {
  return read[side] >= Math.min(before[side], after[side]);
}

function incomplete(
  { graphName, collection }: DriftContext,
  before: Totals,
  read: Totals,
  after: Totals,
): Failure {
  const isGraph = !isEnough(before, read, after, 'memories');
  const side = isGraph ? 'memories' : 'points';
  return new Failure({
    operation: isGraph ? 'read every memory of the graph' : 'read every point of the collection',
    subject: isGraph ? graphName : collection,
    reason: `${read[side]} ${side} were read, where it counted ${before[side]} before and ${after[side]} after`,
    hint: 'If something writes to the stores at this moment, stop it; then run the command again.',
    exitCode: ExitCode.failed,
    code: 'source-incomplete',
  });
}

async function markVectors(
  { vectors, collection }: DriftContext,
  { placeholders = false, vectorless = true, signal }: DriftOptions,
  pairs: Pairs,
  shape: { size: number | null; distance: string | null },
): Promise<void> {
  const markAll = async (ids: AsyncIterable<string | number | bigint>, mark: Mark): Promise<void> => {
    for await (const id of ids) {
      signal.throwIfAborted();
      const position = pairs.ids.find(id);
      if (position >= 0) pairs.mark(position, mark);
    }
  };
  if (vectorless) await markAll(findVectorless(vectors, collection), Mark.Vectorless);
  if (placeholders) await markAll(findPlaceholders(vectors, collection, shape), Mark.Placeholder);
}
