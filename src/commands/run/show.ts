import type { Summary } from '../../recovery/events.js';
import { linesView } from '../../report/lines.js';
import { ndjsonView } from '../../report/ndjson.js';
import { canMountUi, isUtf8Locale, uiEnvironment } from '../../ui/terminal.js';
import type { CommandContext } from '../context.js';
import type { RunSession } from './session.js';

export interface ViewOptions {
  json: boolean;
  /** False with --no-input. */
  input: boolean;
}

/** Whether a person can be asked: the terminal UI can be shown. */
export function isInteractive({ terminal, env }: CommandContext, { json, input }: ViewOptions): boolean {
  return (
    terminal !== null && canMountUi({ stdin: terminal.stdin, stdout: terminal.stdout, env, json, input })
  );
}

/** Runs a session and shows it: the terminal UI where there is one, else NDJSON or plain lines. */
export async function showRun(
  session: RunSession,
  context: CommandContext,
  options: ViewOptions,
): Promise<Summary> {
  const stopListening = context.onInterrupt(() => session.controls.interrupt());
  try {
    if (context.terminal !== null && isInteractive(context, options))
      return await inTerminal(session, context, context.terminal);
    const write = (line: string): void => context.out(`${line}\n`);
    session.bus.subscribe(options.json ? ndjsonView(write) : linesView(write));
    return await session.execute();
  } finally {
    stopListening();
  }
}

async function inTerminal(
  session: RunSession,
  context: CommandContext,
  terminal: NonNullable<CommandContext['terminal']>,
): Promise<Summary> {
  // The colour library and React read these while they load.
  context.setEnvironment(uiEnvironment(context.env));
  const { mountUi } = await import('../../ui/mount.js');
  // The UI writes to the terminal itself; the word of the start must be gone by then.
  context.out('');
  const ui = mountUi({
    events: (listener) => session.bus.subscribe(listener),
    controls: session.controls,
    stdout: terminal.stdout,
    stdin: terminal.stdin,
    now: Date.now,
    unicode: isUtf8Locale(context.env),
  });
  try {
    const summary = await session.execute();
    await ui.waitUntilExit();
    return summary;
  } finally {
    await ui.unmount();
  }
}
