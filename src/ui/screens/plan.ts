import type { PlanOption } from '../../plans/types.js';
import { formatDuration } from '../../report/format.js';
import { oneLine, textWidth, truncateText } from '../../report/text.js';
import { lossOf } from '../../report/words.js';
import type { Layout } from '../layout.js';
import { cursorIndex, type UiModel } from '../model.js';
import { BLANK, cell, clipRows, hanging, span, windowRows, type Row } from '../rows.js';
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
  const left = budget - 1 - shown.length - refused.length;
  return [
    headRow(columns, layout),
    ...shown,
    ...refused,
    ...(layout.roomy && left > 1 ? [BLANK, ...clipRows(details, left - 1)] : clipRows(details, left)),
  ].slice(0, Math.max(1, budget));
}

function columnsFor(options: readonly PlanOption[], { narrow, width }: Layout): Columns {
  const widest = Math.max(13, ...options.map((option) => textWidth(option.name) + (option.applies ? 0 : 2)));
  const name = Math.min(widest, Math.floor(width / (narrow ? 1.7 : 3)));
  const losses = options.filter((option) => option.applies).map((option) => textWidth(lossOf(option)));
  const loses = narrow ? 0 : Math.min(Math.max(8, ...losses), Math.floor((width - name) / 3));
  return { name, estimate: 6, loses };
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
  const label = option.applies ? option.name : `${NOT_APPLICABLE} ${option.name}`;
  const name = cell(truncateText(label, columns.name), columns.name);
  if (!option.applies) {
    const reason = truncateText(oneLine(option.reason), layout.width - columns.name - 5);
    return [pointer, span(`${name}  ${reason}`, marks.chosen ? 'plain' : 'quiet')];
  }
  const estimate = option.estimateSeconds === null ? '?' : formatDuration(option.estimateSeconds);
  // The details of a narrow terminal have no room for the word.
  const rest = layout.narrow ? (marks.recommended ? 'recommended' : '') : costCells(option, columns);
  const numbers = span(`  ${cell(estimate, columns.estimate)}  ${rest}`);
  return [pointer, span(name, marks.chosen ? 'accent' : 'plain'), numbers];
}

function costCells(option: PlanOption, { loses }: Columns): string {
  const changes = option.changes.length === 0 ? 'nothing' : option.changes.map(oneLine).join(', ');
  return `${cell(truncateText(oneLine(lossOf(option)), loses), loses)}  ${changes}`;
}

function detailRows(option: PlanOption, recommended: string | null, layout: Layout): Row[] {
  const title = `${option.title}${option.name === recommended && !layout.narrow ? ' (recommended)' : ''}`;
  const why = factRows(option.applies ? 'why' : 'why not', option.reason, layout);
  const rows = hanging([span(' ')], title, layout.width, 'title');
  return option.applies ? [...rows, ...planDetails(option, layout), ...why] : [...rows, ...why];
}

function refusedRows({ ui }: UiModel, layout: Layout): Row[] {
  return ui.refused === null
    ? []
    : hanging([span(` ${NOT_APPLICABLE} `, 'warn')], ui.refused, layout.width, 'warn');
}
