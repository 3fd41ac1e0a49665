import { textWidth } from '../../report/text.js';
import type { ConfirmView } from '../../report/view-model.js';
import type { Layout } from '../layout.js';
import type { UiModel } from '../model.js';
import { BLANK, hanging, mark, pageRows, span, type Row } from '../rows.js';
import { CURSOR } from '../theme.js';
import { planDetails } from './plan-details.js';

/** What is about to happen, and the name to type before it does. */
export function confirmRows(model: UiModel, confirm: ConfirmView, layout: Layout, budget: number): Row[] {
  const option = model.view.options.find((one) => one.name === confirm.plan);
  const answer = [
    ...mismatchRows(confirm, model.ui.typed, layout),
    ...inputRows(confirm.name, model.ui.typed, layout.width),
  ];
  const title: Row = [
    span(`CONFIRM ${confirm.plan}`, 'title'),
    span(option === undefined ? '' : `   ${option.title}`),
  ];
  const room = budget - answer.length - 1;
  const blank = layout.roomy ? 1 : 0;
  const details =
    option === undefined ? [] : pageRows(planDetails(option, layout), room - blank, model.ui.page);
  // Where nothing fits but one part, it is the answer.
  return [...(room >= 0 ? [title] : []), ...details, ...(blank === 1 && room > 0 ? [BLANK] : []), ...answer];
}

function mismatchRows({ name, rejected }: ConfirmView, typed: string, { width }: Layout): Row[] {
  if (rejected === null || typed !== '') return [];
  return hanging(
    [span(' '), mark('bad'), span(' ')],
    `"${rejected}" is not "${name}". Nothing was changed.`,
    width,
    'bad',
  );
}

function inputRows(name: string, typed: string, width: number): Row[] {
  const prompt = ` Type ${name} to confirm, Esc to go back: `;
  if (textWidth(prompt) + Math.max(textWidth(name), textWidth(typed)) + 1 <= width) {
    return [[span(prompt), ...typedSpans(typed, width)]];
  }
  // Too narrow for both: the answer gets its own line.
  return [
    ...hanging([span(' ')], `Type ${name} to confirm:`, width),
    [span('   '), ...typedSpans(typed, width - 3)],
  ];
}

/** The end of what was typed, where the cursor is. */
function typedSpans(typed: string, width: number): Row {
  const room = Math.max(1, width - 1);
  let shown = typed;
  while (textWidth(shown) > room) shown = Array.from(shown).slice(1).join('');
  return [span(shown, 'accent'), span(CURSOR, 'quiet')];
}
