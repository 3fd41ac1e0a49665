import { formatClock } from '../../report/format.js';
import { textWidth } from '../../report/text.js';
import type { PhaseView, RunView } from '../../report/view-model.js';
import type { Layout } from '../layout.js';
import { span, type Row, type Span } from '../rows.js';
import { POINTER, SYMBOLS } from '../theme.js';

const TITLES = {
  assess: 'Assess',
  plan: 'Plan',
  execute: 'Execute',
  validate: 'Validate',
  report: 'Report',
} as const;

/** The top of every screen: the run, its phases, and the clock against the objective. */
export function headerRows(view: RunView, layout: Layout, nowMs: number): Row[] {
  const title = titleSpans(view);
  const phases = phaseSpans(view, layout.narrow);
  const together = [...title, span('   '), ...phases];
  const fits = widthOf(together) <= layout.width;
  return [...(fits ? [together] : [title, phases]), clockSpans(view, nowMs)];
}

function titleSpans(view: RunView): Span[] {
  const { run } = view;
  if (run === null) return [span('LIFEBOAT', 'title')];
  const spans = [span(`${run.command.toUpperCase()} `, 'title'), span(run.run)];
  return run.dryRun ? [...spans, span(' dry run', 'warn')] : spans;
}

function phaseSpans(view: RunView, narrow: boolean): Span[] {
  return view.phases.flatMap((phase, index) => [
    ...(index === 0 ? [] : [span(narrow ? ' ' : '  ')]),
    phaseSpan(phase, index + 1, view.phase === phase.phase, narrow),
  ]);
}

/** The current phase has a pointer and a done one its tick: neither needs colour to be told from the others. */
function phaseSpan({ phase, state }: PhaseView, number: number, current: boolean, narrow: boolean): Span {
  const name = `${number} ${TITLES[phase]}`;
  if (current) return span(`${POINTER} ${name}`, 'accent');
  if (narrow) return state === 'done' ? span(`${SYMBOLS.ok}${number}`, 'ok') : span(`${number}`, 'quiet');
  return state === 'done' ? span(`${SYMBOLS.ok} ${name}`, 'ok') : span(name, 'quiet');
}

function clockSpans({ run, startedAt }: RunView, nowMs: number): Row {
  const elapsed = startedAt === null ? 0 : Math.max(0, (nowMs - startedAt) / 1000);
  const objective = run?.rtoSeconds ?? null;
  if (objective === null) return [span(`elapsed ${formatClock(elapsed)}`)];
  const left = objective - Math.floor(elapsed);
  return [
    span(`RTO ${formatClock(objective)}   elapsed ${formatClock(elapsed)}   `),
    left >= 0 ? span(`left ${formatClock(left)}`) : span(`! over by ${formatClock(-left)}`, 'warn'),
  ];
}

function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, item) => sum + textWidth(item.text), 0);
}
