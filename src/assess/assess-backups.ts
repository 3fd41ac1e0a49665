import { catalogue } from '../backup/catalogue.js';
import { checkContainer, gunzipStream } from '../backup/files/container.js';
import { asNode, asRelationship, readBackupFile } from '../backup/files/graph-file.js';
import { ExitCode, Failure } from '../failure.js';
import { MEMORY_LABEL } from '../memory/contract.js';
import { isMap, type Value } from '../memory/values.js';
import type { Archive } from '../stores/archive/archive.js';
import type { BackupsAssessment, Finding } from './types.js';
import type { BackupFile, BackupPair, BackupVerdict } from '../backup/types.js';

/**
 * How closely the newest pair is looked at. `sound`: both containers, and the checksum over the whole graph half;
 * its records are read by whoever uses them. `verified`: every record of the graph half, every byte of the other.
 */
export type BackupDepth = 'sound' | 'verified';

/** Code of the finding that a backup is encrypted and no key opens it. */
export const LOCKED_BACKUP = 'backup-locked';

/** What to do about it. */
const SET_KEY = 'Set LIFEBOAT_AGE_IDENTITY to the key file, then run this again.';

export interface BackupsReport {
  assessment: BackupsAssessment;
  findings: Finding[];
  /** Bytes of JSON a second, from checking the newest graph half; null when there was none. */
  readRate: number | null;
}

/** How many pairs are looked into before giving up: an operator with more broken ones than this has another problem. */
const MAX_CHECKED = 5;

/**
 * The backup pairs at a place, the newest usable one checked; a broken one is passed over for the one before it.
 * Reads only. A place that is not there or cannot be read is a finding.
 *
 * @param graphName the graph that recovery is for: a backup of another one is not used.
 */
export async function assessBackups(
  archive: Archive,
  graphName: string,
  depth: BackupDepth,
  now: Date = new Date(),
): Promise<BackupsReport> {
  let pairs: BackupPair[];
  try {
    pairs = await catalogue(archive, now);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return noBackups(
      archive.place,
      `Backups at ${archive.place} cannot be read: ${error.reason}.`,
      error.hint,
    );
  }
  const findings: Finding[] = [];
  let readRate: number | null = null;
  let newest: BackupPair | null = null;
  let newestVectors: BackupPair | null = null;
  for (const pair of pairs.slice(0, MAX_CHECKED)) {
    if (pair.fromFuture === true) {
      findings.push(futureFinding(pair));
      continue;
    }
    readRate = (await checkPair(archive, pair, graphName, depth)) ?? readRate;
    findings.push(...pairFindings(pair, !findings.some(({ code }) => code === 'backup-broken')));
    if (isUsable(pair)) newest = pair;
    if (hasVectors(pair)) newestVectors ??= pair;
    if (newest !== null) break;
  }
  findings.unshift(...lockedFinding(pairs, archive.place));
  if (pairs.length === 0) {
    const report = noBackups(
      archive.place,
      `There are no backups in ${archive.place}.`,
      'If there are some elsewhere, point AUTOMEM_BACKUP_DIR at them.',
    );
    return report;
  }
  if (newest === null) {
    findings.push({
      severity: 'problem',
      code: 'no-usable-backup',
      message: `None of the backups in ${archive.place} can be used for "${graphName}".`,
      action: pairs.some(isLocked)
        ? SET_KEY
        : 'See what is wrong with them: lifeboat backup verify --all. While the stores are whole, make a new one: lifeboat backup create',
    });
  }
  const state =
    newest === null ? 'degraded' : newest === pairs[0] && newest.vectors !== null ? 'intact' : 'degraded';
  return { assessment: { state, source: archive.place, pairs, newest, newestVectors }, findings, readRate };
}

function noBackups(place: string, message: string, action: string): BackupsReport {
  return {
    assessment: { state: 'empty', source: place, pairs: [], newest: null, newestVectors: null },
    findings: [{ severity: 'warning', code: 'no-backup', message, action }],
    readRate: null,
  };
}

/** A pair serves a graph recovery when its graph half is good. */
export function isUsable(pair: BackupPair): boolean {
  return (
    pair.graph !== null && (pair.graphVerdict.status === 'verified' || pair.graphVerdict.status === 'sound')
  );
}

/** Whether its vector half is good. */
export function hasVectors({ vectors, vectorsVerdict }: BackupPair): boolean {
  return vectors !== null && (vectorsVerdict.status === 'verified' || vectorsVerdict.status === 'sound');
}

/** That backups are there which no key opens; first of all that is said of them. */
function lockedFinding(pairs: readonly BackupPair[], place: string): Finding[] {
  const [newest] = pairs.filter(isLocked);
  if (newest === undefined) return [];
  const message = `The backup ${newest.timestamp} in ${place} is encrypted, and LIFEBOAT_AGE_IDENTITY names no key that opens it.`;
  return [{ severity: 'problem', code: LOCKED_BACKUP, message, action: SET_KEY }];
}

function isLocked({ graphVerdict, vectorsVerdict }: BackupPair): boolean {
  return graphVerdict.locked === true || vectorsVerdict.locked === true;
}

/** Checks both halves and writes the verdicts into the pair. @returns bytes of JSON a second of the graph half. */
export async function checkPair(
  archive: Archive,
  pair: BackupPair,
  graphName: string,
  depth: BackupDepth,
): Promise<number | null> {
  if (pair.vectors !== null && pair.vectorsVerdict.status === 'unchecked') {
    pair.vectorsVerdict = await verdict(async () =>
      depth === 'verified'
        ? await checkBytes(archive, pair.vectors as BackupFile)
        : await checkContainer(archive, pair.vectors as BackupFile),
    );
  }
  if (pair.graph === null || pair.graphVerdict.status !== 'unchecked') return null;
  const file = pair.graph;
  const started = performance.now();
  let bytes = 0;
  pair.graphVerdict = await verdict(async () => {
    const checked = await checkGraphHalf(archive, file, graphName, depth);
    bytes = checked.bytes;
    if (checked.counts !== null) pair.counts = checked.counts;
    if (checked.graphName !== null) pair.graphName = checked.graphName;
    return checked.verdict;
  });
  return bytes === 0 ? null : Math.round(bytes / ((performance.now() - started) / 1000));
}

/** No key opens it, or the file of the keys cannot be read: nothing speaks against the backup. */
const NO_KEY: ReadonlySet<string> = new Set(['backup-key', 'age-identity']);

async function verdict(check: () => Promise<BackupVerdict>): Promise<BackupVerdict> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const locked = NO_KEY.has(error.code) ? ({ locked: true } as const) : {};
    return { status: 'broken', reason: error.reason, ...locked };
  }
}

/** Reading to the end makes zlib compare the checksum. */
async function checkBytes(archive: Archive, file: BackupFile): Promise<BackupVerdict> {
  let bytes = 0;
  for await (const chunk of gunzipStream(archive, file)) bytes += chunk.length;
  return bytes === 0 ? { status: 'broken', reason: 'it holds nothing' } : { status: 'sound' };
}

interface GraphHalf {
  verdict: BackupVerdict;
  bytes: number;
  counts: { memories: number; nodes: number; relationships: number } | null;
  graphName: string | null;
}

async function checkGraphHalf(
  archive: Archive,
  file: BackupFile,
  graphName: string,
  depth: BackupDepth,
): Promise<GraphHalf> {
  const tally = new GraphTally(file.path);
  const bytes = { count: 0 };
  const chunks = counted(gunzipStream(archive, file), bytes);
  if (depth === 'verified') {
    for await (const part of readBackupFile(file.path, chunks, new Set(['nodes', 'relationships']))) {
      if (part.kind === 'records') tally.records(part.list, part.records);
      else if (part.kind === 'field') tally.field(part.name, part.value);
    }
    tally.reconcile();
  } else {
    let head = '';
    // Reading to the end makes zlib compare the checksum; only the beginning is looked at.
    for await (const chunk of chunks) if (head === '') head = chunk.toString('latin1', 0, 400);
    tally.graphName = /"graph_name":\s*("(?:[^"\\]|\\.)*")/.exec(head)?.[1] ?? null;
    if (tally.graphName !== null) tally.graphName = JSON.parse(tally.graphName) as string;
    if (!head.trimStart().startsWith('{')) throw tally.failure('it is not the JSON object that a backup is');
  }
  if (tally.graphName !== null && tally.graphName !== graphName) {
    throw tally.failure(`it is a backup of the graph "${tally.graphName}", not of "${graphName}"`);
  }
  const verified = depth === 'verified';
  return {
    verdict: { status: verified ? 'verified' : 'sound' },
    bytes: bytes.count,
    counts: verified
      ? { nodes: tally.nodes, memories: tally.memories, relationships: tally.relationships }
      : null,
    graphName: tally.graphName,
  };
}

async function* counted(chunks: AsyncIterable<Buffer>, bytes: { count: number }): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    bytes.count += chunk.length;
    yield chunk;
  }
}

/** Counts the records of a graph half and holds them against each other. */
class GraphTally {
  nodes = 0;
  memories = 0;
  relationships = 0;
  graphName: string | null = null;
  private stats: Value = null;
  private readonly ids = new Set<number>();

  constructor(private readonly path: string) {}

  records(list: string, records: Value[]): void {
    for (const record of records) {
      if (list === 'nodes') {
        const node = asNode(record);
        if ('reason' in node) throw this.failure(`${node.reason} (record ${this.nodes + 1})`);
        this.nodes++;
        this.ids.add(node.internalId);
        if (node.labels.includes(MEMORY_LABEL)) this.memories++;
      } else {
        const relationship = asRelationship(record);
        if ('reason' in relationship)
          throw this.failure(`${relationship.reason} (record ${this.relationships + 1})`);
        this.relationships++;
        if (!this.ids.has(relationship.source) || !this.ids.has(relationship.target)) {
          throw this.failure(`relationship ${this.relationships} joins a node that is not in the file`);
        }
      }
    }
  }

  field(name: string, value: Value): void {
    if (name === 'graph_name' && typeof value === 'string') this.graphName = value;
    if (name === 'stats') this.stats = value;
  }

  reconcile(): void {
    if (this.ids.size !== this.nodes) throw this.failure('two nodes share one internal id');
    if (!isMap(this.stats)) return;
    const { node_count: nodes, relationship_count: relationships } = this.stats;
    if (
      (nodes !== undefined && nodes !== this.nodes) ||
      (relationships !== undefined && relationships !== this.relationships)
    ) {
      throw this.failure('it holds other numbers of records than it says');
    }
  }

  failure(reason: string): Failure {
    return new Failure({
      operation: 'verify the backup',
      subject: this.path,
      reason,
      hint: 'Use another backup with --backup TIMESTAMP.',
      exitCode: ExitCode.nothingToRecoverFrom,
      code: 'backup-inconsistent',
    });
  }
}

function futureFinding(pair: BackupPair): Finding {
  return {
    severity: 'warning',
    code: 'backup-from-future',
    message: `The backup ${pair.timestamp} is from the future and is passed over.`,
    action: `Check the clocks (backup names are in UTC). To use it all the same: --backup ${pair.timestamp}`,
  };
}

/** @param isNewest what can be done is told once, of the newest one that is broken */
function pairFindings(pair: BackupPair, isNewest: boolean): Finding[] {
  const halves = [
    ['graph', pair.graph, pair.graphVerdict],
    ['vector', pair.vectors, pair.vectorsVerdict],
  ] as const;
  return halves.flatMap(([half, file, { status, reason = '', locked }], index) => {
    if (status !== 'broken') return [];
    const what = file === null ? `has no ${half} half` : `has a ${half} half that cannot be used: ${reason}`;
    const message = `The backup ${pair.timestamp} ${what}.`;
    const isTold = halves.slice(0, index).some(([, , earlier]) => earlier.status === 'broken');
    const isFirst = isNewest && !isTold;
    const action = isFirst ? { action: file === null ? WITHOUT[half] : nextStep(pair, locked) } : {};
    return [{ severity: 'warning', code: 'backup-broken', message, ...action }];
  });
}

/** The half that is there is all there is to look at: what helps is the other one, or the plan that does without. */
const WITHOUT = {
  graph:
    'Where the graph half lies elsewhere, put both into one folder and name that with AUTOMEM_BACKUP_DIR. With this half alone, the plan restore-vectors brings the vectors back and makes the graph of their payloads.',
  vector:
    'Where the vector half lies elsewhere, put both into one folder and name that with AUTOMEM_BACKUP_DIR. With this half alone, the plan restore-graph brings the graph back and makes the vectors anew.',
} as const;

function nextStep({ timestamp }: BackupPair, isLocked = false): string {
  return isLocked
    ? SET_KEY
    : `See what is wrong with it: lifeboat backup verify ${timestamp}. While the stores are whole, make a new one: lifeboat backup create`;
}
