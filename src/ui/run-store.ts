import { logEntries, type LogEntry } from '../report/log-entries.js';
import { printableDeep } from '../report/text.js';
import { reduceView, type RunFacts } from '../report/view-model.js';
import type { TimedEvent } from '../recovery/events.js';
import { emptyModel, type UiModel } from './model.js';

/** Drawing more often than this shows nothing more. */
const NOTIFY_MS = 40;

export interface RunStore {
  readonly get: () => UiModel;
  /** Calls the listener after changes, several at once where they come fast. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly receive: (event: TimedEvent) => void;
  readonly update: (change: (model: UiModel) => UiModel) => void;
  /** Stops the timer of a change that nobody was told yet. */
  readonly close: () => void;
}

/** Holds what the UI shows. A run may say ten thousand things a second; the listeners hear of them in batches. */
export function createRunStore(): RunStore {
  let model = emptyModel();
  let timer: NodeJS.Timeout | null = null;
  let told = 0;
  const listeners = new Set<() => void>();
  const tell = (): void => {
    timer = null;
    told = performance.now();
    for (const listener of listeners) listener();
  };
  const update = (change: (model: UiModel) => UiModel): void => {
    model = change(model);
    timer ??= setTimeout(tell, Math.max(0, NOTIFY_MS - (performance.now() - told)));
  };
  return {
    get: () => model,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    receive: (event) => update((before) => receive(before, event)),
    update,
    close: () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
  };
}

function receive(model: UiModel, raw: TimedEvent): UiModel {
  const event = printableDeep(raw);
  const view = reduceView(model.view, event);
  const entries = loggedBy(event, view.run);
  return {
    ...model,
    view,
    log: entries.length === 0 ? model.log : [...model.log, ...entries],
    ended: model.ended || event.type === 'summary',
  };
}

/** What stays above the live area: finished things. What is live now, or comes again in the report, is left out. */
const LOGGED: ReadonlySet<TimedEvent['type']> = new Set([
  'finding',
  'assessment',
  'confirm.accepted',
  'fix.started',
  'resumed',
  'step.finished',
  'notice',
  'check',
] as const);

function loggedBy(event: TimedEvent, run: RunFacts | null): LogEntry[] {
  // A check that passed is on the screen and in the report; one that failed may be mended, and then only the log tells.
  if (event.type === 'check' && event.check.status !== 'fail') return [];
  return LOGGED.has(event.type) ? logEntries(event, run) : [];
}
