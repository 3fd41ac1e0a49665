import type { Summary } from '../recovery/events.js';
import { formatCount, formatNumberOf, formatPercent } from './format.js';
import { planInHand, type RunView } from './view-model.js';

const UNCHANGED: ReadonlySet<Summary['outcome']> = new Set(['dry-run', 'nothing-to-do']);

/** Whether a plan ended before its last step without a failure, because a step found that nothing has to be done. */
export function endedEarly(view: RunView): boolean {
  const { steps, summary } = view;
  if (summary === null || !UNCHANGED.has(summary.outcome)) return false;
  const planned = planInHand(view)?.steps.length ?? 0;
  return steps.length > 0 && steps.length < planned && steps.at(-1)?.state === 'done';
}

/** "1,204 vectors, 88,120 tokens"; null where nothing was embedded. */
export function embeddedSays({ embedded }: Summary): string | null {
  if (embedded === null) return null;
  const vectors = formatNumberOf(embedded.vectors, 'vector', 'vectors');
  return embedded.tokens === null ? vectors : `${vectors}, ${formatCount(embedded.tokens)} tokens`;
}

/** "20261121_213200 (20261121_213537 was passed over: …)"; null where none was. */
export function backupSays({ backup }: Summary): string | null {
  if (backup === undefined) return null;
  const passed = backup.passedOver.map(
    ({ timestamp, reasons }) => `${timestamp} was passed over: ${reasons.join('; ')}`,
  );
  return `${backup.used ?? 'none'} (${passed.join('. ')})`;
}

/** "12.5% before, 0% after"; null where nobody compared the stores. */
export function driftSays({ drift, outcome }: Summary): string | null {
  if (drift === null || (drift.before === null && drift.after === null)) return null;
  const { before, after } = drift;
  // What changed nothing has no afterwards.
  if (after === null && before !== null && UNCHANGED.has(outcome)) return formatPercent(before);
  const says = (percent: number | null, when: string): string =>
    percent === null ? `not measured ${when}` : `${formatPercent(percent)} ${when}`;
  return `${says(before, 'before')}, ${says(after, 'after')}`;
}

/**
 * What a dry run found out about each step of its plan: what was read says what it found, what would write only its
 * title. Steps after one that found nothing to do are left out, as they would be in earnest.
 */
export function stepsSay(view: RunView, steps: readonly { id: string; title: string }[]): string[] {
  return steps.slice(0, endedEarly(view) ? view.steps.length : steps.length).map(({ id, title }) => {
    const step = view.steps.find((one) => one.id === id);
    return step === undefined || step.state !== 'done' || step.detail === ''
      ? title
      : `${title}: ${step.detail}`;
  });
}
