import type { CompareWhen } from '../../assess/assess.js';
import type { BackupDepth } from '../../assess/assess-backups.js';
import type { ComparisonResult } from '../../recovery/events.js';
import { thisProcess } from '../../recovery/holder.js';
import type { JournalEntry, RunHeader } from '../../recovery/journal.js';
import type { RunRequest } from '../../recovery/run-context.js';
import type { RunState } from '../../recovery/run-state.js';
import type { Settings } from '../../settings/settings.js';
import type { RecoveryOptions } from '../../steps/step.js';
import type { BackupChoice } from './assess-actor.js';

export interface SessionOptions {
  /** Lifeboat's own, for the journal. */
  version: string;
  command: 'assess' | 'recover' | 'repair' | 'validate' | 'drill';
  request: RunRequest;
  backup: BackupChoice;
  /** Absolute path of a file to restore from, in place of the folder or bucket; null for those. */
  backupFile: string | null;
  backupDepth: BackupDepth;
  /** Compares the stores memory by memory before a plan is chosen. */
  deep: CompareWhen;
  recovery: RecoveryOptions;
  /** Folders with plans, the built-in one first. */
  planFolders: readonly string[];
  /** Whether a folder with journal and report is kept; reading commands leave no trace. */
  keepsRecord: boolean;
  /** Whether others are kept from recovering meanwhile; what only reads needs none. */
  takesLease: boolean;
  /** Takes the lease from a holder that the operator knows to be dead. */
  takeOver: boolean;
  /** The run that goes on, as its journal tells it; null for a new one. */
  resume: RunState | null;
  /** How many older repairs go on keeping what they keep once this one is done; not given where none is let go of. */
  keepRepairs?: number;
  /** Looks at the recovered stores before the run concludes: a drill compares them with those before the damage. */
  inspect?: () => Promise<ComparisonResult>;
}

/** Whether no other backup may take the place of the one that was asked for. */
export function isBackupNamed({
  backup,
  backupFile,
}: Pick<SessionOptions, 'backup' | 'backupFile'>): boolean {
  return backupFile !== null || !['latest', 'none'].includes(backup);
}

/** What an operator gets who asks for nothing. */
export const DEFAULT_RECOVERY: RecoveryOptions = {
  restoreUnmatched: false,
  only: null,
  merge: false,
  exact: false,
  orphans: 'restore',
  maxDrift: 50,
  always: false,
  newSpace: false,
  viaApi: false,
  deterministicVectors: false,
  waitSeconds: 30 * 60,
  waitForQuiet: null,
};

/** The first line of the journal: what a resumed run needs to be the same run. */
export function headerOf(run: string, settings: Settings, options: SessionOptions): RunHeader {
  const { command, request, backup, backupFile, backupDepth, deep, recovery, planFolders } = options;
  const { keepRepairs } = options;
  return {
    run,
    command,
    version: options.version,
    stores: storesOf(settings),
    request,
    options: {
      ...{ backup, backupFile, backupDepth, deep, recovery, planFolders },
      ...(keepRepairs === undefined ? {} : { keepRepairs }),
    },
  };
}

/** The stores that a run works on, as its journal names them. */
export function storesOf({ graph, vectors }: Settings): RunHeader['stores'] {
  return {
    graph: `${graph.host}:${graph.port}`,
    graphName: graph.name,
    vectors: vectors.url,
    collection: vectors.collection,
  };
}

/** The options of a run that goes on, as its journal tells them. */
export function resumedOptions(
  resume: RunState,
  asked: Pick<RunRequest, 'interactive' | 'confirm'> &
    Pick<SessionOptions, 'takeOver' | 'version'> & { recovery?: Partial<RecoveryOptions> },
): SessionOptions {
  const { command, request, options } = resume.header;
  const kept = options as Pick<
    SessionOptions,
    'backup' | 'backupFile' | 'backupDepth' | 'deep' | 'recovery' | 'planFolders' | 'keepRepairs'
  >;
  return {
    ...kept,
    recovery: { ...kept.recovery, ...asked.recovery },
    command: command as SessionOptions['command'],
    // What was confirmed before the first change stands in the snapshot; what was not is asked for again.
    request: {
      ...request,
      // Without its snapshot, a run is planned anew: the stores are as it left them now, and another plan might look better.
      plan: resume.plan?.name ?? request.plan,
      interactive: asked.interactive,
      confirm: asked.confirm ?? request.confirm,
    },
    keepsRecord: true,
    takesLease: true,
    takeOver: asked.takeOver,
    version: asked.version,
    resume,
  };
}

export function resumedEntry(): JournalEntry {
  const { pid, host } = thisProcess();
  return { entry: 'resumed', pid, host };
}
