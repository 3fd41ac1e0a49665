import { assign, fromPromise, setup, type ActorRefFrom } from 'xstate';
import type { Assessment } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { CheckResult } from './events.js';
import { guards, outputOf } from './guards.js';
import type { RankedOptions, ResumePoint, RunContext, RunInput, RunMachineEvent } from './run-context.js';

const unprovided = (name: string) => (): Promise<never> =>
  Promise.reject(new Error(`the actor "${name}" was not provided`));

/**
 * The order of a run, and nothing else: lease → assess → plan → review → confirm → safeguard → execute → validate →
 * report. Everything that touches the world is an actor that the command provides, so the machine runs in a test with no
 * store at all. Whatever fails, the run still reports.
 */
export const recoveryMachine = setup({
  types: {
    context: {} as RunContext,
    input: {} as RunInput,
    events: {} as RunMachineEvent,
  },
  /* eslint-disable @typescript-eslint/no-invalid-void-type -- the type of a promise that gives nothing */
  actors: {
    /** Gives where an earlier run goes on; null for a new one. */
    lease: fromPromise<ResumePoint | null>(unprovided('lease')),
    assess: fromPromise<Assessment>(unprovided('assess')),
    plan: fromPromise<RankedOptions, { assessment: Assessment }>(unprovided('plan')),
    safeguard: fromPromise<void, { plan: PlanOption; assessment: Assessment }>(unprovided('safeguard')),
    /** Gives the reason where nothing had to be done. */
    execute: fromPromise<string | null, { plan: PlanOption; assessment: Assessment }>(unprovided('execute')),
    validate: fromPromise<CheckResult[], { executed: boolean; rounds: number }>(unprovided('validate')),
    fix: fromPromise<void, { checks: CheckResult[]; assessment: Assessment }>(unprovided('fix')),
    report: fromPromise<void, { context: RunContext }>(unprovided('report')),
  },
  /* eslint-enable @typescript-eslint/no-invalid-void-type */
  actions: {
    keepFailure: assign({ failure: ({ event }) => (event as unknown as { error: unknown }).error }),
    // A run that failed and then could not report failed for its first reason.
    keepFirstFailure: assign({
      failure: ({ context, event }) => context.failure ?? (event as unknown as { error: unknown }).error,
    }),
    refuseChoice: () => undefined,
    offerFix: () => undefined,
    announceFix: () => undefined,
    askForName: () => undefined,
    acceptName: () => undefined,
    rejectName: () => undefined,
    announceChoice: () => undefined,
    announceResume: () => undefined,
    announceStop: () => undefined,
    takeUp: assign(({ context }) => context.resume?.context ?? {}),
    keepChecks: assign({ checks: ({ event }) => outputOf(event) }),
    failWithoutPlan: assign({ failure: () => new Error('no plan applies') }),
    failWithoutConfirmation: assign({ failure: () => new Error('not confirmed') }),
  },
  guards,
}).createMachine({
  id: 'recovery',
  context: ({ input }) => ({
    ...input,
    assessment: null,
    options: [],
    recommended: null,
    chosen: null,
    checks: [],
    rounds: 0,
    executed: false,
    nothingToDo: null,
    interrupted: false,
    cancelled: false,
    failure: null,
  }),
  initial: 'leasing',
  on: { INTERRUPT: { actions: [assign({ interrupted: true }), 'announceStop'] } },
  states: {
    leasing: {
      invoke: {
        src: 'lease',
        onDone: { target: 'assessing', actions: assign({ resume: ({ event }) => event.output }) },
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    assessing: {
      invoke: {
        src: 'assess',
        onDone: { target: 'assessed', actions: assign({ assessment: ({ event }) => event.output }) },
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    assessed: {
      always: [
        { guard: 'wasInterrupted', target: 'reporting' },
        // What was chosen and confirmed stands, and the stores are no longer as they were then.
        { guard: 'goesOnExecuting', target: 'safeguarding', actions: ['takeUp', 'announceResume'] },
        { guard: 'goesOnValidating', target: 'validating', actions: ['takeUp', 'announceResume'] },
        { guard: 'goesOnFixing', target: 'fixing', actions: ['takeUp', 'announceResume'] },
        { guard: 'onlyValidates', target: 'validating' },
        { target: 'planning' },
      ],
    },
    planning: {
      invoke: {
        src: 'plan',
        input: ({ context }) => ({ assessment: context.assessment as Assessment }),
        onDone: {
          target: 'choosing',
          actions: assign(({ context, event }) => {
            const { options, recommended } = event.output;
            const wanted = context.plan ?? recommended;
            const isNamed = context.plan !== null;
            const chosen =
              options.find(
                ({ name, applies, onRequest }) =>
                  name === wanted && (applies || (isNamed && onRequest === true)),
              ) ?? null;
            return { options, recommended, chosen };
          }),
        },
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    choosing: {
      always: [
        { guard: 'wasInterrupted', target: 'reporting' },
        { guard: 'onlyPlans', target: 'reporting' },
        { guard: 'asksPerson', target: 'review' },
        { guard: 'hasPlan', target: 'confirming', actions: 'announceChoice' },
        { target: 'reporting', actions: 'failWithoutPlan' },
      ],
    },
    review: {
      // What was recommended, or taken and given back, is not what the person took.
      entry: assign({ chosen: null }),
      on: {
        CHOOSE: [
          {
            guard: 'applies',
            target: 'confirming',
            actions: [
              assign({
                chosen: ({ context, event }) =>
                  context.options.find(({ name }) => name === event.plan) ?? null,
              }),
              'announceChoice',
            ],
          },
          { actions: 'refuseChoice' },
        ],
        CANCEL: { target: 'reporting', actions: assign({ cancelled: true }) },
        BACK: { target: 'reporting', actions: assign({ cancelled: true }) },
        INTERRUPT: { target: 'reporting', actions: assign({ interrupted: true }) },
      },
    },
    confirming: {
      always: [
        { guard: 'wasInterrupted', target: 'reporting' },
        { guard: 'needsNoConfirmation', target: 'confirmed' },
        { guard: 'isConfirmed', target: 'confirmed', actions: 'acceptName' },
        { guard: 'canAsk', target: 'confirm' },
        { target: 'reporting', actions: 'failWithoutConfirmation' },
      ],
    },
    confirm: {
      entry: 'askForName',
      on: {
        CONFIRM: [
          { guard: 'namesMatch', target: 'confirmed', actions: 'acceptName' },
          { actions: 'rejectName' },
        ],
        BACK: 'review',
        CANCEL: { target: 'reporting', actions: assign({ cancelled: true }) },
        INTERRUPT: { target: 'reporting', actions: assign({ interrupted: true }) },
      },
    },
    confirmed: {
      always: [{ guard: 'changesNothing', target: 'validating' }, { target: 'safeguarding' }],
    },
    safeguarding: {
      invoke: {
        src: 'safeguard',
        input: planInput,
        onDone: [{ guard: 'wasInterrupted', target: 'reporting' }, { target: 'executing' }],
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    executing: {
      invoke: {
        src: 'execute',
        input: planInput,
        onDone: [
          { guard: 'isDry', target: 'reporting' },
          {
            guard: ({ event }) => event.output !== null,
            target: 'reporting',
            actions: assign({ nothingToDo: ({ event }) => event.output }),
          },
          { target: 'validating', actions: assign({ executed: true }) },
        ],
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    validating: {
      invoke: {
        src: 'validate',
        input: ({ context }) => ({ executed: context.executed, rounds: context.rounds }),
        onDone: [
          { guard: 'wasInterrupted', target: 'reporting', actions: 'keepChecks' },
          { guard: 'mends', target: 'fixing', actions: 'keepChecks' },
          { guard: 'offersToMend', target: 'offering', actions: 'keepChecks' },
          { target: 'reporting', actions: 'keepChecks' },
        ],
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    offering: {
      entry: 'offerFix',
      on: {
        FIX: 'fixing',
        BACK: 'reporting',
        CANCEL: 'reporting',
        // What was validated stands: leaving the offer is no interruption of the run.
        INTERRUPT: 'reporting',
      },
    },
    fixing: {
      entry: [assign({ rounds: ({ context }) => context.rounds + 1 }), 'announceFix'],
      invoke: {
        src: 'fix',
        input: ({ context }) => ({ checks: context.checks, assessment: context.assessment as Assessment }),
        onDone: 'validating',
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    reporting: {
      invoke: {
        src: 'report',
        input: ({ context }) => ({ context }),
        onDone: 'done',
        onError: { target: 'done', actions: 'keepFirstFailure' },
      },
    },
    done: { type: 'final' },
  },
});

function planInput({ context }: { context: RunContext }): { plan: PlanOption; assessment: Assessment } {
  return { plan: context.chosen as PlanOption, assessment: context.assessment as Assessment };
}

export type RecoveryActor = ActorRefFrom<typeof recoveryMachine>;
