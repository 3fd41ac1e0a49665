import { Interrupted } from '../../failure.js';
import type { CommandContext } from '../context.js';

/** What stops a command when the operator does. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** The same error, or that it was the operator. */
  explain(error: unknown): unknown;
  end(): void;
}

/**
 * Turns the first SIGINT or SIGTERM into an abort, so that the command can clear up behind itself. The second one is left to
 * the system, which ends the process at once.
 */
export function interruption(context: CommandContext): Interruption {
  const controller = new AbortController();
  let release = (): void => undefined;
  release = context.onInterrupt(() => {
    release();
    if (controller.signal.aborted) return;
    context.err('Stopping; nothing unfinished is left behind. The same again ends it at once.\n');
    controller.abort(new Interrupted());
  });
  return {
    signal: controller.signal,
    explain: (error) => (controller.signal.aborted ? new Interrupted() : error),
    end: () => release(),
  };
}
