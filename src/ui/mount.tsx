import { render } from 'ink';
import type { ReactNode } from 'react';
import type { RunControls, TimedEvent } from '../recovery/events.js';
import { App } from './app.js';
import { createRunStore } from './run-store.js';
import { terminalStream } from './terminal-stream.js';
import { terminalSize } from './terminal.js';

export interface UiOptions {
  /** Calls the listener with every event from now on; mount before the run starts. Returns how to stop listening. */
  events: (listener: (event: TimedEvent) => void) => () => void;
  controls: RunControls;
  stdout: NodeJS.WriteStream;
  stdin: NodeJS.ReadStream;
  /** Milliseconds since the epoch, of the same clock as the times of the events. */
  now: () => number;
  /** False where the locale is not UTF-8 (see `isUtf8Locale`): the screen is drawn in ASCII. */
  unicode?: boolean;
}

export interface MountedUi {
  /** Takes the live area away and gives the terminal back. What is finished, and the report, stay. */
  readonly unmount: () => Promise<void>;
  /** Settles when the UI has gone: after the summary was shown, or after `unmount`. Rejects where drawing failed. */
  readonly waitUntilExit: () => Promise<void>;
}

/**
 * Shows a run in the terminal until its summary, and hands the keys of the person to it. The only owner of Ink's exit:
 * Ctrl-C is a key like any other, and the UI leaves by itself once the report stands in the scrollback.
 */
export function mountUi(options: UiOptions): MountedUi {
  const { controls, stdout, stdin, now, unicode = true } = options;
  const store = createRunStore();
  const terminal = terminalStream(stdout, unicode);
  const app = (): ReactNode => (
    <App store={store} controls={controls} size={terminalSize(stdout)} now={now} />
  );
  const unsubscribe = options.events(store.receive);
  const onResize = (): void => {
    terminal.settleResize();
    instance.rerender(app());
  };
  // Before Ink's own listener, which would draw the old screen at the new size.
  stdout.on('resize', onResize);
  const instance = render(app(), {
    stdout: terminal.stream,
    stdin,
    exitOnCtrlC: false,
    // The caller has checked; Ink would decide again from the environment.
    interactive: true,
    // Nothing here writes to the console, and it is not the UI's to change.
    patchConsole: false,
  });
  let leaving = false;
  const settled = instance
    .waitUntilExit()
    .then(() => undefined)
    .finally(() => {
      leaving = true;
      unsubscribe();
      store.close();
      stdout.off('resize', onResize);
    });
  // The caller may wait late, or only unmount: a failure is then still its own to see, not an unhandled one.
  settled.catch(() => undefined);
  const leave = async (): Promise<void> => {
    if (leaving) return;
    leaving = true;
    // One more drawing, so that the report stands before the terminal is given back.
    instance.rerender(app());
    await instance.waitUntilRenderFlush();
    instance.unmount();
  };
  store.subscribe(() => {
    if (store.get().ended) void leave();
  });
  return {
    unmount: async () => {
      store.update((model) => ({ ...model, ended: true }));
      await leave();
      await settled.catch(() => undefined);
    },
    waitUntilExit: () => settled,
  };
}
