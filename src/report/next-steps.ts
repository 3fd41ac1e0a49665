import type { PlanOption } from '../plans/types.js';
import type { Summary } from '../recovery/events.js';
import { formatNumberOf } from './format.js';
import { planInHand, type RunView } from './view-model.js';
import { mayTake, storeHints } from './words.js';

/** What to do after the run, the most urgent first. Empty where nothing is left to do. */
export function nextSteps(view: RunView): string[] {
  const { summary } = view;
  if (summary === null) return view.failure ? [view.failure.hint] : [];
  const steps = [...afterStop(view, summary), ...toMend(view, summary)];
  const quarantine = summary.files['quarantine'];
  if (summary.quarantined > 0 && quarantine !== undefined) {
    const records = formatNumberOf(summary.quarantined, 'record', 'records');
    const could = summary.outcome === 'dry-run' ? 'would not be' : 'could not be';
    steps.push(`Read why ${records} ${could} brought back: ${quarantine}`);
  }
  if (summary.command === 'drill') steps.push(...afterDrill(summary));
  else steps.push(...afterOutcome(view, summary), ...toUndo(view, summary));
  return [...new Set(steps)];
}

function toMend({ checks }: RunView, { command }: Summary): string[] {
  const failed = checks.filter(({ status }) => status === 'fail');
  const fixes = failed.flatMap(({ step, fix }) => (fix === undefined ? [] : [`Mend check ${step}: ${fix}`]));
  const byItself = failed.some(({ mend }) => mend !== undefined);
  // The stores of a drill are gone, and a fix may name the command itself.
  if (!byItself || command === 'drill' || fixes.some((fix) => fix.includes('--fix'))) return fixes;
  return [...fixes, 'To have it mended: lifeboat validate --fix'];
}

/** What the failure says, and how to go on with a run that did not come to its end. */
function afterStop(view: RunView, summary: Summary): string[] {
  const { command, outcome, run } = summary;
  const hint = (summary.failure ?? view.failure)?.hint;
  const steps: string[] = [];
  // The hint of a run that was stopped speaks of stores that last; those of a drill are gone.
  if (hint !== undefined && !(command === 'drill' && outcome === 'interrupted')) steps.push(hint);
  if (goesOn(view, summary)) {
    const isSaid = hint?.includes('lifeboat runs resume') === true;
    return isSaid ? steps : [...steps, `Continue: lifeboat runs resume ${run}`];
  }
  const again = outcome === 'interrupted' && hint === undefined;
  return again ? ['Run the command again when you are ready.'] : steps;
}

/** What only looked, practised, or came to no step, is simply run again. */
function goesOn({ run, steps, resumed }: RunView, { command, outcome, resumable }: Summary): boolean {
  if (!resumable || run?.dryRun === true || ONCE.has(command)) return false;
  return (outcome === 'interrupted' || outcome === 'failed') && (steps.length > 0 || resumed !== null);
}

const ONCE: ReadonlySet<string> = new Set(['drill', 'assess', 'validate']);

function afterOutcome(view: RunView, { outcome }: Summary): string[] {
  switch (outcome) {
    case 'recovered':
    case 'recovered-with-losses':
      return ['Start the service again and ask it for a memory that you know.'];
    case 'assessed':
      return afterAssessment(view);
    case 'dry-run':
      return toRun(view, 'To run it, with the other options as they were');
    default:
      return [];
  }
}

/** Its stores are gone with it: there is no service to start and no kept graph to let go of. */
function afterDrill({ outcome, comparison }: Summary): string[] {
  const gone = 'This was a drill: its engines and their data are removed, the files above stay.';
  if (comparison?.equal === false && outcome !== 'recovered-with-losses') {
    return ['A drill must come back without a difference: please report this, with the files above.', gone];
  }
  return outcome === 'recovered'
    ? [gone, 'To look at your own stores, without changing them: lifeboat assess']
    : [gone];
}

function afterAssessment(view: RunView): string[] {
  const { assessment, options } = view;
  if (assessment === null) return [];
  const hints = storeHints(assessment);
  if (hints.length > 0) return hints;
  if (options.length > 0 && !options.some(({ applies }) => applies)) return [withoutPlan(options)];
  const steps = toRun(view);
  return steps.length > 0 ? steps : ['To compare the stores memory by memory: lifeboat validate'];
}

function toRun(view: RunView, lead = 'To run it'): string[] {
  if (view.run?.command === 'repair') return [`${lead}: lifeboat repair`];
  const plan = planInHand(view);
  return plan !== null && plan.name !== 'healthy' ? [`${lead}: lifeboat recover ${plan.name}`] : [];
}

/** What was replaced or changed is kept until somebody lets go of it. */
function toUndo(view: RunView, { run, kept }: Summary): string[] {
  if (kept.length === 0) return [];
  const graph = view.run?.graph ?? 'GRAPH';
  return [
    `Undo it, if it is worse than before: lifeboat runs rollback ${run} --confirm ${graph}`,
    `Let go of what is kept, once you are sure: lifeboat runs forget ${run} --confirm ${graph}`,
  ];
}

function withoutPlan(options: readonly PlanOption[]): string {
  const names = options.filter(mayTake).map(({ name }) => name);
  return names.length === 0
    ? 'No plan fits this yet. RUNBOOK.md tells what to do instead.'
    : `No plan fits by itself. To see what one of these would do: lifeboat recover NAME --dry-run (${names.join(', ')})`;
}
