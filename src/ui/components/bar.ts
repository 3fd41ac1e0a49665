import { percentOf } from '../../report/format.js';
import type { StepProgress } from '../../report/view-steps.js';
import { span, type Span } from '../rows.js';
import { BAR } from '../theme.js';

/** A bar and its per cent, `width` columns in all; nothing where there is no total to measure against. */
export function barSpans({ done, total }: StepProgress, width: number): Span[] {
  const percent = percentOf(done, total);
  const cells = width - 5;
  if (percent === null || cells < 4) return [];
  const full = Math.floor((percent / 100) * cells);
  return [
    span(BAR.full.repeat(full), 'accent'),
    span(BAR.empty.repeat(cells - full), 'quiet'),
    span(`${percent}%`.padStart(5)),
  ];
}
