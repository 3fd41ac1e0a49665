import type { PlanOption } from '../../plans/types.js';
import { formatDuration } from '../../report/format.js';
import { oneLine, textWidth, truncateText } from '../../report/text.js';
import { lossOf, mayTake } from '../../report/words.js';
import type { Layout } from '../layout.js';
import { cursorIndex, type UiModel } from '../model.js';
import { BLANK, cell, hanging, pageRows, pagesOf, span, windowRows, type Row } from '../rows.js';
import { NOT_APPLICABLE, POINTER } from '../theme.js';
import { factRows, planDetails } from './plan-details.js';

/** Rows that the details keep where there are more plans than fit. */
const DETAILS = 4;

interface Columns {
  name: number;
  estimate: number;
  /** 0 where there is no room for the last two. */
  loses: number;
}

/** Every plan, also those that do not apply, and what the one under the cursor would do. */
export function planRows(model: UiModel, layout: Layout, budget: number): Row[] {
  const { options } = model.view;
  const at = cursorIndex(model);
  const columns = columnsFor(options, layout);
  const table = options.map((option, index) =>
    optionRow(
      option,
      { chosen: index === at, recommended: option.name === model.view.recommended },
      columns,
      layout,
    ),
  );
  const refused = refusedRows(model, layout);
  const option = options[at];
  const details = option === undefined ? [] : detailRows(option, model.view.recommended, layout);
  // The table comes first; the details get what is left, and what they need of it when there are many plans.
  const tableRoom = Math.max(
    3,
    Math.min(table.length, budget - 1 - refused.length - Math.min(details.length + 1, DETAILS)),
  );
  const shown = windowRows(table, at, tableRoom);
  const gap = layout.roomy ? [BLANK] : [];
  const left = budget - 1 - shown.length - refused.length - gap.length;
  // Leafing on shows the details alone, page by page, and then the table again.
  const page = details.length > left ? model.ui.page % (pagesOf(details, budget) + 1) : 0;
  if (page > 0) return pageRows(details, budget, page - 1);
  return [headRow(columns, layout), ...shown, ...refused, ...gap, ...pageRows(details, left, 0)].slice(
    0,
    Math.max(1, budget),
  );
}

function columnsFor(options: readonly PlanOption[], { narrow, width }: Layout): Columns {
  const widest = Math.max(13, ...options.map((option) => textWidth(option.name) + (mayTake(option) ? 0 : 2)));
  const name = Math.min(widest, Math.floor(width / (narrow ? 1.7 : 3)));
  const losses = options.filter((option) => option.applies).map((option) => textWidth(lossOf(option)));
  const loses = narrow ? 0 : Math.min(Math.max(8, ...losses), Math.floor((width - name) / 3));
  // A narrow terminal has the room for the word "recommended" only where no column is wider than it must be.
  const estimate = narrow ? Math.max(4, ...options.map((option) => textWidth(estimateCell(option)))) : 6;
  return { name, estimate, loses };
}

function headRow({ name, estimate, loses }: Columns, { narrow }: Layout): Row {
  const title = span(cell('CHOOSE A PLAN', name + 5), 'title');
  if (narrow) return [title, span('est.', 'quiet')];
  return [title, span(`${cell('est.', estimate)}  ${cell('you lose', loses)}  changes`, 'quiet')];
}

interface Marks {
  chosen: boolean;
  recommended: boolean;
}

function optionRow(option: PlanOption, marks: Marks, columns: Columns, layout: Layout): Row {
  const pointer = marks.chosen ? span(` ${POINTER} `, 'accent') : span('   ');
  const label = mayTake(option) ? option.name : `${NOT_APPLICABLE} ${option.name}`;
  const name = cell(truncateText(label, columns.name), columns.name);
  if (!option.applies) {
    const says = option.onRequest === true ? onRequestSays(option) : option.reason;
    const reason = span(`  ${truncateText(oneLine(says), layout.width - columns.name - 5)}`, 'quiet');
    return [pointer, span(name, marks.chosen ? 'accent' : mayTake(option) ? 'plain' : 'quiet'), reason];
  }
  // The details of a narrow terminal have no room for the word.
  const rest = layout.narrow ? (marks.recommended ? 'recommended' : '') : costCells(option, columns);
  const numbers = span(`  ${cell(estimateCell(option), columns.estimate)}  ${rest}`);
  return [pointer, span(name, marks.chosen ? 'accent' : 'plain'), numbers];
}

/** The details have the time that it takes. */
function onRequestSays({ reason }: PlanOption): string {
  return `on request: ${reason}`;
}

function estimateCell({ estimateSeconds }: PlanOption): string {
  return estimateSeconds === null ? '?' : formatDuration(estimateSeconds);
}

function costCells(option: PlanOption, { loses }: Columns): string {
  const changes = option.changes.length === 0 ? 'nothing' : option.changes.map(oneLine).join(', ');
  return `${cell(truncateText(oneLine(lossOf(option)), loses), loses)}  ${changes}`;
}

function detailRows(option: PlanOption, recommended: string | null, layout: Layout): Row[] {
  const title = `${option.title}${option.name === recommended && !layout.narrow ? ' (recommended)' : ''}`;
  const rows = hanging([span(' ')], title, layout.width, 'title');
  if (option.applies)
    return [...rows, ...planDetails(option, layout), ...factRows('why', option.reason, layout)];
  if (!mayTake(option)) return [...rows, ...factRows('why not', option.reason, layout)];
  return [...rows, ...factRows('why', onRequestSays(option), layout), ...planDetails(option, layout)];
}

function refusedRows({ ui }: UiModel, layout: Layout): Row[] {
  return ui.refused === null
    ? []
    : hanging([span(` ${NOT_APPLICABLE} `, 'warn')], ui.refused, layout.width, 'warn');
}
