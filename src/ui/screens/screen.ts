import { footerRows } from '../components/footer.js';
import { headerRows } from '../components/header.js';
import type { Layout } from '../layout.js';
import { screenOf, type UiModel } from '../model.js';
import { BLANK, type Row } from '../rows.js';
import { assessRows } from './assess.js';
import { confirmRows } from './confirm.js';
import { executeRows } from './execute.js';
import { planRows } from './plan.js';
import { reportingRows } from './report.js';
import { validateRows } from './validate.js';

/** The whole live area: header, panel and keys, never more rows than the layout allows. */
export function liveRows(model: UiModel, layout: Layout, nowMs: number): Row[] {
  const footer = footerRows(model, layout);
  const header = headerRows(model.view, layout, nowMs);
  const gap = layout.roomy ? [BLANK] : [];
  const budget = layout.liveRows - footer.length;
  const room = budget - header.length - gap.length * 3;
  // A terminal of a few rows shows the panel rather than the clock.
  if (room < 3)
    return [...panelRows(model, layout, Math.max(1, budget)).slice(0, Math.max(0, budget)), ...footer];
  return [...gap, ...header, ...gap, ...panelRows(model, layout, room), ...gap, ...footer];
}

function panelRows(model: UiModel, layout: Layout, budget: number): Row[] {
  const { view } = model;
  switch (screenOf(view)) {
    case 'assess':
      return assessRows(view, layout, budget);
    case 'plan':
      return planRows(model, layout, budget);
    case 'confirm':
      return view.confirm === null ? [] : confirmRows(model, view.confirm, layout, budget);
    case 'execute':
      return executeRows(model, layout, budget);
    case 'validate':
    case 'offer':
    case 'mending':
      return validateRows(view, layout, budget);
    case 'report':
      return reportingRows(view);
  }
}
