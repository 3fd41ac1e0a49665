import type { Assessment } from '../../assess/types.js';
import { ExitCode, Failure } from '../../failure.js';
import type { RunState } from '../../recovery/run-state.js';

const GONE: ReadonlySet<string> = new Set(['lost', 'empty']);

/** A service that goes on makes a few memories; so many come from another recovery. */
const MANY = 20;

/**
 * What was confirmed was confirmed for stores that had lost their data. Where they have it again, and not by this run, going
 * on would replace what somebody else brought back.
 *
 * @throws Failure (exit 2) that names the store
 */
export function refuseChangedStores(resumed: RunState, before: Assessment | null, now: Assessment): void {
  if (before === null) return;
  const changed = new Set(resumed.changes.map(({ change }) => ('graph' in change ? 'graph' : 'vectors')));
  // There a person brings the graph back.
  if (resumed.plan?.steps.includes('await-graph') === true) changed.add('graph');
  const once = Math.max(
    before.vectors.points,
    before.graph.memories,
    before.backups.newest?.counts?.memories ?? 0,
  );
  const isBack = (count: number): boolean => count >= MANY && count * 2 >= once;
  if (!changed.has('graph') && GONE.has(before.graph.state) && isBack(now.graph.memories)) {
    throw isThereAgain(
      resumed,
      `the graph was ${before.graph.state}, and holds ${now.graph.memories} memories now`,
    );
  }
  if (!changed.has('vectors') && GONE.has(before.vectors.state) && isBack(now.vectors.points)) {
    throw isThereAgain(
      resumed,
      `the collection was ${before.vectors.state}, and holds ${now.vectors.points} points now`,
    );
  }
}

function isThereAgain({ header }: RunState, reason: string): Failure {
  return new Failure({
    operation: 'go on with the run',
    subject: header.run,
    reason: `the stores are no longer as they were when it was confirmed: ${reason}, and not by this run`,
    hint: 'Nothing was changed. Look at them with: lifeboat assess --deep. To recover as they are now, begin a new run: lifeboat recover',
    exitCode: ExitCode.usage,
    code: 'stores-changed-since',
  });
}
