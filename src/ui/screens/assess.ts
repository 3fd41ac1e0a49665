import { formatNumberOf } from '../../report/format.js';
import type { RunView } from '../../report/view-model.js';
import type { Layout } from '../layout.js';
import { clipRows, hanging, span, spinner, type Row } from '../rows.js';

/** What is being read; the findings themselves stand above, as they were made. */
export function assessRows(view: RunView, layout: Layout, budget: number): Row[] {
  const doing =
    view.assessment === null
      ? 'Reading the graph, the vectors and the backups. Nothing is changed.'
      : 'Weighing the plans against what was found.';
  const rows = [
    [span('ASSESS', 'title')],
    ...hanging([span(' '), spinner(), span(' ')], doing, layout.width),
    ...foundRows(view),
  ];
  return clipRows(rows, budget);
}

function foundRows({ findings }: RunView): Row[] {
  const problems = findings.filter((finding) => finding.severity === 'problem').length;
  const warnings = findings.filter((finding) => finding.severity === 'warning').length;
  if (problems + warnings === 0) return [];
  const found = `${formatNumberOf(problems, 'problem', 'problems')}, ${formatNumberOf(warnings, 'warning', 'warnings')}`;
  return [[span(`   found so far: ${found}`, 'quiet')]];
}
