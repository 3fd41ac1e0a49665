import { Interrupted } from '../../failure.js';
import type { CommandContext } from '../context.js';

/** What stops a command when the operator does. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** The same error, or that it was the operator. */
  explain(error: unknown): unknown;
  end(): void;
}

/** Turns the first SIGINT or SIGTERM into an abort, so that the command can clear up behind itself. */
export function interruption(context: CommandContext): Interruption {
  const controller = new AbortController();
  const release = context.onInterrupt(() => {
    if (!controller.signal.aborted) context.err('Stopping; nothing unfinished is left behind.\n');
    controller.abort(new Interrupted());
  });
  return {
    signal: controller.signal,
    explain: (error) => (controller.signal.aborted ? new Interrupted() : error),
    end: release,
  };
}
