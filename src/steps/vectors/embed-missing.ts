import type { EmbeddingProvider } from '../../embedding/provider.js';
import { Failure } from '../../failure.js';
import { noDifferences, toEmbed, type MemoryIds } from '../differences.js';
import type { Step, StepContext } from '../step.js';
import { embedHere, type Embedded } from './embed-here.js';
import { embedThroughService } from './embed-through-service.js';
import { takeBackLoss, tellLoss, WITHOUT_VECTOR } from './losses.js';
import { guardSpace, survivingSamples } from './space-guard.js';
import { vectorPlace, type VectorPlace } from './vector-place.js';
import { stillWanted } from './wanted.js';

/** Embeds what is still without a vector of its own. */
export const embedMissing: Step = {
  id: 'embed-missing',
  title: 'Embed what is missing',
  writes: true,
  store: 'vectors',
  run: (context) => embed(context, false),
};

/** What {@link embedMissing} does. @param isAgain after a comparison of what this run wrote */
export async function embed(context: StepContext, isAgain: boolean): Promise<string> {
  const wanted = stillWanted(context, toEmbed(context.work.differences ?? noDifferences()));
  takeBackLoss(context.work, WITHOUT_VECTOR);
  if (wanted.size === 0) return 'nothing is left to embed';
  if (context.options.viaApi) return embedThroughService(context, wanted);
  const place = await vectorPlace(context);
  const provider = await providerFor(context, wanted, place);
  if (provider === null) return `${wanted.size} memories stay without a vector: no provider could be used`;
  return describe(await embedHere(context, wanted, provider, { place, isAgain }), provider, context);
}

/** Null where a repair goes on without: what cannot be embedded is told as a loss, and everything else is repaired. */
async function providerFor(
  context: StepContext,
  wanted: MemoryIds,
  place: VectorPlace,
): Promise<EmbeddingProvider | null> {
  try {
    const provider = context.embedder(place.size);
    await guardSpace(context, provider, place.size, await survivingSamples(context, wanted));
    return provider;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const loss = `${wanted.size} memories ${WITHOUT_VECTOR}, and no provider could be used: ${error.reason}. ${error.hint}`;
    tellLoss(context.work, WITHOUT_VECTOR, loss);
    return null;
  }
}

function describe(
  { done, total, refused, seconds }: Embedded,
  { name, model }: EmbeddingProvider,
  { work }: StepContext,
): string {
  const tokens = work.embedded?.tokens ?? null;
  const counted = tokens === null ? '' : `, ${tokens} tokens`;
  const aside = refused === 0 ? '' : `; ${refused} in quarantine`;
  return `${done} of ${total} memories embedded by ${name} (${model}) in ${Math.ceil(seconds)} s${counted}${aside}`;
}
