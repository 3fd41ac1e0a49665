import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import { AutomemApi } from '../../stores/service/automem-api.js';
import { noDifferences, type MemoryIds } from '../differences.js';
import { eligibleMemories } from '../repair/compare.js';
import type { StepContext } from '../step.js';
import { tellLoss } from './losses.js';

/** Points that AutoMem wrote lack fields: as long as this says so, all payloads are owed what the graph says. */
const OWED = 'payloads-owed.json';
/** Milliseconds between two looks at how far AutoMem is. */
const LOOK_MS = 1_000;

/**
 * Proves that AutoMem answers, takes both tokens, and has the collection's size, before anything is changed.
 *
 * @throws Failure
 */
export async function checkService(context: StepContext): Promise<void> {
  const { service, signal, vectors, collection } = context;
  const api = new AutomemApi(service);
  try {
    const { dimensions } = await api.health({ signal });
    if (dimensions?.mismatch === true) throw otherDimensions(service.url, dimensions);
    // Without the collection it could not count; asking for what it needs the tokens for is all that can be done.
    const isThere = (await vectors.collection(collection)) !== null;
    if (isThere || service.adminToken === null) await api.sync({ dryRun: true, signal });
  } finally {
    await api.close();
  }
}

/** Components of the vectors that AutoMem makes; null where it does not say. @throws Failure */
export async function sizeOfService({ service, signal }: StepContext): Promise<number | null> {
  const api = new AutomemApi(service);
  try {
    return (await api.health({ signal })).dimensions?.effective ?? null;
  } finally {
    await api.close();
  }
}

/**
 * AutoMem knows which of its memories lack a vector; where others must be made anew, it can only make all of them anew.
 * Its payloads lack fields: they are owed from here on, also by a run that goes on after this one was killed.
 *
 * @returns what was done, a sentence
 */
export async function embedThroughService(context: StepContext, wanted: MemoryIds): Promise<string> {
  const { service, signal, work, checkpoints } = context;
  const { missing } = work.differences ?? noDifferences();
  const all = await eligibleMemories(context);
  const onlyMissing = missing.size === wanted.size && missing.size < all.size;
  const api = new AutomemApi(service);
  const watched = new AbortController();
  try {
    await context.changes.check();
    await checkpoints.write(OWED, Buffer.from('true'));
    void tellProgress(context, onlyMissing ? wanted.size : all.size, watched.signal);
    const { done, failed } = onlyMissing
      ? await api.sync({ signal }).then((report) => ({ done: report.synced, failed: report.failed }))
      : await api.reembed({ signal }).then((report) => ({ done: report.processed, failed: report.failed }));
    work.embedded = { vectors: (work.embedded?.vectors ?? 0) + done, tokens: null };
    work.restored.vectors += done;
    if (failed > 0)
      tellLoss(
        work,
        'AutoMem could not embed',
        `AutoMem could not embed ${failed} memories; its log tells why.`,
      );
    return `AutoMem embedded ${done} memories${failed > 0 ? `, and failed for ${failed}` : ''}`;
  } finally {
    watched.abort();
    await api.close();
  }
}

/** Whether AutoMem wrote points since payloads were completed the last time. */
export async function arePayloadsOwed({ checkpoints }: StepContext): Promise<boolean> {
  return (await checkpoints.read(OWED))?.toString('utf8') === 'true';
}

export async function settlePayloads(context: StepContext): Promise<void> {
  if (await arePayloadsOwed(context)) await context.checkpoints.write(OWED, Buffer.from('false'));
}

/** AutoMem answers when it is done; until then only the collection tells how far it is. */
async function tellProgress(
  { vectors, collection, progress }: StepContext,
  total: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    const before = await vectors.count(collection);
    for (;;) {
      await sleep(LOOK_MS, undefined, { signal });
      progress('vectors by AutoMem', (await vectors.count(collection)) - before, total);
    }
  } catch {
    // Watching must not end what is watched; a store that is away is told by the work itself.
  }
}

function otherDimensions(
  url: string,
  { effective, collection }: { effective: number | null; collection: number | null },
): Failure {
  return new Failure({
    operation: 'have AutoMem embed',
    subject: url,
    reason: `it makes vectors of ${effective ?? 'unknown'} components, and the collection has ${collection ?? 'unknown'}`,
    hint: 'Nothing was changed. Set VECTOR_SIZE and the provider of AutoMem as they were when the collection was made, and restart it.',
    exitCode: ExitCode.usage,
    code: 'provider-size',
  });
}
