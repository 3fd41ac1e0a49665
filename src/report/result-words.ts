import type { Summary } from '../recovery/events.js';
import { formatCount, formatNumberOf, formatPercent } from './format.js';
import type { RunView } from './view-model.js';

/** "1,204 vectors, 88,120 tokens"; null where nothing was embedded. */
export function embeddedSays({ embedded }: Summary): string | null {
  if (embedded === null) return null;
  const vectors = formatNumberOf(embedded.vectors, 'vector', 'vectors');
  return embedded.tokens === null ? vectors : `${vectors}, ${formatCount(embedded.tokens)} tokens`;
}

/** "12.5% before, 0% after"; null where nobody compared the stores. */
export function driftSays({ drift }: Summary): string | null {
  if (drift === null || (drift.before === null && drift.after === null)) return null;
  const { before, after } = drift;
  const says = (percent: number | null, when: string): string =>
    percent === null ? `not measured ${when}` : `${formatPercent(percent)} ${when}`;
  return `${says(before, 'before')}, ${says(after, 'after')}`;
}

/**
 * What a dry run found out about each step of its plan: what was read says what it found, what would write only its
 * title.
 */
export function stepsSay(view: RunView, steps: readonly { id: string; title: string }[]): string[] {
  return steps.map(({ id, title }) => {
    const step = view.steps.find((one) => one.id === id);
    return step === undefined || step.state !== 'done' || step.detail === ''
      ? title
      : `${title}: ${step.detail}`;
  });
}
