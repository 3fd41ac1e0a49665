import type { Assessment } from '../assess/types.js';
import type { PlanOption } from '../plans/types.js';
import type { Summary } from '../recovery/events.js';
import { adviceLines, adviceOf, type Medium } from './advice.js';
import { formatNumberOf } from './format.js';
import { endedEarly } from './result-words.js';
import { planInHand, type RunView } from './view-model.js';
import { LOCKED_BACKUP, mayTake, storeHints, WAITING_RUN } from './words.js';

/** The step that makes empty stores: after it there is nothing to ask the service for. */
const EMPTYING_STEP = 'create-stores';

/**
 * What to do after the run, the most urgent first, each step with one command at most. Empty where nothing is left to do.
 *
 * @param medium where nobody can be asked, a command that changes something brings its confirmation along
 */
export function nextSteps(view: RunView, medium: Medium): string[] {
  return [...new Set(allSteps(view, medium).flatMap(adviceLines))];
}

function allSteps(view: RunView, medium: Medium): string[] {
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
  else steps.push(...afterOutcome(view, summary, medium), ...untold(toUndo(view, summary), steps));
  return steps;
}

function toMend({ checks }: RunView, { command }: Summary): string[] {
  const failed = checks.filter(({ status }) => status === 'fail');
  const fixes = failed.flatMap(({ step, fix }) =>
    fix === undefined ? [] : fix.split('\n').map((line) => `Mend check ${step}: ${line}`),
  );
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

function afterOutcome(view: RunView, { outcome }: Summary, medium: Medium): string[] {
  switch (outcome) {
    case 'recovered':
    case 'recovered-with-losses':
      return [afterRecovery(view)];
    case 'assessed':
      return afterAssessment(view, medium);
    case 'nothing-to-do':
      return toDoAllTheSame(view);
    case 'dry-run':
      return endedEarly(view)
        ? toDoAllTheSame(view)
        : toRun(view, medium, 'To run it, with the other options as they were');
    default:
      return [];
  }
}

function afterRecovery(view: RunView): string {
  const madeEmpty = planInHand(view)?.steps.some(({ id }) => id === EMPTYING_STEP) === true;
  return madeEmpty
    ? 'Start the service again: it begins with empty stores.'
    : 'Start the service again and ask it for a memory that you know.';
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

function afterAssessment(view: RunView, medium: Medium): string[] {
  const { assessment, options } = view;
  if (assessment === null) return [];
  // The key before all else: what is advised after it takes none of these backups.
  const waiting = [...actionsOf(view, LOCKED_BACKUP), ...actionsOf(view, WAITING_RUN)];
  const hints = storeHints(assessment);
  if (hints.length > 0) return [...waiting, ...hints];
  if (options.length > 0 && !options.some(({ applies }) => applies))
    return [...waiting, ...withoutPlan(options)];
  const steps = toRun(view, medium);
  return [...waiting, ...(steps.length > 0 ? steps : [toValidate(assessment)])];
}

function actionsOf({ findings }: RunView, wanted: string): string[] {
  return findings.flatMap(({ code, action }) => (code === wanted && action !== undefined ? [action] : []));
}

/** What was compared just now needs no second comparison. */
function toValidate({ drift }: Assessment): string {
  return drift === null
    ? 'To compare the stores memory by memory: lifeboat validate'
    : 'The stores were compared and agree. To check relationships and search as well: lifeboat validate';
}

function toRun(view: RunView, medium: Medium, lead = 'To run it'): string[] {
  const plan = planInHand(view);
  const confirm =
    medium === 'plain' && plan?.destructive === true ? ` --confirm ${view.run?.graph ?? 'GRAPH'}` : '';
  if (view.run?.command === 'repair') return [`${lead}: lifeboat repair${confirm}`];
  return plan !== null && plan.name !== 'healthy' ? [`${lead}: lifeboat recover ${plan.name}${confirm}`] : [];
}

/** What the step said that found nothing to do. */
function toDoAllTheSame({ steps }: RunView): string[] {
  return adviceOf(steps.at(-1)?.detail ?? '').flatMap(({ says, command }) =>
    command === null ? [] : [`${says} ${command}`],
  );
}

/** Failures after which the stores are, or may be, those of another run. */
const UNDER_ANOTHER: ReadonlySet<string> = new Set(['lease-lost', 'newer-run', 'swap-undone']);

/** Those whose command nothing told yet: the hint of a failure may have named it. */
function untold(steps: readonly string[], told: readonly string[]): string[] {
  const known = new Set(told.flatMap(adviceOf).map(({ command }) => command));
  return steps.filter((step) => !adviceOf(step).some(({ command }) => known.has(command)));
}

/** What was replaced or changed is kept until somebody lets go of it. */
function toUndo(view: RunView, { run, kept, failure }: Summary): string[] {
  // Another run may have built on what this one changed.
  if (kept.length === 0 || UNDER_ANOTHER.has(failure?.code ?? '')) return [];
  const graph = view.run?.graph ?? 'GRAPH';
  return [
    `Undo it, if it is worse than before: lifeboat runs rollback ${run} --confirm ${graph}`,
    `Let go of what is kept, once you are sure: lifeboat runs forget ${run} --confirm ${graph}`,
  ];
}

function withoutPlan(options: readonly PlanOption[]): string[] {
  const names = options.filter(mayTake).map(({ name }) => name);
  if (names.length === 0) return ['No plan fits this yet. RUNBOOK.md tells what to do instead.'];
  return [
    'No plan fits by itself.',
    ...names.map((name) => `To see what ${name} would do: lifeboat recover ${name} --dry-run`),
  ];
}
