import type { LogEntry } from '../report/log-entries.js';
import { emptyView, type RunView } from '../report/view-model.js';
import { mayTake } from '../report/words.js';

/** What only the terminal UI knows: where the person is and what they typed. */
export interface UiState {
  /** The plan under the cursor; null is the recommended one. */
  cursor: string | null;
  /** Why Enter did nothing on the plan under the cursor. */
  refused: string | null;
  /** What is typed so far into the confirmation. */
  typed: string;
  /** How often the person leafed on in what does not fit the screen. */
  page: number;
  /** How often Ctrl-C was pressed. */
  interrupts: number;
}

export interface UiModel {
  view: RunView;
  ui: UiState;
  /** Finished things, oldest first; only ever appended to, since they are printed once. */
  log: LogEntry[];
  /** True once nothing more will be shown live. */
  ended: boolean;
}

export function emptyModel(): UiModel {
  return {
    view: emptyView(),
    ui: { cursor: null, refused: null, typed: '', page: 0, interrupts: 0 },
    log: [],
    ended: false,
  };
}

export type ScreenName =
  | 'assess'
  | 'plan'
  | 'confirm'
  | 'execute'
  | 'validate'
  /** The validation, when it asks whether to mend what failed. */
  | 'offer'
  /** The validation, while what failed is mended. */
  | 'mending'
  | 'report';

/** The screen that a run is on. */
export function screenOf(view: RunView): ScreenName {
  if (view.summary !== null) return 'report';
  if (view.phase === null || view.phase === 'assess') return 'assess';
  if (view.phase === 'validate' && view.mend !== null)
    return view.mend.state === 'offered' ? 'offer' : 'mending';
  if (view.phase !== 'plan') return view.phase;
  if (view.confirm !== null) return view.confirm.accepted ? 'execute' : 'confirm';
  return view.options.length === 0 ? 'assess' : 'plan';
}

/** Where the cursor is among the plans: on the one that was moved to, else on the recommended or the first that may be taken. */
export function cursorIndex({ view, ui }: UiModel): number {
  const wanted = ui.cursor ?? view.chosen?.plan ?? view.recommended;
  const index = view.options.findIndex((option) =>
    wanted === null ? mayTake(option) : option.name === wanted,
  );
  return Math.max(0, index);
}
