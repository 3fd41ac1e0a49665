import { Failure } from '../../failure.js';
import { InvalidJson, parseJson } from '../../memory/json.js';
import { isMap, numeric, type Value } from '../../memory/values.js';
import type { Archive } from '../../stores/archive/archive.js';
import type { WritableArchive } from '../../stores/archive/writable.js';
import { NOTE_BYTES, readBeside } from '../beside-file.js';
import { besidePath } from '../layout.js';
import { baseOf, readManifest, type Manifest } from '../manifest.js';
import type { BackupPair } from '../types.js';
import type { FileFacts } from './hash-file.js';

/** How closely a backup was looked at. */
export const VERIFY_LEVELS = ['quick', 'full', 'deep'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

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
  files: Record<string, FileFacts>;
}

/** The newest ones are kept. */
const MAX_RESULTS = 20;

/**
 * What earlier verifications of a pair came to, the newest last. Only those that were made of the files that lie there now,
 * as far as can be told without making checksums anew: what passed, by the manifest, and without one by the sizes; what
 * failed, by the sizes alone.
 *
 * @param manifest where it was read already
 * @throws Failure when the archive itself cannot be read
 */
export async function readVerified(
  archive: Archive,
  pair: BackupPair,
  manifest?: Manifest | string | null,
): Promise<VerifiedResult[]> {
  const results = await readNotes(archive, pair);
  if (results.length === 0) return results;
  const known = manifest === undefined ? await readManifest(archive, pair) : manifest;
  return results.filter((result) => isOfThese(result, pair, known));
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
  const results = [...(await readNotes(archive, pair)), result].slice(-MAX_RESULTS);
  const file = await archive.create(notesPath(pair), { replace: true });
  try {
    await file.write(Buffer.from(`${JSON.stringify({ timestamp: pair.timestamp, results }, null, 1)}\n`));
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

function notesPath(pair: BackupPair): string {
  return baseOf(pair) + besidePath('verified', pair.timestamp);
}

/** Notes that cannot be read prove nothing, and are begun anew. */
async function readNotes(archive: Archive, pair: BackupPair): Promise<VerifiedResult[]> {
  let value: Value;
  try {
    const text = await readBeside(archive, notesPath(pair), NOTE_BYTES);
    if (text === null) return [];
    value = parseJson(text);
  } catch (error) {
    if (error instanceof InvalidJson) return [];
    if (error instanceof Failure && error.code.startsWith('archive-file-')) return [];
    throw error;
  }
  const results = isMap(value) && value['timestamp'] === pair.timestamp ? value['results'] : null;
  return Array.isArray(results) ? results.map(asResult).filter((result) => result !== null) : [];
}

function asResult(value: Value): VerifiedResult | null {
  if (!isMap(value) || !isMap(value['files'])) return null;
  const { at, ok, tool } = value;
  const level = VERIFY_LEVELS.find((name) => name === value['level']);
  const problems = numeric(value['problems']);
  if (typeof at !== 'string' || typeof ok !== 'boolean' || level === undefined || problems === null)
    return null;
  const files: Record<string, FileFacts> = {};
  for (const [path, facts] of Object.entries(value['files'])) {
    const bytes = isMap(facts) ? numeric(facts['bytes']) : null;
    const sha256 = isMap(facts) ? facts['sha256'] : null;
    if (bytes === null || typeof sha256 !== 'string') return null;
    files[path] = { bytes, sha256 };
  }
  return { at, level, ok, problems, tool: typeof tool === 'string' ? tool : '', files };
}

/**
 * Whether a result is of what lies there. That a file is sound holds only for the file that the manifest describes; that it
 * is not holds for any of its size: what was found damaged has another checksum than the manifest's for that very reason.
 */
function isOfThese(
  { files, ok }: VerifiedResult,
  pair: BackupPair,
  manifest: Manifest | string | null,
): boolean {
  const base = baseOf(pair);
  const there = [pair.graph, pair.vectors].filter((file) => file !== null);
  if (Object.keys(files).length !== there.length || there.length === 0) return false;
  return there.every(({ path, bytes }) => {
    const name = path.slice(base.length);
    const facts = Object.hasOwn(files, name) ? files[name] : undefined;
    if (facts === undefined || facts.bytes !== bytes) return false;
    if (!ok || manifest === null || typeof manifest === 'string') return true;
    return manifest.files.get(name)?.sha256 === facts.sha256;
  });
}
