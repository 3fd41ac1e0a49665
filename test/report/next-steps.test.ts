import { describe, expect, it } from 'vitest';
import type { Assessment } from '../../src/assess/types.js';
import type { RunEvent, Summary } from '../../src/recovery/events.js';
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
const COMMANDS = new Set(['assess', 'recover', 'validate', 'drill', 'config', 'sandbox']);
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
      for (const step of after({ outcome, command }, confirmed())) {
        const named = [...step.matchAll(/lifeboat (\S+)/g)].map((match) => match[1] ?? '');
        for (const name of named) expect(COMMANDS, step).toContain(name);
        expect(step).not.toMatch(/--plan|--fix|resume|rollback/);
      }
    }
  });

  it('after a recovery speak of the kept graph only where there was one', () => {
    expect(after({ outcome: 'recovered' })).toEqual([expect.stringContaining('Start the service again')]);
    const steps = after({ outcome: 'recovered-with-losses' }, [withGraph({ state: 'empty' })]);
    expect(steps).toEqual([
      expect.stringContaining('Start the service again'),
      expect.stringContaining('The replaced graph is kept'),
    ]);
  });

  it('after a drill speak of no service and no kept graph', () => {
    const steps = after({ command: 'drill', outcome: 'recovered', comparison: EQUAL }, [
      withGraph({ state: 'empty' }),
    ]);
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

  it('after an interruption say that it starts from the beginning, or what the failure says', () => {
    expect(after({ outcome: 'interrupted', exitCode: 130 })).toEqual([
      'Run the command again when you are ready. It starts from the beginning.',
    ]);
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
      'Read why 1 record could not be brought back: /runs/q.ndjson',
    ]);
  });
});
