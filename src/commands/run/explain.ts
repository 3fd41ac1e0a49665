import { Failure, Interrupted } from '../../failure.js';
import type { RunContext } from '../../recovery/run-context.js';
import { noPlanFailure, notConfirmedFailure } from './no-plan.js';

/** Gives the machine's own refusals their words. @returns what went wrong as it is told; null where nothing did */
export function explain(context: RunContext): unknown {
  const { failure } = context;
  if (failure === null || failure instanceof Failure || failure instanceof Interrupted) return failure;
  if (failure instanceof Error && failure.message === 'no plan applies') return noPlanFailure(context);
  if (failure instanceof Error && failure.message === 'not confirmed') return notConfirmedFailure(context);
  return failure;
}
