import { textWidth } from '../../report/text.js';
import { keyHints } from '../keys.js';
import type { Layout } from '../layout.js';
import { screenOf, type UiModel } from '../model.js';
import { hanging, span, type Row } from '../rows.js';

/** The bottom of every screen: whether the run is stopping, and, last, the keys. */
export function footerRows(model: UiModel, layout: Layout): Row[] {
  return [
    ...stoppingRows(model, layout),
    keyRow(keyHints(screenOf(model.view), model.ui.interrupts), layout.width),
  ];
}

function stoppingRows({ view, ui }: UiModel, layout: Layout): Row[] {
  const message = stoppingSays(ui.interrupts, view.stopping);
  if (message === null) return [];
  // On a terminal of a few rows, the keys and the panel come first.
  const room = Math.max(0, Math.min(3, layout.liveRows - 3));
  return hanging([span(' ! ', 'warn')], message, layout.width, 'warn').slice(0, room);
}

function stoppingSays(interrupts: number, stopping: string | null): string | null {
  if (interrupts > 1) return 'aborting now';
  // The run knows what it finishes first; until it has said so, this much is sure.
  return stopping ?? (interrupts === 1 ? 'stopping; Ctrl-C again to abort now' : null);
}

/** As many keys as fit; at least one. */
function keyRow(hints: readonly string[], width: number): Row {
  let line = '';
  for (const hint of hints) {
    const longer = line === '' ? hint : `${line} · ${hint}`;
    if (line !== '' && textWidth(longer) + 1 > width) break;
    line = longer;
  }
  return [span(` ${line}`, 'quiet')];
}
