import type { CheckResult } from './events.js';
import type { RunContext, RunMachineEvent } from './run-context.js';

/** Rounds of mending after which what still fails is a person's business. */
const MAX_ROUNDS = 3;

interface Moment {
  context: RunContext;
  event: RunMachineEvent;
}

/** Which way a run takes where the machine has several: pure functions of what is known. */
export const guards = {
  goesOnExecuting: ({ context }) => context.resume?.at === 'executing',
  goesOnValidating: ({ context }) => context.resume?.at === 'validating',
  goesOnFixing: ({ context }) => context.resume?.at === 'fixing',
  onlyValidates: ({ context }) => context.goal === 'validate',
  onlyPlans: ({ context }) => context.goal === 'plan',
  hasPlan: ({ context }) => context.chosen !== null,
  asksPerson: ({ context }) =>
    context.interactive &&
    !context.dryRun &&
    // Who names a plan has chosen.
    context.plan === null &&
    context.options.some(({ applies, onRequest }) => applies || onRequest === true),
  needsNoConfirmation: ({ context }) => context.dryRun || context.chosen?.destructive !== true,
  isConfirmed: ({ context }) => context.confirm === context.confirmName,
  canAsk: ({ context }) => context.interactive && context.confirm === null,
  applies: ({ context, event }) =>
    event.type === 'CHOOSE' &&
    context.options.some(
      ({ name, applies, onRequest }) => name === event.plan && (applies || onRequest === true),
    ),
  namesMatch: ({ context, event }) => event.type === 'CONFIRM' && event.typed === context.confirmName,
  changesNothing: ({ context }) => context.chosen !== null && context.chosen.steps.length === 0,
  mends: ({ context, event }) => context.fix && canMend(context, outputOf(event)),
  offersToMend: ({ context, event }) => context.interactive && canMend(context, outputOf(event)),
  isDry: ({ context }) => context.dryRun,
  wasInterrupted: ({ context }) => context.interrupted,
} satisfies Record<string, (moment: Moment) => boolean>;

/** The checks that a validation gave; the machine types the events of its actors loosely. */
export function outputOf(event: unknown): CheckResult[] {
  return (event as { output: CheckResult[] }).output;
}

function canMend({ rounds, dryRun, checks: before }: RunContext, checks: readonly CheckResult[]): boolean {
  const mendable = checks.filter(({ status, mend }) => status === 'fail' && mend !== undefined);
  if (dryRun || rounds >= MAX_ROUNDS) return false;
  // What a round left just as it was, another one will not mend.
  return mendable.some(
    ({ step, actual }) => rounds === 0 || !before.some((old) => old.step === step && old.actual === actual),
  );
}
