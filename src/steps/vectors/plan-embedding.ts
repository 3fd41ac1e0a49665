import { estimateSeconds, estimateTokens } from '../../embedding/estimate.js';
import type { SpaceSample } from '../../embedding/model-guard.js';
import { ExitCode, Failure } from '../../failure.js';
import type { EmbeddingProvider } from '../../embedding/provider.js';
import { noDifferences, toEmbed, type MemoryIds } from '../differences.js';
import { proveVectorHalf } from '../prove-halves.js';
import type { Step, StepContext } from '../step.js';
import { checkService } from './embed-through-service.js';
import { EmbeddingRecord } from './embedding-record.js';
import { contentsNow } from './select-memories.js';
import { guardSpace, survivingSamples, usableCoverage } from './space-guard.js';
import { replacesEmptyAsInBackup } from './unfit-collection.js';
import { sizeInBackup, vectorPlace, type VectorPlace } from './vector-place.js';
import { stillWanted } from './wanted.js';

/**
 * Proves, before anything is changed, that every vector can be had: reads the backup to its end, finds what it does not
 * cover, asks the provider for a sample, and refuses one that would mix vector spaces. Says what embedding will cost.
 */
export const planEmbedding: Step = {
  id: 'plan-embedding',
  title: 'Plan the embedding',
  writes: false,
  store: 'vectors',
  async run(context) {
    refuseToMixSpaces(context);
    const wanted = stillWanted(context, toEmbed(context.work.differences ?? noDifferences()));
    if (wanted.size === 0) return 'every memory has its vector';
    await proveVectorHalf(context);
    await replacesEmptyAsInBackup(context);
    const place = await vectorPlace(context);
    const survivors = await survivingSamples(context, wanted);
    const coverage = await usableCoverage(context, wanted, place.size, survivors);
    context.work.coverage = coverage.ids;
    const rest: MemoryIds = new Map([...wanted].filter(([id]) => !coverage.ids.has(id)));
    const covered = `${coverage.ids.size} vectors come from the backup`;
    if (rest.size === 0) return covered;
    await tellUnfit(context, place, coverage.ids.size);
    if (context.options.viaApi) {
      await checkService(context);
      return `${covered}, ${rest.size} are left to AutoMem's own API`;
    }
    const samples = survivors.length > 0 ? survivors : coverage.samples;
    return `${covered}, ${await planProvider(context, rest, place, samples)}`;
  },
};

/** A payload that is newer than the graph is left alone, and its vector with it: the collection would hold two spaces. */
function refuseToMixSpaces({ work, options, graphName }: StepContext): void {
  const { newer: later, undecided } = work.differences ?? noDifferences();
  const newer = later.size + undecided.size;
  if (!options.newSpace || newer === 0) return;
  throw new Failure({
    operation: 'embed everything anew',
    subject: graphName,
    reason: `the payloads of ${newer} memories were updated later than the graph, or may have been, and say something else`,
    hint: 'Nothing was changed. Bring what is newer into the graph first: lifeboat repair --always, which also names what no time decides. Then run the command again.',
    exitCode: ExitCode.notAsItShouldBe,
    code: 'payloads-newer',
  });
}

async function planProvider(
  context: StepContext,
  selection: MemoryIds,
  { size }: VectorPlace,
  samples: readonly SpaceSample[],
): Promise<string> {
  const provider = context.embedder(size);
  await guardSpace(context, provider, size, samples);
  const rest = (await EmbeddingRecord.load(context, provider, size)).withoutDone(selection);
  const { tokens, seconds } = await costOf(context, rest, provider);
  return `${rest.size} are embedded by ${provider.name} (${provider.model}): about ${tokens} tokens, ${seconds} s`;
}

async function costOf(
  context: StepContext,
  rest: MemoryIds,
  provider: EmbeddingProvider,
): Promise<{ tokens: number; seconds: number }> {
  const tokens = estimateTokens((await contentsNow(context, rest)).values());
  return { tokens, seconds: Math.ceil(estimateSeconds(rest.size, provider)) };
}

/** Why nothing comes from the backup, and what AutoMem will say to the collection, where sizes differ. */
async function tellUnfit(context: StepContext, { size }: VectorPlace, covered: number): Promise<void> {
  const { vectorSettings, notice, collection, options } = context;
  if (!vectorSettings.sizeFromCollection && vectorSettings.size !== size)
    notice(
      `AutoMem will not start with this collection: it has ${size} components, VECTOR_SIZE is ${vectorSettings.size}, and VECTOR_SIZE_AUTODETECT is off.`,
    );
  const inBackup = options.newSpace || covered > 0 ? null : await sizeInBackup(context);
  if (inBackup !== null && inBackup !== size)
    notice(
      `The newest backup has vectors of ${inBackup} components, and the collection "${collection}" has ${size}: none of them fits.`,
    );
}
