import type { Summary } from '../recovery/events.js';
import { formatNumberOf } from './format.js';
import { planInHand, type RunView } from './view-model.js';
import { storeHints } from './words.js';

/** What to do after the run, the most urgent first. Empty where nothing is left to do. */
export function nextSteps(view: RunView): string[] {
  const { summary } = view;
  if (summary === null) return view.failure ? [view.failure.hint] : [];
  const steps: string[] = [];
  const failure = summary.failure ?? view.failure;
  // The hint of a run that was stopped speaks of stores that last; those of a drill are gone.
  if (failure && !(summary.command === 'drill' && summary.outcome === 'interrupted'))
    steps.push(failure.hint);
  if (summary.outcome === 'interrupted' && !failure)
    steps.push('Run the command again when you are ready. It starts from the beginning.');
  for (const check of view.checks) {
    if (check.status === 'fail' && check.fix !== undefined)
      steps.push(`Mend check ${check.step}: ${check.fix}`);
  }
  const quarantine = summary.files['quarantine'];
  if (summary.quarantined > 0 && quarantine !== undefined) {
    const records = formatNumberOf(summary.quarantined, 'record', 'records');
    steps.push(`Read why ${records} could not be brought back: ${quarantine}`);
  }
  steps.push(...(summary.command === 'drill' ? afterDrill(summary) : afterOutcome(view, summary)));
  return [...new Set(steps)];
}

function afterOutcome(view: RunView, { outcome }: Summary): string[] {
  switch (outcome) {
    case 'recovered':
    case 'recovered-with-losses':
      return ['Start the service again and ask it for a memory that you know.', ...keptGraph(view)];
    case 'validation-failed':
      // Where nothing was executed, there is nothing to undo.
      return view.steps.length > 0 ? keptGraph(view) : [];
    case 'assessed':
      return afterAssessment(view);
    case 'dry-run':
      return toRun(view);
    default:
      return [];
  }
}

/** Its stores are gone with it: there is no service to start and no kept graph to let go of. */
function afterDrill({ outcome, comparison }: Summary): string[] {
  const gone = 'This was a drill: its engines and their data are removed, the files above stay.';
  if (comparison?.equal === false) {
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
  if (options.length > 0 && !options.some(({ applies }) => applies)) {
    return ['No plan fits this yet. RUNBOOK.md tells what to do instead.'];
  }
  const steps = toRun(view);
  return steps.length > 0 ? steps : ['To compare the stores memory by memory: lifeboat validate'];
}

function toRun(view: RunView): string[] {
  const plan = planInHand(view);
  return plan !== null && plan.name !== 'healthy' ? [`To run it: lifeboat recover ${plan.name}`] : [];
}

/** What a swap replaced is kept; where there was no graph, there is nothing to keep. */
function keptGraph({ assessment }: RunView): string[] {
  return assessment?.graph.state === 'lost'
    ? []
    : ['The replaced graph is kept; RUNBOOK.md tells how to undo the swap and how to let go of it.'];
}
