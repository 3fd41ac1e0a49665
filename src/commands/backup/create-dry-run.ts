import { queryTimeout, readServerFacts } from '../../assess/graph-server.js';
import { assertThere, sourceEmpty } from '../../backup/create/export-graph.js';
import { asOfWriting } from '../../backup/create/place-failure.js';
import { encryptFor } from '../../backup/encryption.js';
import { takeInventory, type Inventory } from '../../backup/inventory/inventory.js';
import { besidePath, ENCRYPTED_SUFFIX, halfPath, timestampOf } from '../../backup/layout.js';
import { ExitCode, Failure } from '../../failure.js';
import { formatBytes, formatCount, formatNumberOf } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { Connections } from '../run/world.js';
import { estimateBackup, type Estimate, type ToRead } from './create-estimate.js';
import { recipientsOf, type MakeOptions } from './make-backup.js';
import { backupPlaces } from './places.js';
import { watchLease } from './watch-lease.js';

export type DryRunOptions = Pick<MakeOptions, 'to' | 'only' | 'encrypt'> & { now: Date };

/** One thing that a backup depends on. */
export interface Check {
  check: 'encryption' | 'lease' | 'graph' | 'vectors' | 'store' | 'place';
  /** Which one: a name, or a place. */
  subject: string;
  /** What was found, in words; empty where it failed. */
  says: string;
  /** What would keep the backup from being made, or from lying there. */
  failure: Failure | null;
  /** What was found is in nobody's way, and may not be what was meant. */
  warning?: boolean;
}

/** What a backup would be, and what is in its way. */
export interface BackupPreview {
  /** As if it began now; one that lies there already is given the next second. */
  timestamp: string;
  only: 'graph' | 'vectors' | null;
  encrypted: boolean;
  checks: Check[];
  counts: ToRead;
  estimate: Estimate;
  /** What would be written at each place, by path. */
  files: string[];
  /** Of the first check that failed, in the order in which a backup meets them. */
  exitCode: ExitCode;
  /** `sqlite:PATH` of the store; missing where it is AutoMem's two. */
  source?: string;
}

/**
 * Goes through everything that a backup depends on, and writes nothing: neither to the stores, nor to the places. That a
 * bucket takes files is seen from an upload that is begun and ended at once, of which nobody sees anything.
 *
 * @throws Failure (exit 2) where a bucket is asked for and none is set
 */
export async function previewBackup(settings: Settings, options: DryRunOptions): Promise<BackupPreview> {
  const { only, encrypt, now, to } = options;
  const archives = backupPlaces(settings, to);
  const timestamp = timestampOf(now);
  const halves = (['graph', 'vectors'] as const).filter((half) => only === null || only === half);
  const suffix = encrypt ? ENCRYPTED_SUFFIX : '';
  const files = [
    ...halves.map((half) => halfPath(half, timestamp) + suffix),
    besidePath('manifest', timestamp),
  ];
  const counts: ToRead = { nodes: null, memories: null, relationships: null, points: null, dimensions: null };
  const checks = [
    ...(encrypt ? [await checkRecipients(settings)] : []),
    ...(await checkStores(settings, options, counts)),
  ];
  const inventory = await takeInventory(archives, now);
  const estimate = await estimateBackup(inventory, counts);
  checks.push(...(await checkPlaces(archives, files[0] ?? '', inventory, estimate)));
  return {
    ...{ timestamp, only, encrypted: encrypt, checks, counts, estimate, files },
    exitCode: exitCodeOf(checks),
  };
}

/** That of the backup: of the first that fails, in the order in which a backup meets them. */
export function exitCodeOf(checks: readonly Check[]): ExitCode {
  return checks.find(({ failure }) => failure !== null)?.failure?.exitCode ?? ExitCode.done;
}

/** @param work says what it found */
export async function checked(
  check: Check['check'],
  subject: string,
  work: () => Promise<string>,
): Promise<Check> {
  try {
    return { check, subject, says: await work(), failure: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { check, subject, says: '', failure: error };
  }
}

/** Whether there is whom to encrypt for. */
export function checkRecipients(settings: Settings): Promise<Check> {
  return checked('encryption', 'LIFEBOAT_AGE_RECIPIENTS', async () => {
    const recipients = recipientsOf(settings);
    const cipher = await encryptFor(recipients, () => Promise.resolve());
    cipher.destroy();
    const opens = settings.backups.identityFile === null ? '; no key is set here that opens it again' : '';
    return `for ${formatNumberOf(recipients.length, 'recipient', 'recipients')}${opens}`;
  });
}

async function checkStores(settings: Settings, { only }: DryRunOptions, counts: ToRead): Promise<Check[]> {
  let timeoutMs = 0;
  const connections = new Connections(settings, () => timeoutMs);
  const { name } = settings.graph;
  const { collection } = settings.vectors;
  try {
    const checks = [
      await checked('lease', name, async () => {
        await watchLease(settings, connections.graph);
        return 'no recovery is at work';
      }),
    ];
    if (only !== 'vectors')
      checks.push(
        await checked('graph', name, async () => {
          timeoutMs = queryTimeout(await readServerFacts(await connections.graph()));
          return countGraph(connections, name, counts);
        }),
      );
    if (only !== 'graph')
      checks.push(await checked('vectors', collection, () => countPoints(connections, collection, counts)));
    return checks;
  } finally {
    connections.close();
  }
}

async function countGraph(connections: Connections, name: string, counts: ToRead): Promise<string> {
  // Another connection than the one that was opened before it was known how long a query may take.
  const store = await connections.openGraph();
  await assertThere(store, name);
  const { nodes, memories, relationships } = await store.totals(name);
  Object.assign(counts, { nodes, memories, relationships });
  const held = formatNumberOf(memories, 'memory', 'memories');
  return `${held} in ${formatNumberOf(nodes, 'node', 'nodes')}, ${formatNumberOf(relationships, 'relationship', 'relationships')}`;
}

async function countPoints(connections: Connections, name: string, counts: ToRead): Promise<string> {
  const store = connections.vectors();
  const collection = await store.collection(name);
  const subject = `the collection ${name}`;
  if (collection === null) throw sourceEmpty(subject, 'there is no such collection');
  const points = await store.count(name);
  if (points === 0) throw sourceEmpty(subject, 'it is empty');
  Object.assign(counts, { points, dimensions: collection.size });
  const of = collection.size === null ? '' : ` of ${formatCount(collection.size)} dimensions`;
  return `${formatNumberOf(points, 'point', 'points')}${of}`;
}

/** @param path of the first file that is to lie there, relative to the base of each place */
export async function checkPlaces(
  archives: readonly WritableArchive[],
  path: string,
  inventory: Inventory,
  estimate: Estimate,
): Promise<Check[]> {
  const checks: Check[] = [];
  for (const archive of archives)
    checks.push(await checkPlace(archive, `${archive.base}${path}`, inventory, estimate));
  return checks;
}

function checkPlace(
  archive: WritableArchive,
  path: string,
  { places }: Inventory,
  { bytes }: Estimate,
): Promise<Check> {
  const { failure: listed = null, missing = null } = places.find((place) => place.archive === archive) ?? {};
  const check = checked('place', archive.place, async () => {
    if (listed !== null) throw asOfWriting(listed);
    const free = await archive.tryOut(path);
    if (free === null) return 'it takes files; how much room it has, nobody can tell';
    if (free < bytes) throw tooSmall(archive, free, bytes);
    return `${formatBytes(free)} free`;
  });
  return missing === null ? check : check.then(wouldBeMade);
}

/** A typo, and a disk that is not mounted, look like a first backup. */
function wouldBeMade(check: Check): Check {
  if (check.failure !== null) return check;
  return { ...check, warning: true, says: `it is not there; it would be made (${check.says})` };
}

function tooSmall({ place }: WritableArchive, free: number, bytes: number): Failure {
  return new Failure({
    operation: 'write the backup',
    subject: place,
    reason: `${formatBytes(free)} are free there, and it takes about ${formatBytes(bytes)}`,
    hint: 'Free space on it, remove old backups with `lifeboat backup prune`, or set AUTOMEM_BACKUP_DIR to another disk.',
    exitCode: ExitCode.failed,
    code: 'archive-full',
  });
}
