import { formatNumberOf } from '../../report/format.js';
import { oneLine, truncateText } from '../../report/text.js';
import { planInHand, type RunView, type Tally } from '../../report/view-model.js';
import { isWaiting, type StepView } from '../../report/view-steps.js';
import { progressSays } from '../../report/words.js';
import { barSpans } from '../components/bar.js';
import type { Layout } from '../layout.js';
import type { UiModel } from '../model.js';
import { BLANK, clipRows, hanging, mark, pageRows, span, spinner, type Row } from '../rows.js';

/**
 * The step in hand, what comes after it, and the records that need attention; finished steps stand above. While a step
 * waits for a person, what the plan tells them to do stands there too.
 */
export function executeRows({ view, ui }: UiModel, layout: Layout, budget: number): Row[] {
  const running = view.steps.filter((step) => step.state === 'running');
  const current = running.flatMap((step) => runningRows(step, layout));
  const records = recordRows(view, layout);
  const rows = current.length > 0 ? current : [[span(' '), spinner(), span(' Working')]];
  const room = budget - 1 - rows.length - records.length;
  const rest = running.some(isWaiting)
    ? pageRows(guidanceRows(view, layout), room, ui.page)
    : clipRows(upcomingRows(view), room);
  return [
    headRow(view, running[0]),
    ...clipRows(rows, budget - 1 - records.length),
    ...rest,
    ...records,
  ].slice(0, Math.max(1, budget));
}

/** What the person was told before they confirmed; in short lines, since they may do it line by line. */
function guidanceRows(view: RunView, { width, roomy }: Layout): Row[] {
  const guidance = planInHand(view)?.guidance ?? '';
  if (guidance === '') return [];
  return [...(roomy ? [BLANK] : []), ...hanging([span('   ')], guidance, width)];
}

function headRow(view: RunView, running: StepView | undefined): Row {
  const plan = planInHand(view);
  const step =
    running?.index == null || running.total === null ? '' : `   step ${running.index} of ${running.total}`;
  return [span('EXECUTE', 'title'), span(plan === null ? '' : ` ${plan.name}`), span(step, 'quiet')];
}

/** A step that runs: its title, where it counts something a bar and the numbers, and for what it waits. */
export function runningRows(step: StepView, { width }: Layout): Row[] {
  const again = step.attempt > 1 ? ' (again)' : '';
  const title = hanging([span(' '), spinner(), span(' ')], `${oneLine(step.title)}${again}`, width);
  if (step.progress === null) return title;
  const numbers = hanging([span('   ')], progressSays(step.progress), width, 'quiet');
  // A bar that fills while nothing is done would promise that it ends when it is full.
  if (isWaiting(step)) return [...title, ...numbers, ...noticeRows(step, width)];
  const bar = barSpans(step.progress, Math.min(40, width - 4));
  return [...title, ...(bar.length > 0 ? [[span('   '), ...bar]] : []), ...numbers];
}

function noticeRows({ notice }: StepView, width: number): Row[] {
  return notice === null ? [] : hanging([span('   '), mark('warn'), span(' ')], oneLine(notice), width);
}

function upcomingRows(view: RunView): Row[] {
  const begun = new Set(view.steps.map((step) => step.id));
  const steps = planInHand(view)?.steps ?? [];
  return steps
    .filter((step) => !begun.has(step.id))
    .map((step) => [span(`   ${oneLine(step.title)}`, 'quiet')]);
}

function recordRows({ salvage, quarantine }: RunView, { width }: Layout): Row[] {
  return [...tallyRows(salvage, 'salvaged', width), ...tallyRows(quarantine, 'in quarantine', width)];
}

function tallyRows({ count, latest }: Tally, what: string, width: number): Row[] {
  if (count === 0) return [];
  const said = `${formatNumberOf(count, 'record', 'records')} ${what}, the latest: ${oneLine(latest ?? '')}`;
  return [[span(' '), mark('warn'), span(` ${truncateText(said, width - 3)}`)]];
}
