import { formatNumberOf } from './format.js';
import { planInHand, type RunView } from './view-model.js';

/** What to do after the run, the most urgent first. Empty where nothing is left to do. */
export function nextSteps(view: RunView): string[] {
  const { summary } = view;
  if (summary === null) return view.failure ? [view.failure.hint] : [];
  const steps: string[] = [];
  const failure = summary.failure ?? view.failure;
  if (failure) steps.push(failure.hint);
  if (summary.outcome === 'interrupted' && !failure)
    steps.push('Both stores are as they were. Run the command again when you are ready.');
  for (const check of view.checks) {
    if (check.status === 'fail' && check.fix !== undefined)
      steps.push(`Mend check ${check.step}: ${check.fix}`);
  }
  const quarantine = summary.files['quarantine'];
  if (summary.quarantined > 0 && quarantine !== undefined) {
    const records = formatNumberOf(summary.quarantined, 'record', 'records');
    steps.push(`Read why ${records} could not be brought back: ${quarantine}`);
  }
  steps.push(...afterOutcome(view, summary.outcome));
  return [...new Set(steps)];
}

function afterOutcome(view: RunView, outcome: string): string[] {
  const plan = planInHand(view);
  switch (outcome) {
    case 'recovered':
    case 'recovered-with-losses':
      // Only a plan that replaces something keeps what it replaced.
      return plan?.destructive === true
        ? ['Start the service again and ask it for a memory that you know.', 'The replaced graph is kept; RUNBOOK.md tells how to undo the swap and how to let go of it.']
        : [];
    case 'assessed':
    case 'dry-run':
      return plan && plan.name !== 'healthy' ? [`To run it: lifeboat recover ${plan.name}`] : [];
    default:
      return [];
  }
}
