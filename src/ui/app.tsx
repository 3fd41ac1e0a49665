import { Static } from 'ink';
import type { ReactNode } from 'react';
import type { RunControls } from '../recovery/events.js';
import { Rows } from './components/rows.js';
import { useClock } from './hooks/use-clock.js';
import { useKeyboard } from './hooks/use-keyboard.js';
import { useRun } from './hooks/use-run.js';
import { layoutOf, type Layout } from './layout.js';
import { logRows } from './log-rows.js';
import type { UiModel } from './model.js';
import type { Row } from './rows.js';
import type { RunStore } from './run-store.js';
import { finalRows } from './screens/report.js';
import { liveRows } from './screens/screen.js';
import type { TerminalSize } from './terminal.js';

export interface AppProps {
  store: RunStore;
  controls: RunControls;
  size: TerminalSize;
  now: () => number;
}

/** The UI of a run: what is finished goes into the scrollback, below it the screen of the phase. */
export function App({ store, controls, size, now }: AppProps): ReactNode {
  const model = useRun(store);
  const time = useClock(now);
  useKeyboard(store, controls);
  const layout = layoutOf(size);
  return (
    <>
      <Static items={finishedBlocks(model)}>
        {(block, index) => <Rows key={index} rows={block(layout)} />}
      </Static>
      {model.ended ? null : <Rows rows={liveRows(model, layout, time)} />}
    </>
  );
}

type Block = (layout: Layout) => Row[];

/** One block for each finished thing, and the report as the last one. A block is drawn once, when it appears. */
function finishedBlocks({ log, ended, view }: UiModel): Block[] {
  const blocks = log.map(
    (entry): Block =>
      (layout) =>
        logRows(entry, layout.width),
  );
  return ended ? [...blocks, (layout) => finalRows(view, layout)] : blocks;
}
