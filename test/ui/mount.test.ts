import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { RunControls, TimedEvent } from '../../src/recovery/events.js';
import { mountUi, type MountedUi } from '../../src/ui/mount.js';
import { at, goodRun, opening, START } from '../report/fixtures.js';

interface Mounted {
  ui: MountedUi;
  say: (event: TimedEvent) => void;
  listeners: () => number;
  written: () => string;
}

/** The UI on streams that only claim to be a terminal; `raw` is whether the input knows raw mode. */
function mounted({ raw = true, columns = 80, rows = 24 } = {}): Mounted {
  let written = '';
  const output = new PassThrough();
  output.on('data', (chunk: Buffer) => (written += chunk.toString()));
  const stdout = Object.assign(output, { isTTY: true, columns, rows }) as unknown as NodeJS.WriteStream;
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    ref: () => undefined,
    unref: () => undefined,
  });
  if (raw) Object.assign(input, { setRawMode: () => input });
  const listeners = new Set<(event: TimedEvent) => void>();
  const nothing = (): void => undefined;
  const controls: RunControls = {
    choose: nothing,
    confirm: nothing,
    fix: nothing,
    back: nothing,
    cancel: nothing,
    interrupt: nothing,
  };
  const ui = mountUi({
    events: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    controls,
    stdout,
    stdin: input as unknown as NodeJS.ReadStream,
    now: () => START,
  });
  return {
    ui,
    say: (event) => {
      for (const listener of listeners) listener(event);
    },
    listeners: () => listeners.size,
    written: () => written,
  };
}

describe('mounting the UI', () => {
  it('paints at once, before the run says anything', async () => {
    const { ui, written } = mounted();
    await expect.poll(written).toContain('ASSESS');
    await ui.unmount();
  });

  it('leaves by itself after the summary, and stops listening', async () => {
    const { ui, say, listeners, written } = mounted();
    for (const event of goodRun()) say(event);
    await ui.waitUntilExit();
    expect(written().match(/Recovered\. All 5 checks passed\./g)).toHaveLength(1);
    expect(listeners()).toBe(0);
    await ui.unmount();
  });

  it('leaves when it is told to, and then still says why the run failed', async () => {
    const { ui, say, written } = mounted();
    for (const event of opening()) say(event);
    say(
      at(2, {
        type: 'failure',
        code: 'c',
        message: 'Could not read the graph.',
        hint: 'Start it.',
        exitCode: 10,
      }),
    );
    await ui.unmount();
    await ui.waitUntilExit();
    expect(written()).toMatch(/Could not read the graph\.[^]*Start it\./);
  });

  it('needs neither raw mode nor a size', async () => {
    const { ui, say, written } = mounted({ raw: false, columns: 0, rows: 0 });
    for (const event of opening()) say(event);
    await expect.poll(written).toContain('CHOOSE A PLAN');
    expect(written()).not.toContain('Raw mode is not supported');
    await ui.unmount();
  });
});
