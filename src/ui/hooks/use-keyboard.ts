import { useInput, useStdin } from 'ink';
import type { RunControls } from '../../recovery/events.js';
import { press, pressesOf, type Act } from '../keys.js';
import type { RunStore } from '../run-store.js';

/** Takes every key of the UI in one place and hands its meaning to the run. */
export function useKeyboard(store: RunStore, controls: RunControls): void {
  const { isRawModeSupported } = useStdin();
  useInput(
    (input, key) => {
      for (const one of pressesOf(input, key)) {
        const { model, act } = press(store.get(), one);
        // First the screen, then the run: what the run says in answer must find the screen as it is after the key.
        store.update(() => model);
        if (act !== null) perform(act, controls);
      }
    },
    // Without raw mode, Ink would print an error instead of the screen.
    { isActive: isRawModeSupported },
  );
}

function perform(act: Act, controls: RunControls): void {
  switch (act.do) {
    case 'choose':
      controls.choose(act.plan);
      return;
    case 'confirm':
      controls.confirm(act.typed);
      return;
    case 'fix':
      controls.fix();
      return;
    case 'back':
      controls.back();
      return;
    case 'cancel':
      controls.cancel();
      return;
    case 'interrupt':
      controls.interrupt();
      return;
  }
}
