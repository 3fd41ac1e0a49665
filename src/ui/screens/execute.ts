import { formatNumberOf } from '../../report/format.js';
import { oneLine, truncateText } from '../../report/text.js';
import { planInHand, type RunView, type Tally } from '../../report/view-model.js';
import type { StepView } from '../../report/view-steps.js';
import { progressSays } from '../../report/words.js';
import { barSpans } from '../components/bar.js';
import type { Layout } from '../layout.js';
import { clipRows, hanging, mark, span, spinner, type Row } from '../rows.js';

/** The step in hand, what comes after it, and the records that need attention; finished steps stand above. */
export function executeRows(view: RunView, layout: Layout, budget: number): Row[] {
  const running = view.steps.filter((step) => step.state === 'running');
  const current = running.flatMap((step) => runningRows(step, layout));
  const records = recordRows(view, layout);
  const rows = current.length > 0 ? current : [[span(' '), spinner(), span(' Working')]];
  const coming = upcoming(view).map((title): Row => [span(`   ${title}`, 'quiet')]);
  const head = headRow(view, running[0]);
  const room = budget - 1 - rows.length - records.length;
  return [head, ...clipRows(rows, budget - 1 - records.length), ...clipRows(coming, room), ...records].slice(
    0,
    Math.max(1, budget),
  );
}

function headRow(view: RunView, running: StepView | undefined): Row {
  const plan = planInHand(view);
  const step =
    running?.index == null || running.total === null ? '' : `   step ${running.index} of ${running.total}`;
  return [span('EXECUTE', 'title'), span(plan === null ? '' : ` ${plan.name}`), span(step, 'quiet')];
}

/** A step that runs: its title, and where it counts something, a bar and the numbers. */
export function runningRows(step: StepView, { width }: Layout): Row[] {
  const again = step.attempt > 1 ? ' (again)' : '';
  const title = hanging([span(' '), spinner(), span(' ')], `${oneLine(step.title)}${again}`, width);
  if (step.progress === null) return title;
  const bar = barSpans(step.progress, Math.min(40, width - 4));
  const numbers = hanging([span('   ')], progressSays(step.progress), width, 'quiet');
  return [...title, ...(bar.length > 0 ? [[span('   '), ...bar]] : []), ...numbers];
}

function upcoming(view: RunView): string[] {
  const begun = new Set(view.steps.map((step) => step.id));
  const steps = planInHand(view)?.steps ?? [];
  return steps.filter((step) => !begun.has(step.id)).map((step) => oneLine(step.title));
}

function recordRows({ salvage, quarantine }: RunView, { width }: Layout): Row[] {
  return [...tallyRows(salvage, 'salvaged', width), ...tallyRows(quarantine, 'in quarantine', width)];
}

function tallyRows({ count, latest }: Tally, what: string, width: number): Row[] {
  if (count === 0) return [];
  const said = `${formatNumberOf(count, 'record', 'records')} ${what}, the latest: ${oneLine(latest ?? '')}`;
  return [[span(' '), mark('warn'), span(` ${truncateText(said, width - 3)}`)]];
}
