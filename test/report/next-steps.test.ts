import { describe, expect, it } from 'vitest';
import type { Assessment } from '../../src/assess/types.js';
import type { CheckResult, RunEvent, Summary } from '../../src/recovery/events.js';
import { nextSteps } from '../../src/report/next-steps.js';
import { emptyView, reduceView } from '../../src/report/view-model.js';
import { ASSESSMENT, at, checks, confirmed, EQUAL, opening, OPTIONS, summary } from './fixtures.js';

/** What is next after a run that ended so, and what it said before that. */
function after(end: Partial<Summary>, said: RunEvent[] = []): string[] {
  const events = [...opening(), ...said.map((event) => at(9, event)), at(14, summary(end))];
  return nextSteps(events.reduce(reduceView, emptyView()));
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
      expect.stringContaining('lifeboat recover NAME --dry-run (fresh-start)'),
    ]);
    const healthy = OPTIONS.map((option) => ({ ...option, applies: option.name === 'healthy' }));
    expect(after(assessed, [{ type: 'plans', options: healthy, recommended: 'healthy' }])).toEqual([
      'To compare the stores memory by memory: lifeboat validate',
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
