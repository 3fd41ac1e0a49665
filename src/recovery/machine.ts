import { assign, fromPromise, setup, type ActorRefFrom } from 'xstate';
import type { Assessment } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { CheckResult } from './events.js';

/** What the operator asked for, before anything is known. */
export interface RunRequest {
  /** A plan by name, or null for the recommended one. */
  plan: string | null;
  dryRun: boolean;
  /** Whether a person can be asked. */
  interactive: boolean;
  /** The name given with --confirm, or null. */
  confirm: string | null;
  /** What must be typed before a store is changed: the name of the graph. */
  confirmName: string;
  /** How far to go: `plan` shows what could be done and stops, `validate` skips planning and executing. */
  goal: 'plan' | 'validate' | 'recover';
}

export interface RankedOptions {
  options: PlanOption[];
  recommended: string | null;
}

export interface RunContext extends RunRequest {
  assessment: Assessment | null;
  options: PlanOption[];
  recommended: string | null;
  chosen: PlanOption | null;
  checks: CheckResult[];
  executed: boolean;
  interrupted: boolean;
  cancelled: boolean;
  failure: unknown;
}

export type RunMachineEvent =
  | { type: 'CHOOSE'; plan: string }
  | { type: 'CONFIRM'; typed: string }
  | { type: 'BACK' }
  | { type: 'CANCEL' }
  | { type: 'INTERRUPT' };

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
    input: {} as RunRequest,
    events: {} as RunMachineEvent,
  },
  /* eslint-disable @typescript-eslint/no-invalid-void-type -- the type of a promise that gives nothing */
  actors: {
    lease: fromPromise<void>(unprovided('lease')),
    assess: fromPromise<Assessment>(unprovided('assess')),
    plan: fromPromise<RankedOptions, { assessment: Assessment }>(unprovided('plan')),
    safeguard: fromPromise<void, { plan: PlanOption; assessment: Assessment }>(unprovided('safeguard')),
    execute: fromPromise<void, { plan: PlanOption; assessment: Assessment }>(unprovided('execute')),
    validate: fromPromise<CheckResult[], { executed: boolean }>(unprovided('validate')),
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
    askForName: () => undefined,
    acceptName: () => undefined,
    rejectName: () => undefined,
    announceChoice: () => undefined,
    announceStop: () => undefined,
    failWithoutPlan: assign({ failure: () => new Error('no plan applies') }),
    failWithoutConfirmation: assign({ failure: () => new Error('not confirmed') }),
  },
  guards: {
    onlyValidates: ({ context }) => context.goal === 'validate',
    onlyPlans: ({ context }) => context.goal === 'plan',
    hasPlan: ({ context }) => context.chosen !== null,
    asksPerson: ({ context }) =>
      context.interactive &&
      !context.dryRun &&
      // Who names a plan has chosen.
      context.plan === null &&
      context.options.some(({ applies }) => applies),
    needsNoConfirmation: ({ context }) => context.dryRun || context.chosen?.destructive !== true,
    isConfirmed: ({ context }) => context.confirm === context.confirmName,
    canAsk: ({ context }) => context.interactive && context.confirm === null,
    applies: ({ context, event }) =>
      event.type === 'CHOOSE' && context.options.some(({ name, applies }) => name === event.plan && applies),
    namesMatch: ({ context, event }) => event.type === 'CONFIRM' && event.typed === context.confirmName,
    changesNothing: ({ context }) => context.chosen !== null && context.chosen.steps.length === 0,
    isDry: ({ context }) => context.dryRun,
    wasInterrupted: ({ context }) => context.interrupted,
  },
}).createMachine({
  id: 'recovery',
  context: ({ input }) => ({
    ...input,
    assessment: null,
    options: [],
    recommended: null,
    chosen: null,
    checks: [],
    executed: false,
    interrupted: false,
    cancelled: false,
    failure: null,
  }),
  initial: 'leasing',
  on: { INTERRUPT: { actions: [assign({ interrupted: true }), 'announceStop'] } },
  states: {
    leasing: {
      invoke: { src: 'lease', onDone: 'assessing', onError: { target: 'reporting', actions: 'keepFailure' } },
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
          { target: 'validating', actions: assign({ executed: true }) },
        ],
        onError: { target: 'reporting', actions: 'keepFailure' },
      },
    },
    validating: {
      invoke: {
        src: 'validate',
        input: ({ context }) => ({ executed: context.executed }),
        onDone: { target: 'reporting', actions: assign({ checks: ({ event }) => event.output }) },
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
