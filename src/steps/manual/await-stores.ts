import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, Failure } from '../../failure.js';
import type { Step, StepContext } from '../step.js';

const POLL_MS = 1_000;
/** A restart takes seconds; a server that needs longer needs a person. */
const WAIT_SECONDS = 30;

/** Gives a store that does not answer time to come back, such as after a restart. */
export const awaitStores: Step = {
  id: 'await-stores',
  title: 'Wait for the stores',
  writes: false,
  withoutGraph: true,
  async run(context) {
    context.notice('A store does not answer: restart it now (its log tells why it is away).');
    context.progress('seconds', 0, WAIT_SECONDS);
    let reason = await whyAway(context);
    for (let waited = 0; reason !== null && waited < WAIT_SECONDS; waited += POLL_MS / 1000) {
      context.progress('seconds', waited, WAIT_SECONDS);
      await sleep(POLL_MS, undefined, { signal: context.stopSignal }).catch(() => undefined);
      context.stopSignal.throwIfAborted();
      reason = await whyAway(context);
    }
    if (reason === null) return 'both stores answer';
    throw new Failure({
      operation: 'reach both stores',
      subject: 'the store that is away',
      reason: `${reason}, also ${WAIT_SECONDS} s later`,
      hint: 'Start it, then run the command again.',
      exitCode: ExitCode.unreachable,
      code: 'store-away',
    });
  },
};

async function whyAway({ openGraph, vectors }: StepContext): Promise<string | null> {
  try {
    const graph = await openGraph();
    await graph.command('reach the graph server', 'PING');
    graph.close();
    await vectors.version();
    return null;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.reason;
  }
}
