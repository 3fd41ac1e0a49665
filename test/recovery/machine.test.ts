import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, waitFor } from 'xstate';

import { Interrupted } from '../../src/failure.js';
import type { PlanOption } from '../../src/plans/types.js';
import type { CheckResult } from '../../src/recovery/events.js';
import { recoveryMachine } from '../../src/recovery/machine.js';
import type {
  ResumePoint,
  RunContext,
  RunInput,
  RunMachineEvent,
  RunRequest,
} from '../../src/recovery/run-context.js';
import { assessmentOf } from '../plans/assessments.js';

type ActorName = 'lease' | 'assess' | 'plan' | 'safeguard' | 'execute' | 'validate' | 'report';

const ASSESSMENT = assessmentOf();
const CHECKS: CheckResult[] = [
  { step: 1, name: 'Connectivity', status: 'pass', expected: '', actual: '', provesData: false },
];

const option = (name: string, rest: Partial<PlanOption> = {}): PlanOption => ({
  name,
  title: name,
  summary: '',
  applies: true,
  reason: '',
  estimateSeconds: 1,
  loses: [],
  changes: [],
  steps: [{ id: 'stage-nodes', title: 'Stage' }],
  guidance: '',
  destructive: true,
  ...rest,
});
const REBUILD = option('rebuild-graph');
const GENTLE = option('gentle', { destructive: false });
const HEALTHY = option('healthy', { destructive: false, steps: [] });
const UNFIT = option('unfit', { applies: false });

interface Setup {
  request?: Partial<RunRequest>;
  options?: PlanOption[];
  recommended?: string | null;
  /** What an actor does in place of succeeding at once. */
  does?: Partial<Record<ActorName, () => unknown>>;
}

/** A run whose actors only note that they ran, with everything that the machine announced. */
function start({
  request,
  options = [REBUILD, GENTLE, UNFIT],
  recommended = 'rebuild-graph',
  does = {},
}: Setup = {}) {
  const ran: string[] = [];
  const said: string[] = [];
  const reported: RunContext[] = [];
  const act = async (name: ActorName, detail = ''): Promise<unknown> => {
    ran.push(name + detail);
    return await does[name]?.();
  };
  const say =
    (what: string) =>
    ({ event }: { event: { type: string } }) =>
      void said.push(`${what} on ${event.type}`);
  const machine = recoveryMachine.provide({
    actors: {
      lease: fromPromise<ResumePoint | null>(async () => {
        await act('lease');
        return null;
      }),
      assess: fromPromise(async () => (await act('assess'), ASSESSMENT)),
      plan: fromPromise(async ({ input }) => {
        expect(input.assessment).toBe(ASSESSMENT);
        await act('plan');
        return { options, recommended };
      }),
      safeguard: fromPromise(async ({ input }) => {
        await act('safeguard', ` ${input.plan.name}`);
      }),
      execute: fromPromise(async ({ input }) => {
        expect(input.assessment).toBe(ASSESSMENT);
        await act('execute', ` ${input.plan.name}`);
        return null;
      }),
      validate: fromPromise(
        async ({ input }) => (await act('validate', input.executed ? ' after' : ''), CHECKS),
      ),
      report: fromPromise(async ({ input }) => {
        reported.push(input.context);
        await act('report');
      }),
    },
    actions: {
      refuseChoice: say('refused'),
      askForName: say('asked'),
      acceptName: say('accepted'),
      rejectName: say('rejected'),
      announceChoice: say('chosen'),
      announceStop: say('stopping'),
    },
  });
  const input: RunInput = {
    plan: null,
    dryRun: false,
    interactive: false,
    confirm: null,
    confirmName: 'memories',
    goal: 'recover',
    fix: false,
    resume: null,
    ...request,
  };
  const actor = createActor(machine, { input });
  actor.start();
  const reach = (state: string) => waitFor(actor, (snapshot) => snapshot.value === state, { timeout: 5000 });
  return {
    ran,
    said,
    reported,
    reach,
    send: (event: RunMachineEvent) => actor.send(event),
    state: () => actor.getSnapshot().value,
    /** Waits for the end. @returns what is known of the run then. */
    end: async (): Promise<RunContext> => (await reach('done')).context,
  };
}

const confirmed = { confirm: 'memories' };
const asked = { interactive: true };
const THROUGH_PLAN = ['lease', 'assess', 'plan'];

/** A promise that the test settles. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  return { wait: () => promise, go: () => resolve(undefined), fail: reject };
}

describe('an unattended run', () => {
  it('goes through every phase in order once it is confirmed', async () => {
    const run = start({ request: confirmed });
    const context = await run.end();
    expect(run.ran).toEqual([
      ...THROUGH_PLAN,
      'safeguard rebuild-graph',
      'execute rebuild-graph',
      'validate after',
      'report',
    ]);
    expect(context).toMatchObject({
      assessment: ASSESSMENT,
      recommended: 'rebuild-graph',
      chosen: REBUILD,
      checks: CHECKS,
      executed: true,
      interrupted: false,
      cancelled: false,
      failure: null,
    });
    expect(run.reported).toEqual([context]);
    expect(run.said.map((line) => line.split(' ')[0])).toEqual(['chosen', 'accepted']);
  });

  it.each([null, '', 'Memories', 'memories '])(
    'changes nothing when it is confirmed with %j',
    async (confirm) => {
      const run = start({ request: { confirm } });
      const context = await run.end();
      expect(run.ran).toEqual([...THROUGH_PLAN, 'report']);
      expect(context).toMatchObject({
        chosen: REBUILD,
        executed: false,
        failure: new Error('not confirmed'),
      });
    },
  );

  it('needs no confirmation for a plan that destroys nothing', async () => {
    const run = start({ request: { plan: 'gentle' } });
    expect(await run.end()).toMatchObject({ chosen: GENTLE, executed: true, failure: null });
    expect(run.ran).toContain('execute gentle');
    expect(run.said.join()).not.toContain('accepted');
  });

  it('takes the plan that was asked for, not the recommended one', async () => {
    const run = start({ request: { ...confirmed, plan: 'gentle' } });
    expect((await run.end()).chosen).toBe(GENTLE);
  });

  it.each([
    ['does not apply', { plan: 'unfit' }, 'rebuild-graph'],
    ['does not exist', { plan: 'nonsense' }, 'rebuild-graph'],
    ['is not recommended either', {}, null],
  ])('reports without a change when the plan %s', async (_, request, recommended) => {
    const run = start({ request: { ...confirmed, ...request }, recommended });
    expect(await run.end()).toMatchObject({ chosen: null, failure: new Error('no plan applies') });
    expect(run.ran).toEqual([...THROUGH_PLAN, 'report']);
  });

  it('goes straight to the validation with a plan that has no steps', async () => {
    const run = start({ options: [HEALTHY, UNFIT], recommended: 'healthy' });
    expect(await run.end()).toMatchObject({
      chosen: HEALTHY,
      executed: false,
      checks: CHECKS,
      failure: null,
    });
    expect(run.ran).toEqual([...THROUGH_PLAN, 'validate', 'report']);
  });
});

describe('a dry run', () => {
  it.each([
    ['unattended', { dryRun: true }],
    ['with a person', { dryRun: true, interactive: true }],
    ['with a wrong confirmation', { dryRun: true, confirm: 'wrong' }],
  ])('asks for nothing, walks through the steps and validates nothing: %s', async (_, request) => {
    const run = start({ request });
    expect(await run.end()).toMatchObject({ executed: false, checks: [], failure: null });
    expect(run.ran).toEqual([...THROUGH_PLAN, 'safeguard rebuild-graph', 'execute rebuild-graph', 'report']);
    expect(run.said.map((line) => line.split(' ')[0])).toEqual(['chosen']);
  });
});

describe('a run with a nearer goal', () => {
  it.each([true, false])('validates without planning (interactive: %s)', async (interactive) => {
    const run = start({ request: { goal: 'validate', interactive } });
    expect(await run.end()).toMatchObject({ checks: CHECKS, executed: false, chosen: null, failure: null });
    expect(run.ran).toEqual(['lease', 'assess', 'validate', 'report']);
  });

  it.each([true, false])('plans without choosing (interactive: %s)', async (interactive) => {
    const run = start({ request: { ...confirmed, goal: 'plan', interactive } });
    expect(await run.end()).toMatchObject({
      options: [REBUILD, GENTLE, UNFIT],
      executed: false,
      failure: null,
    });
    expect(run.ran).toEqual([...THROUGH_PLAN, 'report']);
    expect(run.said).toEqual([]);
  });

  it('plans also where no plan applies', async () => {
    const run = start({ request: { goal: 'plan' }, options: [UNFIT], recommended: null });
    expect(await run.end()).toMatchObject({ chosen: null, failure: null });
  });
});

describe('a run with a person', () => {
  it('is chosen and confirmed step by step', async () => {
    const run = start({ request: asked });
    await run.reach('review');
    expect(run.ran).toEqual(THROUGH_PLAN);
    run.send({ type: 'CHOOSE', plan: 'rebuild-graph' });
    expect(run.state()).toBe('confirm');
    run.send({ type: 'CONFIRM', typed: 'memories' });
    expect(await run.end()).toMatchObject({ chosen: REBUILD, executed: true, failure: null });
    expect(run.said).toEqual(['chosen on CHOOSE', 'asked on CHOOSE', 'accepted on CONFIRM']);
  });

  it('stays with the question after a wrong name', async () => {
    const run = start({ request: asked });
    await run.reach('review');
    run.send({ type: 'CHOOSE', plan: 'rebuild-graph' });
    for (const typed of ['', 'Memories', 'memory']) run.send({ type: 'CONFIRM', typed });
    expect(run.state()).toBe('confirm');
    expect(run.said.filter((line) => line.startsWith('rejected'))).toHaveLength(3);
    run.send({ type: 'CONFIRM', typed: 'memories' });
    expect((await run.end()).executed).toBe(true);
  });

  it('takes back a choice and makes another', async () => {
    const run = start({ request: asked });
    await run.reach('review');
    run.send({ type: 'CHOOSE', plan: 'rebuild-graph' });
    run.send({ type: 'BACK' });
    expect(run.state()).toBe('review');
    run.send({ type: 'CHOOSE', plan: 'gentle' });
    expect(await run.end()).toMatchObject({ chosen: GENTLE, executed: true });
    expect(run.ran).not.toContain('execute rebuild-graph');
  });

  it.each(['unfit', 'nonsense', ''])('refuses the plan "%s" and goes on asking', async (plan) => {
    const run = start({ request: asked });
    await run.reach('review');
    run.send({ type: 'CHOOSE', plan });
    expect(run.state()).toBe('review');
    expect(run.said).toEqual(['refused on CHOOSE']);
    run.send({ type: 'CANCEL' });
    await run.end();
  });

  it.each<[string, RunMachineEvent[], Partial<RunContext>]>([
    ['cancelled in review', [{ type: 'CANCEL' }], { cancelled: true }],
    ['left backwards from review', [{ type: 'BACK' }], { cancelled: true }],
    ['interrupted in review', [{ type: 'INTERRUPT' }], { interrupted: true, cancelled: false }],
    [
      'cancelled in confirm',
      [{ type: 'CHOOSE', plan: 'rebuild-graph' }, { type: 'CANCEL' }],
      { cancelled: true },
    ],
    [
      'interrupted in confirm',
      [{ type: 'CHOOSE', plan: 'rebuild-graph' }, { type: 'INTERRUPT' }],
      { interrupted: true, cancelled: false },
    ],
    [
      'cancelled after going back',
      [{ type: 'CHOOSE', plan: 'rebuild-graph' }, { type: 'BACK' }, { type: 'CANCEL' }],
      { cancelled: true },
    ],
  ])('changes nothing and reports when it is %s', async (_, events, expected) => {
    const run = start({ request: asked });
    await run.reach('review');
    for (const event of events) run.send(event);
    expect(await run.end()).toMatchObject({ executed: false, failure: null, ...expected });
    expect(run.ran).toEqual([...THROUGH_PLAN, 'report']);
  });

  it('does not ask again for a name that was given with the command', async () => {
    const run = start({ request: { ...asked, ...confirmed } });
    await run.reach('review');
    run.send({ type: 'CHOOSE', plan: 'rebuild-graph' });
    expect((await run.end()).executed).toBe(true);
    expect(run.said.join()).not.toContain('asked');
  });

  it('refuses a wrong name that was given with the command', async () => {
    const run = start({ request: { ...asked, confirm: 'wrong' } });
    await run.reach('review');
    run.send({ type: 'CHOOSE', plan: 'rebuild-graph' });
    expect(await run.end()).toMatchObject({ executed: false, failure: new Error('not confirmed') });
  });

  it('is not asked where no plan applies', async () => {
    const run = start({ request: asked, options: [UNFIT], recommended: null });
    expect(await run.end()).toMatchObject({ failure: new Error('no plan applies') });
  });

  it('is not heard out of turn', async () => {
    const hold = held();
    const run = start({ request: confirmed, does: { assess: hold.wait } });
    await run.reach('assessing');
    for (const event of [
      { type: 'CHOOSE', plan: 'gentle' },
      { type: 'CONFIRM', typed: 'memories' },
      { type: 'BACK' },
      { type: 'CANCEL' },
    ] as const) {
      run.send(event);
    }
    hold.go();
    expect(await run.end()).toMatchObject({ chosen: REBUILD, cancelled: false, executed: true });
  });
});

describe('an interrupt', () => {
  const WAYS: Record<string, [ActorName, string[]]> = {
    leasing: ['lease', ['lease', 'assess', 'report']],
    assessing: ['assess', ['lease', 'assess', 'report']],
    planning: ['plan', [...THROUGH_PLAN, 'report']],
    safeguarding: ['safeguard', [...THROUGH_PLAN, 'safeguard rebuild-graph', 'report']],
  };
  it.each(Object.entries(WAYS))('while %s lets that end and changes nothing', async (state, [name, ran]) => {
    const hold = held();
    const run = start({ request: confirmed, does: { [name]: hold.wait } });
    await run.reach(state);
    run.send({ type: 'INTERRUPT' });
    expect(run.state()).toBe(state);
    hold.go();
    expect(await run.end()).toMatchObject({ interrupted: true, executed: false, failure: null });
    expect(run.ran).toEqual(ran);
    expect(run.said).toContain('stopping on INTERRUPT');
  });

  it('while assessing ends a validation too', async () => {
    const hold = held();
    const run = start({ request: { goal: 'validate' }, does: { assess: hold.wait } });
    await run.reach('assessing');
    run.send({ type: 'INTERRUPT' });
    hold.go();
    await run.end();
    expect(run.ran).toEqual(['lease', 'assess', 'report']);
  });

  it('while executing leaves it to the steps to stop, which is then the failure', async () => {
    const hold = held();
    const run = start({ request: confirmed, does: { execute: hold.wait } });
    await run.reach('executing');
    run.send({ type: 'INTERRUPT' });
    const stopped = new Interrupted();
    hold.fail(stopped);
    expect(await run.end()).toMatchObject({ interrupted: true, executed: false, failure: stopped });
    expect(run.ran.at(-1)).toBe('report');
  });

  it('that comes after the last step still validates what was done', async () => {
    const hold = held();
    const run = start({ request: confirmed, does: { execute: hold.wait } });
    await run.reach('executing');
    run.send({ type: 'INTERRUPT' });
    hold.go();
    expect(await run.end()).toMatchObject({ interrupted: true, executed: true, checks: CHECKS });
    expect(run.ran).toContain('validate after');
  });

  it.each(['validating', 'reporting'])('while %s lets the run come to its end', async (state) => {
    const hold = held();
    const run = start({
      request: confirmed,
      does: { [state === 'validating' ? 'validate' : 'report']: hold.wait },
    });
    await run.reach(state);
    run.send({ type: 'INTERRUPT' });
    run.send({ type: 'INTERRUPT' });
    hold.go();
    expect(await run.end()).toMatchObject({
      interrupted: true,
      executed: true,
      checks: CHECKS,
      failure: null,
    });
    expect(run.ran.filter((name) => name === 'report')).toHaveLength(1);
  });
});

describe('a failure', () => {
  const reached: [ActorName, string[]][] = [
    ['lease', ['lease', 'report']],
    ['assess', ['lease', 'assess', 'report']],
    ['plan', [...THROUGH_PLAN, 'report']],
    ['safeguard', [...THROUGH_PLAN, 'safeguard rebuild-graph', 'report']],
    ['execute', [...THROUGH_PLAN, 'safeguard rebuild-graph', 'execute rebuild-graph', 'report']],
    [
      'validate',
      [...THROUGH_PLAN, 'safeguard rebuild-graph', 'execute rebuild-graph', 'validate after', 'report'],
    ],
  ];
  it.each(reached)('in %s is kept and reported', async (name, ran) => {
    const error = new Error(`${name} failed`);
    const run = start({ request: confirmed, does: { [name]: () => Promise.reject(error) } });
    const context = await run.end();
    expect(context.failure).toBe(error);
    expect(context.executed).toBe(name === 'validate');
    expect(run.ran).toEqual(ran);
    expect(run.reported[0]?.failure).toBe(error);
  });

  it('in report alone is kept', async () => {
    const error = new Error('report failed');
    const run = start({ request: confirmed, does: { report: () => Promise.reject(error) } });
    expect(await run.end()).toMatchObject({ failure: error, executed: true, checks: CHECKS });
  });

  it('in report does not hide the one before it', async () => {
    const first = new Error('execute failed');
    const run = start({
      request: confirmed,
      does: {
        execute: () => Promise.reject(first),
        report: () => Promise.reject(new Error('report failed')),
      },
    });
    expect((await run.end()).failure).toBe(first);
    expect(run.ran.filter((name) => name === 'report')).toHaveLength(1);
  });

  it('of a run whose actors nobody provided says which', async () => {
    const actor = createActor(recoveryMachine, {
      input: {
        plan: null,
        dryRun: false,
        interactive: false,
        confirm: null,
        confirmName: 'x',
        goal: 'plan',
        fix: false,
        resume: null,
      },
    });
    actor.start();
    const { context } = await waitFor(actor, ({ status }) => status === 'done');
    expect(context.failure).toEqual(new Error('the actor "lease" was not provided'));
  });
});
