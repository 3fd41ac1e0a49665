import { chooseProvider } from '../../embedding/choose.js';
import type { Assessment } from '../../assess/types.js';
import type { Settings } from '../../settings/settings.js';
import type { RunStepsContext, RunWork } from '../../steps/step.js';
import { againCommand } from './again.js';
import type { Assessed } from './assess-actor.js';
import type { JournalledChanges } from './change-log.js';
import type { RunRecord } from './record.js';
import type { RunReport } from './run-report.js';
import { isBackupNamed, type SessionOptions } from './session-options.js';
import { NO_CHECKPOINTS } from './no-checkpoints.js';
import { serviceAddress, type Connections } from './world.js';

interface Parts {
  settings: Settings;
  found: Assessed;
  /** What a run that goes on was planned on; the stores are no longer as they were then. Null for a new one. */
  assessment: Assessment | null;
  run: string;
  options: SessionOptions;
  connections: Connections;
  changes: JournalledChanges;
  record: RunRecord | null;
  reporting: RunReport;
  signal: AbortSignal;
  stopSignal: AbortSignal;
  work: RunWork;
}

/** What the steps of a run work with. */
export function stepContext(parts: Parts): RunStepsContext {
  const { settings, found, run, options, connections, record, reporting } = parts;
  const { graph, vectors, excludedTypes } = settings;
  const { archive } = found;
  const assessment = parts.assessment ?? found.assessment;
  return {
    graphName: graph.name,
    collection: vectors.collection,
    excludedTypes: new Set(excludedTypes),
    liveGraph: connections.graph,
    openGraph: connections.openGraph,
    vectors: connections.vectors(),
    archive,
    backup: assessment.backups.newest,
    backupNamed: isBackupNamed(options),
    again: againCommand(options),
    withoutBackup: found.withoutBackup,
    assessment,
    stagingKey: `{${graph.name}}:lifeboat:${run}`,
    replacedKey: `{${graph.name}}:before:${run}`,
    vectorSettings: {
      size: vectors.size,
      sizeFromCollection: vectors.sizeFromCollection,
      payloadIndexes: vectors.payloadIndexes,
    },
    dryRun: options.request.dryRun,
    options: options.recovery,
    changes: parts.changes,
    checkpoints: record ?? NO_CHECKPOINTS,
    embedder: (size) =>
      chooseProvider(settings.embedding, size, { deterministic: options.recovery.deterministicVectors }),
    service: serviceAddress(settings),
    signal: parts.signal,
    stopSignal: parts.stopSignal,
    notice: reporting.notice,
    warn: reporting.warn,
    salvage: (id, field, rule) => reporting.salvage(record, id, field, rule),
    quarantine: (entry) => reporting.quarantine(record, entry),
    work: parts.work,
  };
}
