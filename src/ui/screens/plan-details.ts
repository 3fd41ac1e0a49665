import type { PlanOption } from '../../plans/types.js';
import { estimateOf, lossOf } from '../../report/words.js';
import type { Layout } from '../layout.js';
import { hanging, span, type Row } from '../rows.js';

const LABEL_WIDTH = 10;

/** What a plan does, costs and cannot do, wrapped. The most important first: the end is cut on a small terminal. */
export function planDetails(option: PlanOption, layout: Layout): Row[] {
  const facts: [string, string][] = [
    ['you lose', lossOf(option)],
    ['changes', option.changes.length === 0 ? 'nothing' : option.changes.join(', ')],
    ['takes', estimateOf(option)],
    ['note', option.guidance],
    ['steps', option.steps.map((step, index) => `${index + 1} ${step.title}`).join(', ')],
  ];
  return facts.flatMap(([label, text]) => (text === '' ? [] : factRows(label, text, layout)));
}

/** A label and its text; on a narrow terminal the text goes below. */
export function factRows(label: string, text: string, layout: Layout): Row[] {
  if (!layout.narrow) return hanging([span(`   ${label.padEnd(LABEL_WIDTH)}`, 'quiet')], text, layout.width);
  return hanging([span(`   ${label} `, 'quiet')], text, layout.width).map((row, index) =>
    // Under a short label there is no room to waste on a deep indent.
    index === 0 ? row : [span('     '), ...row.slice(1)],
  );
}
