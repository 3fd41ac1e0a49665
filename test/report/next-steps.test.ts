import { describe, expect, it } from 'vitest';
import type { Assessment } from '../../src/assess/types.js';
import type { CheckResult, RunEvent, Summary } from '../../src/recovery/events.js';
import type { Medium } from '../../src/report/advice.js';
import { nextSteps } from '../../src/report/next-steps.js';
import { emptyView, reduceView } from '../../src/report/view-model.js';
import { ASSESSMENT, at, checks, confirmed, EQUAL, opening, OPTIONS, summary } from './fixtures.js';

/** What is next after a run that ended so, and what it said before that. */
function after(end: Partial<Summary>, said: RunEvent[] = [], medium: Medium = 'terminal'): string[] {
  const events = [...opening(), ...said.map((event) => at(9, event)), at(14, summary(end))];
  return nextSteps(events.reduce(reduceView, emptyView()), medium);
}

const withGraph = (graph: Partial<Assessment['graph']>): RunEvent => ({
  type: 'assessment',
  assessment: { ...ASSESSMENT, graph: { ...ASSESSMENT.graph, ...graph } },
});
const COMMANDS = new Set(['assess', 'recover', 'validate', 'drill', 'config', 'sandbox', 'runs']);
const STEP: RunEvent = { type: 'step.started', step: 's', title: 'S', index: 1, total: 1 };
const AGAIN = 'Run the command again when you are ready.';
const OUTCOMES = [
  'recovered',
  'recovered-with-losses',
  'validated',
  'validation-failed',
  'assessed',
  'dry-run',
  'nothing-to-do',
  'failed',
  'cancelled',
  'interrupted',
] as const;

describe('the next steps', () => {
  it.each(OUTCOMES)('after %s name only commands that exist, without options that do not', (outcome) => {
    for (const command of ['recover', 'assess', 'validate', 'drill']) {
      for (const step of after({ outcome, command, resumable: true, kept: ['x'] }, [...confirmed(), STEP])) {
        const named = [...step.matchAll(/lifeboat (\S+)/g)].map((match) => match[1] ?? '');
        for (const name of named) expect(COMMANDS, step).toContain(name);
        for (const [, verb] of step.matchAll(/lifeboat runs (\S+)/g))
          expect(['resume', 'rollback', 'forget']).toContain(verb);
        expect(step).not.toMatch(/--plan|RUNBOOK/);
      }
    }
  });

  it('after a recovery say how to undo it, and how to let go, only where something is kept', () => {
    expect(after({ outcome: 'recovered' })).toEqual([expect.stringContaining('Start the service again')]);
    const undo = [
      expect.stringMatching(/: lifeboat runs rollback run-7f3a --confirm memories$/),
      expect.stringMatching(/: lifeboat runs forget run-7f3a --confirm memories$/),
    ];
    const kept = ['the replaced graph'];
    expect(after({ outcome: 'recovered-with-losses', kept }).slice(1)).toEqual(undo);
    for (const outcome of ['validation-failed', 'failed', 'interrupted'] as const)
      expect(after({ outcome, kept }).slice(-2), outcome).toEqual(undo);
  });

  it('after a drill speak of no service and no kept graph', () => {
    const steps = after({
      command: 'drill',
      outcome: 'recovered',
      comparison: EQUAL,
      kept: ['the replaced graph'],
    });
    expect(steps[0]).toContain('This was a drill');
    expect(steps.join(' ')).not.toMatch(/service|kept/);
  });

  it('after a drill with differences ask for a report, whatever the checks said', () => {
    const [first] = after({
      command: 'drill',
      outcome: 'validation-failed',
      exitCode: 3,
      comparison: { ...EQUAL, equal: false, differences: 2 },
    });
    expect(first).toContain('please report this');
  });

  it.each(['interrupted', 'failed'] as const)('after a run that %s say how to continue it', (outcome) => {
    const goesOn = 'Continue: lifeboat runs resume run-7f3a';
    const end = { outcome, resumable: true };
    expect(after(end, [STEP])).toEqual([goesOn]);
    expect(after(end, [{ type: 'resumed', run: 'run-7f3a', after: 'promote' }])).toEqual([goesOn]);
    const failure = { code: 'c', message: 'm', hint: 'Start it.' };
    expect(after({ ...end, failure }, [STEP])).toEqual(['Start it.', goesOn]);
    const said = { ...failure, hint: 'To go on: lifeboat runs resume run-7f3a' };
    expect(after({ ...end, failure: said }, [STEP])).toEqual([said.hint]);
  });

  it('continue no run that cannot go on, came to no step, only looked, practised, or changes nothing', () => {
    const end = { outcome: 'interrupted', resumable: true } as const;
    const dry: RunEvent[] = opening().flatMap((event) =>
      event.type === 'run.started' ? [{ ...event, dryRun: true }] : [],
    );
    expect(after({ ...end, resumable: false }, [STEP])).toEqual([AGAIN]);
    expect(after(end)).toEqual([AGAIN]);
    expect(after(end, [...dry, STEP])).toEqual([AGAIN]);
    for (const command of ['assess', 'validate']) expect(after({ ...end, command }, [STEP])).toEqual([AGAIN]);
    expect(after({ ...end, command: 'drill' }, [STEP])[0]).toBe(AGAIN);
  });

  it('after an interruption say what the failure says', () => {
    const failure = { code: 'stopped-after-swap', message: 'm', hint: 'The new graph is live.' };
    expect(after({ outcome: 'interrupted', exitCode: 130, failure })).toEqual(['The new graph is live.']);
  });

  it('after an assessment: the store that is away, the plan that fits, or the runbook', () => {
    const away = { cause: 'refused', message: 'nothing listens', hint: 'Start FalkorDB.' } as const;
    const assessed = { command: 'assess', outcome: 'assessed', plan: null } as const;
    expect(after(assessed, [withGraph({ state: 'unreachable', unreachable: away })])).toEqual([
      'Start FalkorDB.',
    ]);
    expect(after(assessed)).toEqual(['To run it: lifeboat recover rebuild-graph']);
    const none = OPTIONS.map((option) => ({ ...option, applies: false }));
    expect(after(assessed, [{ type: 'plans', options: none, recommended: null }])).toEqual([
      'No plan fits this yet. RUNBOOK.md tells what to do instead.',
    ]);
    const asked = none.map((option) =>
      option.name === 'fresh-start' ? { ...option, onRequest: true as const } : option,
    );
    expect(after(assessed, [{ type: 'plans', options: asked, recommended: null }])).toEqual([
      'No plan fits by itself.',
      'To see what fresh-start would do: lifeboat recover fresh-start --dry-run',
    ]);
    const healthy = OPTIONS.map((option) => ({ ...option, applies: option.name === 'healthy' }));
    expect(after(assessed, [{ type: 'plans', options: healthy, recommended: 'healthy' }])).toEqual([
      'To compare the stores memory by memory: lifeboat validate',
    ]);
  });

  it('bring the confirmation along where nobody can be asked, and only where the plan wants one', () => {
    const assessed = { command: 'assess', outcome: 'assessed', plan: null } as const;
    const run = 'lifeboat recover rebuild-graph';
    expect(after(assessed, [], 'plain')).toEqual([`To run it: ${run} --confirm memories`]);
    expect(after({ outcome: 'dry-run' }, [], 'plain')).toEqual([
      expect.stringMatching(new RegExp(`: ${run} --confirm memories$`)),
    ]);
    expect(after(assessed)).toEqual([`To run it: ${run}`]);
    const mild = OPTIONS.map((option) => ({ ...option, destructive: false }));
    const plans: RunEvent = { type: 'plans', options: mild, recommended: 'rebuild-graph' };
    expect(after(assessed, [plans], 'plain')).toEqual([`To run it: ${run}`]);
  });

  it('after a comparison do not ask for another one', () => {
    const healthy = OPTIONS.map((option) => ({ ...option, applies: option.name === 'healthy' }));
    const drift = { percent: 0 } as Assessment['drift'];
    const steps = after({ command: 'assess', outcome: 'assessed', plan: null }, [
      { type: 'assessment', assessment: { ...ASSESSMENT, drift } },
      { type: 'plans', options: healthy, recommended: 'healthy' },
    ]);
    expect(steps).toEqual([
      'The stores were compared and agree.',
      'To check relationships and search as well: lifeboat validate',
    ]);
  });

  it('after an assessment name first the run that waits', () => {
    const action = 'To continue the run that waits: lifeboat runs resume r';
    const finding = { severity: 'warning', code: 'run-waits', message: 'It waits.', action } as const;
    const steps = after({ command: 'assess', outcome: 'assessed', plan: null }, [
      { type: 'finding', finding },
    ]);
    expect(steps).toEqual([action, 'To run it: lifeboat recover rebuild-graph']);
  });

  it('ask an empty service for no memory', () => {
    const steps = [{ id: 'create-stores', title: 'Make empty stores' }];
    const options = OPTIONS.map((option) => ({ ...option, steps }));
    const plans: RunEvent = { type: 'plans', options, recommended: 'fresh-start' };
    expect(after({ outcome: 'recovered-with-losses', plan: 'fresh-start' }, [plans])).toEqual([
      'Start the service again: it begins with empty stores.',
    ]);
  });

  it.each(['nothing-to-do', 'dry-run'] as const)('after %s say what its last step said', (outcome) => {
    const end: RunEvent = {
      type: 'step.finished',
      step: 's',
      title: 'S',
      outcome: 'done',
      seconds: 0,
      detail: '3 % differ: nothing to worry about. To repair it all the same: lifeboat repair --always',
    };
    expect(after({ command: 'repair', outcome, plan: 'rebuild-graph' }, [STEP, end])).toEqual([
      'To repair it all the same: lifeboat repair --always',
    ]);
  });

  it('give each command of a hint a step of its own', () => {
    const hint =
      'It stands. To go on: lifeboat runs resume r To undo it: lifeboat runs rollback r --confirm memories';
    const failure = { code: 'c', message: 'm', hint };
    expect(after({ outcome: 'failed', failure })).toEqual([
      'It stands.',
      'To go on: lifeboat runs resume r',
      'To undo it: lifeboat runs rollback r --confirm memories',
    ]);
  });

  it('name one command once, though the hint of a failure and what is kept both lead to it', () => {
    const hint = 'It stands. To undo it: lifeboat runs rollback run-7f3a --confirm memories';
    const failure = { code: 'c', message: 'm', hint };
    expect(after({ outcome: 'failed', failure, kept: ['a copy'] })).toEqual([
      'It stands.',
      'To undo it: lifeboat runs rollback run-7f3a --confirm memories',
      'Let go of what is kept, once you are sure: lifeboat runs forget run-7f3a --confirm memories',
    ]);
  });

  it('name the fix of every check that failed, and the file of what is in quarantine', () => {
    const failed = checks([2]).map((check): RunEvent => ({ type: 'check', check }));
    const files = { quarantine: '/runs/q.ndjson' };
    const steps = after({ outcome: 'validation-failed', exitCode: 3, quarantined: 1, files }, failed);
    expect(steps).toEqual([
      'Mend check 2: lifeboat recover rebuild-graph',
      'To have it mended: lifeboat validate --fix',
      'Read why 1 record could not be brought back: /runs/q.ndjson',
    ]);
  });

  it('name --fix once, and only where Lifeboat can mend it', () => {
    const [byHand] = checks([2]).filter(({ status }) => status === 'fail') as [CheckResult];
    const check = { ...byHand };
    delete byHand.mend;
    const end = { outcome: 'validation-failed', exitCode: 3 } as const;
    expect(after(end, [{ type: 'check', check: byHand }])).toEqual([
      'Mend check 2: lifeboat recover rebuild-graph',
    ]);
    const fix = 'lifeboat validate --fix --confirm memories';
    const said = { ...check, fix };
    expect(after(end, [{ type: 'check', check: said }])).toEqual([`Mend check 2: ${fix}`]);
  });
});
