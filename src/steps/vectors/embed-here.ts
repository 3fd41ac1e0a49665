import { embedAll, type EmbeddedItems } from '../../embedding/embed-all.js';
import type { EmbeddingProvider } from '../../embedding/provider.js';
import type { MemoryIds } from '../differences.js';
import type { StepContext } from '../step.js';
import { EmbeddingRecord } from './embedding-record.js';
import { memoriesNow, selectMemories, type SelectedMemory } from './select-memories.js';
import type { VectorPlace } from './vector-place.js';
import { forget } from './wanted.js';
import { MemoryPoints, setAside } from './write-points.js';

interface Item {
  text: string;
  memory: SelectedMemory;
}

/** What became of a selection. */
export interface Embedded {
  done: number;
  /** Of those that were to be embedded. */
  total: number;
  /** In quarantine. */
  refused: number;
  seconds: number;
}

/**
 * Embeds memories batch by batch. A batch is written, and recorded, before it counts as done, so that a run that goes on
 * does not pay for it twice.
 *
 * @param target `isAgain` for memories that changed after they were embedded in this run
 * @throws Failure of the provider or of a store; what was written until then stays
 */
export async function embedHere(
  context: StepContext,
  selection: MemoryIds,
  provider: EmbeddingProvider,
  target: { place: VectorPlace; isAgain: boolean },
): Promise<Embedded> {
  const { signal, notice } = context;
  const { place, isAgain } = target;
  const started = performance.now();
  const record = await EmbeddingRecord.load(context, provider, place.size, isAgain);
  const wanted = record.withoutDone(selection);
  const points = await MemoryPoints.open(context, place);
  const result: Embedded = { done: 0, total: wanted.size, refused: 0, seconds: 0 };
  context.work.embedded = record.counted;
  const source = items(context, wanted, record);
  // One batch is written while the provider works on the next ones.
  let writing: Promise<void> = Promise.resolve();
  try {
    for await (const batch of embedAll(provider, source, { size: place.size, signal, notice })) {
      await writing;
      writing = finish(context, { points, record, result }, batch);
      writing.catch(() => undefined);
    }
  } finally {
    // What was paid for is written and counted also where the provider fails.
    await writing;
    await record.save();
  }
  result.refused += points.refused;
  result.seconds = (performance.now() - started) / 1000;
  return result;
}

/** Writes a batch, records it, and counts it. */
async function finish(
  context: StepContext,
  { points, record, result }: { points: MemoryPoints; record: EmbeddingRecord; result: Embedded },
  batch: EmbeddedItems<Item>,
): Promise<void> {
  const { work } = context;
  const written = await writeBatch(context, points, batch);
  for (const { item, reason } of batch.failed)
    setAside(context, item.memory.key, `it could not be embedded: ${reason}`);
  const all = [...batch.items, ...batch.failed].map(({ item }) => item.memory);
  await record.done(
    all.map(({ internalId }) => internalId),
    batch.items.length,
    batch.tokens,
  );
  for (const { key } of all) forget(context, key);
  work.embedded = record.counted;
  work.restored.vectors += written;
  result.done += written;
  result.refused += batch.failed.length;
  context.progress('memories embedded', result.done, result.total);
}

/**
 * A memory may have been deleted or changed while it was embedded: the first gets no point, and the second is left to the
 * comparison that follows, which finds it without a vector of its content.
 */
async function writeBatch(
  context: StepContext,
  points: MemoryPoints,
  { items: embedded }: EmbeddedItems<Item>,
): Promise<number> {
  const selection: MemoryIds = new Map(
    embedded.map(({ item: { memory } }) => [memory.key, memory.internalId]),
  );
  const now = await memoriesNow(context, selection);
  const before = points.refused;
  const vectors = embedded.flatMap(({ item, vector }) => {
    const memory = now.get(item.memory.key);
    return memory?.properties['content'] === item.text ? [{ memory, vector }] : [];
  });
  await points.write(vectors);
  await points.flush();
  return vectors.length - (points.refused - before);
}

async function* items(
  context: StepContext,
  wanted: MemoryIds,
  record: EmbeddingRecord,
): AsyncGenerator<Item> {
  // What was embedded leaves the selection while it is read.
  for await (const memories of selectMemories(context, new Map(wanted))) {
    const page = memories.flatMap((memory): Item[] => {
      const { content } = memory.properties;
      return typeof content === 'string' ? [{ text: content, memory }] : [];
    });
    record.begin(page.map(({ memory }) => memory.internalId));
    yield* page;
  }
}
