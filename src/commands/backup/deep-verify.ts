import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Half, PairProblem } from '../../backup/pair/pair-problems.js';
import { compareRestoredGraph, compareRestoredVectors } from '../../backup/verify/compare-restored.js';
import type { BackupVerification } from '../../backup/verify/verify-backup.js';
import type { BackupPair } from '../../backup/types.js';
import { Failure } from '../../failure.js';
import { startDrillEngines, type DrillEngines } from '../../sandbox/drill-engines.js';
import { ensureEngines } from '../../sandbox/engines.js';
import { loadSettings, type Settings } from '../../settings/settings.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { CommandContext } from '../context.js';
import { planFolders } from '../recover.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { RunSession } from '../run/session.js';
import { DEFAULT_RECOVERY } from '../run/session-options.js';
import { Connections } from '../run/world.js';

/** What a pair is restored from, and with. */
export interface DeepVerification {
  context: CommandContext;
  settings: Settings;
  archive: Archive;
  pair: BackupPair;
  /** What a full verification of it came to. */
  full: BackupVerification;
  say: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Restores a pair into engines of its own, with the plan that a recovery would take, and holds what is in them then against
 * the files. The engines and their data are removed whatever happens.
 *
 * @returns what differs
 * @throws Failure where an engine is missing or does not start
 */
export async function deepVerify(deep: DeepVerification): Promise<PairProblem[]> {
  const { context, signal, say } = deep;
  await unlessAborted(ensureEngines({ env: context.env, onProgress: say }), signal);
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-deep-'));
  let engines: DrillEngines | null = null;
  try {
    engines = await startDrillEngines({ folder, env: context.env, onProgress: () => undefined });
    signal.throwIfAborted();
    return await restoreAndCompare(deep, await sandboxSettings(deep, engines, folder));
  } finally {
    await engines?.stop();
    // What was being written when it was stopped may go on a moment longer.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function restoreAndCompare(deep: DeepVerification, settings: Settings): Promise<PairProblem[]> {
  const problems: PairProblem[] = [];
  const { pair, signal, say } = deep;
  const halves = (['graph', 'vectors'] as const).filter((half) => pair[half] !== null);
  for (const half of halves) {
    say(`restoring the ${half} into engines of its own`);
    // One after the other: brought together, the stores would not be what the files hold.
    const failed = await restore(deep, settings, half);
    if (failed !== null) return [failed];
  }
  const connections = new Connections(settings, () => 0);
  try {
    for (const half of halves) {
      say(`comparing the ${half}`);
      problems.push(...(await unlessAborted(compare(deep, settings, connections, half), signal)));
    }
  } finally {
    connections.close();
  }
  return problems;
}

/** @returns what kept it from being restored, null where nothing did */
async function restore(deep: DeepVerification, settings: Settings, half: Half): Promise<PairProblem | null> {
  const { context, pair, signal } = deep;
  const session = new RunSession(settings, {
    version: context.version,
    command: 'recover',
    request: {
      plan: 'restore-backup',
      dryRun: false,
      interactive: false,
      // The stores were started for nothing else.
      confirm: settings.graph.name,
      confirmName: settings.graph.name,
      fix: false,
      goal: 'recover',
    },
    backup: pair.timestamp,
    backupFile: null,
    backupDepth: 'sound',
    deep: 'never',
    recovery: { ...DEFAULT_RECOVERY, only: half, restoreUnmatched: true, orphans: 'keep', always: true },
    planFolders: planFolders(undefined, context),
    keepsRecord: true,
    takesLease: false,
    takeOver: false,
    resume: null,
  });
  const stop = (): void => session.controls.interrupt();
  signal.addEventListener('abort', stop);
  try {
    const { failure } = await session.execute();
    signal.throwIfAborted();
    return failure === undefined ? null : notRestored(half, failure.message);
  } catch (error) {
    if (error instanceof Failure && !signal.aborted) return notRestored(half, error.message);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function notRestored(half: Half, reason: string): PairProblem {
  const message = `it cannot be restored: ${reason}`;
  return { severity: 'fatal', code: 'not-restorable', half, message, count: 0, records: [] };
}

async function compare(
  { archive, pair, full, signal }: DeepVerification,
  settings: Settings,
  connections: Connections,
  half: Half,
): Promise<PairProblem[]> {
  const file = pair[half];
  const digest = full.digests[half];
  if (file === null || digest === null || full.content === null) return [];
  if (half === 'vectors')
    return compareRestoredVectors(connections.vectors(), settings.vectors.collection, archive, file, signal);
  const counts = restorableCounts(full);
  const isWhole = !full.problems.some(({ code }) => PARTS.has(code));
  const graph = await connections.graph();
  return compareRestoredGraph(graph, settings.graph.name, isWhole ? digest : null, counts, signal);
}

/** Records that come back without a part of what the file holds. */
const PARTS = new Set(['node-part', 'relationship-part']);

/** Relationships that lead to a node that the file lacks are told as such, and not restored. */
function restorableCounts({ content, problems }: BackupVerification): {
  nodes: number;
  relationships: number;
} {
  const countOf = (...codes: string[]): number =>
    problems.filter(({ code }) => codes.includes(code)).reduce((sum, { count }) => sum + count, 0);
  const { nodes = 0, relationships = 0 } = content?.counts ?? {};
  return {
    nodes: nodes - countOf('node-bad'),
    relationships: relationships - countOf('relationship-dangling', 'relationship-bad'),
  };
}

/** Engines of its own, under the names that the pair gives; backups from where the pair lies. */
async function sandboxSettings(
  { settings: own, full, archive }: DeepVerification,
  engines: DrillEngines,
  folder: string,
): Promise<Settings> {
  const env = { ...engines.variables, AUTOMEM_BACKUP_DIR: join(folder, 'none') };
  const sandbox = await loadSettings({ env, cwd: folder, home: folder });
  const { graphName, collectionName } = full.content ?? {};
  const isLocal = archive.place === own.backups.dir;
  await mkdir(sandbox.backups.dir);
  return {
    ...sandbox,
    graph: { ...sandbox.graph, name: graphName ?? own.graph.name },
    vectors: { ...sandbox.vectors, collection: collectionName ?? own.vectors.collection },
    backups: {
      ...own.backups,
      ...(isLocal ? { s3: null } : { dir: sandbox.backups.dir }),
    },
    excludedTypes: own.excludedTypes,
    secrets: [...own.secrets, ...sandbox.secrets],
    folders: { ...sandbox.folders, state: join(folder, 'state') },
  };
}
