import { reportSections } from '../../report/report-sections.js';
import type { RunView } from '../../report/view-model.js';
import type { Layout } from '../layout.js';
import { logRows, reportRows } from '../log-rows.js';
import { BLANK, span, spinner, type Row } from '../rows.js';

/** While the report is being written. */
export function reportingRows({ run }: RunView): Row[] {
  const doing =
    run?.command === 'drill'
      ? 'Comparing the recovered graph with the one before the damage'
      : 'Writing the report and its evidence';
  return [[span('REPORT', 'title')], [span(' '), spinner(), span(` ${doing}`)]];
}

/** What stays in the scrollback when the run is over: the report, or the failure of a run that never came to one. */
export function finalRows(view: RunView, { width }: Layout): Row[] {
  const { summary, failure } = view;
  const sections = reportSections(view, 'terminal');
  if (summary !== null && sections !== null) {
    return reportRows(`${summary.command} ${summary.run}`, sections, width);
  }
  if (failure === null) return [];
  return [BLANK, ...logRows({ tone: 'bad', text: failure.message, then: failure.hint }, width)];
}
