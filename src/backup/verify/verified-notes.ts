import { Failure } from '../../failure.js';
import { InvalidJson, parseJson } from '../../memory/json.js';
import { isMap, numeric, type Value, type ValueMap } from '../../memory/values.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { NOTE_BYTES, readBeside } from '../beside-file.js';
import { besidePath } from '../layout.js';
import { baseOf, readManifest, type Manifest, type PairCounts } from '../manifest.js';
import type { BackupFile, BackupPair } from '../types.js';
import type { FileFacts } from './hash-file.js';

/** How closely a backup was looked at. */
export const VERIFY_LEVELS = ['quick', 'full', 'deep'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

/** A file as it was verified, and what a listing told of it then: from that it is known again without being read. */
export interface NotedFile extends FileFacts {
  /** As BackupFile has them; missing where the place did not tell. */
  version?: string;
  changed?: string;
}

/** What one verification came to, as it is kept beside the pair. */
export interface VerifiedResult {
  /** ISO-8601. */
  at: string;
  level: VerifyLevel;
  ok: boolean;
  /** How many things were wrong. */
  problems: number;
  /** "lifeboat 0.1.0". */
  tool: string;
  /** The files that it holds for, by path relative to the folder of the pair. */
  files: Record<string, NotedFile>;
  /** What was read of it; missing where its records were not read. */
  counts?: PairCounts;
}

/** The newest ones are kept. */
const MAX_RESULTS = 20;

/**
 * What earlier verifications of a pair came to, the newest last. Only those that were made of the files that lie there now,
 * as far as can be told without reading them: what passed holds for its checksums, and which checksums the files have, the
 * newest look knows that saw them as the listing shows them now. What failed holds for any files of the same sizes.
 *
 * @param manifest where it was read already
 * @throws Failure when the archive itself cannot be read
 */
export async function readVerified(
  archive: Archive,
  pair: BackupPair,
  manifest?: Manifest | string | null,
): Promise<VerifiedResult[]> {
  const results = await readResults(archive, notesPath(pair), pair.timestamp);
  if (results.length === 0) return results;
  const read = manifest === undefined ? await readManifest(archive, pair) : manifest;
  const known = typeof read === 'string' ? null : read;
  return heldBy(results, filesOf(pair), known === null ? null : known.files);
}

/**
 * Those results that hold for the files that lie there now; see {@link readVerified}.
 *
 * @param there by the names that the results give them
 * @param described what a manifest says of them; null without one
 */
export function heldBy(
  results: readonly VerifiedResult[],
  there: ReadonlyMap<string, BackupFile>,
  described: ReadonlyMap<string, { sha256: string }> | null,
): VerifiedResult[] {
  const ofThese = results.filter((result) => mayBeOf(result, there, described));
  const now = ofThese.findLast(({ files }) =>
    [...there].every(([name, file]) => isAsSeen(file, files[name] as NotedFile)),
  );
  const held = ofThese.filter((result) => !result.ok || isSameContent(result, now));
  // Where something is wrong with it now, nothing is believed any more, and what it was before is worth to be told.
  return held.at(-1)?.ok === false ? ofThese : held;
}

/**
 * What a verification saw of a pair, to be kept. All files of it: one that could not be read to its end has no checksum, and
 * is none the less what was looked at.
 *
 * @param read by path; only what was read to its end
 * @param counts of the records that were read; null where none were
 */
export function whatWasSeen(
  pair: BackupPair,
  read: ReadonlyMap<string, FileFacts>,
  counts: { memories: number; relationships: number; points: number } | null,
): Pick<VerifiedResult, 'files' | 'counts'> {
  const files = [...filesOf(pair)].map(([name, file]) => [name, noted(file, read.get(file.path))] as const);
  if (counts === null) return { files: Object.fromEntries(files) };
  const { memories, relationships, points } = counts;
  const ofGraph = pair.graph === null ? { memories: null, relationships: null } : { memories, relationships };
  return {
    files: Object.fromEntries(files),
    counts: { ...ofGraph, points: pair.vectors === null ? null : points },
  };
}

/** A file as it is to be noted. @param facts of what was read; nothing where it could not be read to its end */
export function noted({ bytes, version, changed }: BackupFile, facts: FileFacts | null = null): NotedFile {
  return {
    ...(facts ?? { bytes, sha256: '' }),
    ...(version === undefined ? {} : { version }),
    ...(changed === undefined ? {} : { changed }),
  };
}

/**
 * Keeps what a verification came to beside the pair.
 *
 * @throws Failure when the place does not take it
 */
export async function addVerified(
  archive: WritableArchive,
  pair: BackupPair,
  result: VerifiedResult,
): Promise<void> {
  await addResult(archive, notesPath(pair), pair.timestamp, result);
}

/** The same for whatever backup has its notes under a path. @throws Failure when the place does not take it */
export async function addResult(
  archive: WritableArchive,
  path: string,
  timestamp: string,
  result: VerifiedResult,
): Promise<void> {
  const results = [...(await readResults(archive, path, timestamp)), result].slice(-MAX_RESULTS);
  const file = await archive.create(path, { replace: true });
  try {
    await file.write(Buffer.from(`${JSON.stringify({ timestamp, results }, null, 1)}\n`));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** The result of the strictest look that a pair passed and that still holds; null where the newest look failed. */
export function bestVerified(results: readonly VerifiedResult[]): VerifiedResult | null {
  // What was found wrong since is wrong, however well it looked before.
  return results.at(-1)?.ok === true ? closestPassed(results) : null;
}

/** The result of the strictest look that a pair ever passed, whatever came after it; null where it passed none. */
export function closestPassed(results: readonly VerifiedResult[]): VerifiedResult | null {
  const rank = ({ level }: VerifiedResult): number => VERIFY_LEVELS.indexOf(level);
  return results.reduce<VerifiedResult | null>(
    (best, result) => (result.ok && (best === null || rank(result) >= rank(best)) ? result : best),
    null,
  );
}

/** What a pair holds, as the newest look found that read and passed it; null where there was none. */
export function countsNoted(results: readonly VerifiedResult[]): PairCounts | null {
  return results.findLast(({ ok, counts }) => ok && counts !== undefined)?.counts ?? null;
}

function notesPath(pair: BackupPair): string {
  return baseOf(pair) + besidePath('verified', pair.timestamp);
}

/**
 * All results that lie under a path, whether or not they are of the files that lie there now. Notes that cannot be read prove
 * nothing, and are begun anew.
 *
 * @throws Failure when the archive itself cannot be read
 */
export async function readResults(
  archive: Archive,
  path: string,
  timestamp: string,
): Promise<VerifiedResult[]> {
  let value: Value;
  try {
    const text = await readBeside(archive, path, NOTE_BYTES);
    if (text === null) return [];
    value = parseJson(text);
  } catch (error) {
    if (error instanceof InvalidJson) return [];
    if (error instanceof Failure && error.code.startsWith('archive-file-')) return [];
    throw error;
  }
  const results = isMap(value) && value['timestamp'] === timestamp ? value['results'] : null;
  return Array.isArray(results) ? results.map(asResult).filter((result) => result !== null) : [];
}

function asResult(value: Value): VerifiedResult | null {
  if (!isMap(value) || !isMap(value['files'])) return null;
  const { at, ok, tool } = value;
  const level = VERIFY_LEVELS.find((name) => name === value['level']);
  const problems = numeric(value['problems']);
  if (typeof at !== 'string' || typeof ok !== 'boolean' || level === undefined || problems === null)
    return null;
  const files: Record<string, NotedFile> = {};
  for (const [path, facts] of Object.entries(value['files'])) {
    const file = asFile(facts);
    if (file === null) return null;
    files[path] = file;
  }
  const counts = isMap(value['counts']) ? { counts: asCounts(value['counts']) } : {};
  return { at, level, ok, problems, tool: typeof tool === 'string' ? tool : '', files, ...counts };
}

function asFile(facts: Value): NotedFile | null {
  if (!isMap(facts)) return null;
  const { sha256, version, changed } = facts;
  const bytes = numeric(facts['bytes']);
  if (bytes === null || typeof sha256 !== 'string') return null;
  return {
    ...{ bytes, sha256 },
    ...(typeof version === 'string' ? { version } : {}),
    ...(typeof changed === 'string' ? { changed } : {}),
  };
}

function asCounts({ memories, relationships, points }: ValueMap): PairCounts {
  const count = (value: Value | undefined): number | null => (value === undefined ? null : numeric(value));
  return { memories: count(memories), relationships: count(relationships), points: count(points) };
}

/** The halves that lie there, by path relative to the folder of the pair. */
function filesOf(pair: BackupPair): Map<string, BackupFile> {
  const base = baseOf(pair).length;
  const files = [pair.graph, pair.vectors].filter((file) => file !== null);
  return new Map(files.map((file) => [file.path.slice(base), file]));
}

/**
 * Whether a result may be of files of these names and sizes. That a file is sound holds only for the file that the manifest
 * describes; that it is not holds for any of its size: what was found damaged has another checksum than the manifest's for
 * that very reason.
 */
function mayBeOf(
  { files, ok }: VerifiedResult,
  there: ReadonlyMap<string, BackupFile>,
  described: ReadonlyMap<string, { sha256: string }> | null,
): boolean {
  if (Object.keys(files).length !== there.size || there.size === 0) return false;
  return [...there].every(([name, { bytes }]) => {
    const facts = Object.hasOwn(files, name) ? files[name] : undefined;
    if (facts?.bytes !== bytes) return false;
    return !ok || described === null || described.get(name)?.sha256 === facts.sha256;
  });
}

/**
 * Whether a file is the one that was verified, as far as a listing tells. Of a place that tells too little, nothing is known
 * of any file: one of the same size may have taken its place.
 */
function isAsSeen({ bytes, version, changed }: Omit<BackupFile, 'path'>, noted: NotedFile): boolean {
  if (version === undefined || noted.sha256 === '') return false;
  return noted.bytes === bytes && noted.version === version && noted.changed === changed;
}

function isSameContent({ files }: VerifiedResult, now: VerifiedResult | undefined): boolean {
  return Object.entries(files).every(([name, { sha256 }]) => now?.files[name]?.sha256 === sha256);
}
