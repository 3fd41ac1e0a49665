import type { CheckResult } from '../../recovery/events.js';
import { mendsSay } from '../../report/mend-words.js';
import { oneLine } from '../../report/text.js';
import { CHECK_NAMES, checkRound, type RunView } from '../../report/view-model.js';
import { checkTone } from '../../report/words.js';
import type { Layout } from '../layout.js';
import { BLANK, clipRows, hanging, mark, span, spinner, type Row } from '../rows.js';
import { runningRows } from './execute.js';

/**
 * The five checks: those with a result, the one that is looked at, those that wait. Below, whether to mend what failed,
 * or the mending itself.
 */
export function validateRows(view: RunView, layout: Layout, budget: number): Row[] {
  const below = [...mendingRows(view, layout), ...offerRows(view, layout)];
  const room = budget - 1 - below.length;
  return [
    // Where nothing fits but one part, it is the question.
    ...(room >= 0 ? [headRow(view)] : []),
    ...clipRows(checksFor(view, layout, room), room),
    ...below,
  ].slice(0, Math.max(1, budget));
}

function headRow(view: RunView): Row {
  const mended = checkRound(view) - 1;
  return [span('VALIDATE', 'title'), span(mended > 0 ? '   again, after mending' : '', 'quiet')];
}

/** Where the question leaves too little room, it is about those that failed. */
function checksFor(view: RunView, layout: Layout, room: number): Row[] {
  const rows = checkRows(view, layout);
  if (rows.length <= room || view.mend === null) return rows;
  const failed = view.checks.filter(({ status }) => status === 'fail');
  return failed.flatMap((check) => resultRows(check, layout));
}

function checkRows(view: RunView, layout: Layout): Row[] {
  const steps = new Set([...CHECK_NAMES.keys()].map((at) => at + 1));
  for (const { step } of view.checks) steps.add(step);
  const waiting = [...steps].filter((step) => resultOf(view, step) === undefined);
  const idle = view.mend !== null || view.steps.some(({ state }) => state === 'running');
  return [...steps].flatMap((step) => {
    const check = resultOf(view, step);
    if (check !== undefined) return resultRows(check, layout);
    const name = `${step} ${CHECK_NAMES[step - 1] ?? ''}`;
    return step === waiting[0] && !idle
      ? [[span(' '), spinner(), span(` ${name}`)]]
      : [[span(`   ${name}`, 'quiet')]];
  });
}

/** What this round of the validation said; what was said before the mending counts no longer. */
function resultOf(view: RunView, step: number): CheckResult | undefined {
  if (view.checkRuns[step] !== checkRound(view)) return undefined;
  return view.checks.find((check) => check.step === step);
}

function mendingRows({ mend, steps }: RunView, layout: Layout): Row[] {
  const running = steps.filter((step) => step.state === 'running');
  if (running.length === 0 && mend?.state !== 'running') return [];
  const says = mend?.state === 'running' ? mendsSay(mend.mends, mend.round) : '';
  return [
    ...gap(layout),
    ...hanging([span('MENDING ', 'title')], says, layout.width, 'quiet'),
    ...running.flatMap((step) => runningRows(step, layout)),
  ];
}

function offerRows({ mend }: RunView, layout: Layout): Row[] {
  if (mend?.state !== 'offered') return [];
  return [
    ...gap(layout),
    ...hanging([span('MEND? ', 'title')], mendsSay(mend.mends, mend.round), layout.width),
  ];
}

function gap({ roomy }: Layout): Row[] {
  return roomy ? [BLANK] : [];
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
