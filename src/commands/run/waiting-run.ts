import type { Finding } from '../../assess/types.js';
import { isResumable, listRuns, type RunState } from '../../recovery/run-state.js';
import { WAITING_RUN } from '../../report/words.js';
import type { Settings } from '../../settings/settings.js';
import { storesOf } from './session-options.js';

/**
 * The finding that the latest run on these stores did not come to its end, with how it goes on; null where it did.
 * What an earlier run left undone counts no longer once a later one was carried through.
 */
export function waitingRun(settings: Settings): Finding | null {
  const now = JSON.stringify(storesOf(settings));
  const latest = listRuns(settings.folders.state)
    .filter(
      ({ header, plan }) => plan !== null && !header.request.dryRun && JSON.stringify(header.stores) === now,
    )
    // Names of runs tell the second, and one that was resumed may have ended after one that began later.
    .sort((a, b) => (a.lastAt < b.lastAt ? 1 : -1))
    .at(0);
  return latest !== undefined && isResumable(latest) ? findingOf(latest) : null;
}

function findingOf({ header, plan, startedAt, status }: RunState): Finding {
  const began = startedAt.slice(0, 16).replace('T', ' ');
  return {
    severity: 'warning',
    code: WAITING_RUN,
    message: `The run ${header.run} (${plan?.name ?? header.command}, ${began} UTC) waits: it ${HOW[status] ?? status}.`,
    action: `To continue the run that waits: lifeboat runs resume ${header.run}`,
  };
}

const HOW: Partial<Record<RunState['status'], string>> = {
  unfinished: 'was killed, or is still at work',
  failed: 'failed',
  interrupted: 'was stopped',
};
