import { join } from 'node:path';
import { Failure } from '../../failure.js';
import { Journal } from '../../recovery/journal.js';
import { listRuns, standingChanges, type RunState, type RunStatus } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { ChangedStores } from '../../steps/undo.js';
import { storesOf } from '../run/session-options.js';
import { letGo } from './forget-run.js';

/** Ends of a repair after which nobody goes on with it. One that was rolled back keeps what was live until then. */
const OVER: ReadonlySet<RunStatus> = new Set(['recovered', 'recovered-with-losses', 'validation-failed']);

/**
 * Lets go of what older repairs of the same stores keep, but for the newest ones: from cron they would pile up. Runs of
 * another kind, and repairs that can go on or were rolled back, are left alone. What cannot be freed is said, and is no
 * reason for a repair to fail.
 *
 * @param run the repair that was just done; the lease is its own
 * @param keep how many of those before it go on keeping what they keep
 */
export async function forgetOlderRepairs(
  { run, keep }: { run: string; keep: number },
  settings: Settings,
  stores: ChangedStores,
  say: (text: string) => void,
): Promise<void> {
  const runs = listRuns(settings.folders.state);
  const doomed = olderRepairs(runs, run, settings).slice(keep);
  const done: string[] = [];
  try {
    for (const state of doomed) {
      await letGoOf(state, runs, stores);
      done.push(state.header.run);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const name = doomed[done.length]?.header.run ?? '';
    say(
      `What the older repair ${name} keeps could not be let go of: ${error.message}. To try again: lifeboat runs forget ${name} --confirm ${settings.graph.name}`,
    );
  }
  if (done.length > 0)
    say(
      `Let go of what ${done.length === 1 ? 'an older repair' : `${done.length} older repairs`} kept (${done.join(', ')}): this one and ${keep} before it can be rolled back (--keep ${keep}).`,
    );
}

/** Newest first. */
function olderRepairs(runs: readonly RunState[], run: string, settings: Settings): RunState[] {
  const here = JSON.stringify(storesOf(settings));
  const startedAt = runs.find(({ header }) => header.run === run)?.startedAt ?? '';
  return runs.filter(
    (state) =>
      state.header.command === 'repair' &&
      state.startedAt < startedAt &&
      OVER.has(state.status) &&
      sameStores(state) === here &&
      standingChanges(state).length > 0,
  );
}

/** Whatever order an earlier version wrote them in. */
function sameStores({ header }: RunState): string {
  const { graph, graphName, vectors, collection } = header.stores;
  return JSON.stringify({ graph, graphName, vectors, collection });
}

async function letGoOf(state: RunState, runs: readonly RunState[], stores: ChangedStores): Promise<void> {
  const journal = Journal.open(join(state.folder, 'journal.ndjson'));
  try {
    await letGo(state, runs, stores, journal, () => undefined);
  } finally {
    journal.close();
  }
}
