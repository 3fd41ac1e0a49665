import type { CheckResult } from '../../recovery/events.js';
import { oneLine } from '../../report/text.js';
import { CHECK_NAMES, checkRound, type RunView } from '../../report/view-model.js';
import { checkTone } from '../../report/words.js';
import type { Layout } from '../layout.js';
import { BLANK, clipRows, hanging, mark, span, spinner, type Row } from '../rows.js';
import { runningRows } from './execute.js';

/** The five checks: those with a result, the one that is looked at, those that wait; below, what mends a failed one. */
export function validateRows(view: RunView, layout: Layout, budget: number): Row[] {
  const round = checkRound(view);
  const mending = view.steps
    .filter((step) => step.state === 'running')
    .flatMap((step) => runningRows(step, layout));
  const next = nextCheck(view);
  const steps = [
    ...new Set([...CHECK_NAMES.keys()].map((at) => at + 1).concat(view.checks.map((check) => check.step))),
  ];
  const rows = steps.flatMap((step) => {
    const check = view.checks.find((one) => one.step === step);
    if (check !== undefined) return resultRows(check, layout);
    const name = `${step} ${CHECK_NAMES[step - 1] ?? ''}`;
    return step === next && mending.length === 0
      ? [[span(' '), spinner(), span(` ${name}`)]]
      : [[span(`   ${name}`, 'quiet')]];
  });
  const head: Row = [span('VALIDATE', 'title'), span(round > 1 ? `   round ${round}` : '', 'quiet')];
  const title: Row[] =
    mending.length > 0 ? [...(layout.roomy ? [BLANK] : []), [span('MENDING', 'title')]] : [];
  return [head, ...clipRows(rows, budget - 1 - title.length - mending.length), ...title, ...mending].slice(
    0,
    Math.max(1, budget),
  );
}

function nextCheck(view: RunView): number {
  return Math.max(0, ...view.checks.map((check) => check.step)) + 1;
}

function resultRows(check: CheckResult, { width, narrow }: Layout): Row[] {
  const name = `${check.step} ${oneLine(check.name)}`;
  const lead: Row = [span(' '), mark(checkTone(check.status)), span(' ')];
  if (check.status === 'fail') {
    const found = `expected ${oneLine(check.expected)}; found ${oneLine(check.actual)}`;
    return [...hanging(lead, name, width, 'bad'), ...hanging([span('     ')], found, width)];
  }
  if (narrow) return [[...lead, span(name)]];
  return [[...lead, span(name.padEnd(36)), span(oneLine(check.actual), 'quiet')]];
}
