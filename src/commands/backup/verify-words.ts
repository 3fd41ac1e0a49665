import type { DamagedBlock, FileDamage, RecordSpan } from '../../backup/verify/damage.js';
import type { BackupVerification } from '../../backup/verify/verify-backup.js';
import { isProvenQuick, verdictOf } from '../../backup/verify/verdict.js';
import type { VerifyLevel } from '../../backup/verify/verified-notes.js';
import type { PairProblem } from '../../backup/pair/pair-problems.js';
import { formatBytes, formatCount, formatDuration, formatNumberOf } from '../../report/format.js';

/** One pair that was verified at one place. */
export interface VerifiedPair {
  kind: 'automem';
  result: BackupVerification;
  level: VerifyLevel;
  seconds: number;
}

/** Records, blocks and spans that are named of many. */
const NAMED = 5;

/** What a verification is to scripts. Fields are only ever added. */
export function verifiedRecord({ result, level, seconds }: VerifiedPair): object {
  const { timestamp, place, ok, problems, unproven, damage, files, content, manifest } = result;
  return {
    type: 'backup-verified',
    ...{ kind: 'automem', store: null },
    timestamp,
    place,
    level,
    ok,
    seconds: Math.round(seconds * 1000) / 1000,
    manifest: manifest !== null,
    only: manifest?.only ?? null,
    counts: content?.counts ?? null,
    jsonBytes: content?.bytes ?? null,
    problems: problems.map((problem) => ({ ...problem, records: problem.records.slice(0, NAMED) })),
    ...{ verdict: verdictOf(result), unproven, noKey: result.noKey },
    damage,
    memoriesWithoutPoint: content?.overlap?.memoriesWithoutPoint.count ?? null,
    pointsWithoutMemory: content?.overlap?.pointsWithoutMemory.count ?? null,
    files: Object.fromEntries(files),
  };
}

/** What a verification is to people. */
export function verifiedLines({ result, level, seconds }: VerifiedPair): string[] {
  const { timestamp, place, ok, problems, unproven, damage } = result;
  return [
    `${VERDICT_MARKS[verdictOf(result)]} ${timestamp} in ${place}: ${verdict(result)}`,
    `  ${readSays(result, seconds)}`,
    ...problems.flatMap(problemLines),
    ...unproven.map((text) => `  unproven: ${text}`),
    ...damage.flatMap(damageLines),
    ...(ok ? [`  ${provesSays(result, level)}`] : adviceLines(result)),
  ];
}

/** A mark for each verdict, which is never without its word. */
export const VERDICT_MARKS = { sound: '✓', unproven: '?', 'not-sound': '✗' } as const;

/** Neither sound nor anything else is known. */
export function unprovenSays({ noKey }: { noKey: boolean }): string {
  return noKey ? 'unproven: no key here' : 'unproven';
}

function verdict(result: BackupVerification): string {
  const { ok, problems } = result;
  if (ok) return 'sound';
  if (problems.some(({ severity }) => severity === 'fatal')) return 'must not be restored as it is';
  return problems.some(({ severity }) => severity === 'loss')
    ? 'something in it is lost'
    : unprovenSays(result);
}

function readSays({ content, files }: BackupVerification, seconds: number): string {
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  const took = `in ${formatDuration(seconds)}`;
  if (content === null) return `${formatBytes(bytes)} looked at as they lie there ${took}`;
  const { memories, nodes, relationships, points } = content.counts;
  const held = [];
  if (nodes > 0)
    held.push(
      `${formatNumberOf(memories, 'memory', 'memories')} in ${formatNumberOf(nodes, 'node', 'nodes')}`,
      formatNumberOf(relationships, 'relationship', 'relationships'),
    );
  if (points > 0) held.push(formatNumberOf(points, 'point', 'points'));
  if (held.length === 0) held.push('not one record');
  return `${held.join(', ')}: ${formatBytes(content.bytes)} of JSON read ${took}`;
}

function problemLines({ severity, message, records }: PairProblem): string[] {
  const more = records.length > NAMED ? [`    … and ${formatCount(records.length - NAMED)} more`] : [];
  return [
    `  ${severity}: ${message}`,
    ...records.slice(0, NAMED).map(({ record, reason }) => `    ${record}: ${reason}`),
    ...more,
  ];
}

function damageLines({ path, half, blocks, damaged, lost, saved, readable }: FileDamage): string[] {
  if (damaged.length === 0) return [];
  const more = damaged.length > NAMED ? [`    … and ${formatCount(damaged.length - NAMED)} more`] : [];
  return [
    `  ${path} is damaged in ${formatCount(damaged.length)} of ${formatNumberOf(blocks, 'block', 'blocks')}, which ${damaged.length === 1 ? 'holds' : 'hold'} ${formatCount(lost)} of its ${formatNumberOf(lost + saved, 'record', 'records')}; ${readableSays(half, readable, saved)}`,
    ...damaged.slice(0, NAMED).map(blockLine),
    ...more,
  ];
}

/** What lies outside the damage can be read, and what stands before it; of relationships that is not enough. */
function readableSays(half: FileDamage['half'], readable: number, outside: number): string {
  if (readable === 0) return 'not one can be read';
  const before = readable > outside ? ', up to the damage' : '';
  const says = `${formatCount(readable)} can still be read${before}`;
  return half === 'graph' ? `${says}; of relationships those whose nodes can both be read are saved` : says;
}

function blockLine({ number, from, to, stopsAt, reason, records }: DamagedBlock): string {
  const at = stopsAt === null ? '' : `, at byte ${stopsAt} at the latest`;
  const held = records.length === 0 ? '' : ` (${records.map(spanText).join(', ')})`;
  return `    block ${number}, bytes ${from} to ${to - 1}${at}: ${reason}${held}`;
}

function spanText({ list, from, to }: RecordSpan): string {
  return from === to ? `${list.slice(0, -1)} ${from}` : `${list} ${from} to ${to}`;
}

function provesSays({ manifest, content }: BackupVerification, level: VerifyLevel): string {
  if (level === 'deep')
    return 'It was restored into engines of its own, and what was in them then is what the files hold.';
  if (manifest === null)
    return content === null
      ? 'Its files are whole gzip files as far as can be seen from outside. Without a manifest nothing proves that they are what was written, and their records were not read: leave out --quick.'
      : 'Every record was read and fits the others. Without a manifest nothing proves that none was changed.';
  return content === null
    ? 'Its files are, to the last bit, those that were written. Records were not read: run without --quick for that.'
    : 'Its files are, to the last bit, those that were written; every record was read, and counts and digests are the manifest’s.';
}

/** What there is to say of one whose key is elsewhere, whatever it is a backup of. */
export const PROVEN_QUICK = [
  '  Proven: size and checksum are those of its manifest, to the last bit. To ask for no more on a machine without the key: --quick',
];

const DAMAGE = /^(?:backup-(?!key)|manifest-(?:checksum|size)$)/;

function adviceLines(result: BackupVerification): string[] {
  const { timestamp, problems } = result;
  if (isProvenQuick(result)) return PROVEN_QUICK;
  if (!problems.some(({ code }) => DAMAGE.test(code))) return [];
  return [`  To save what is readable: lifeboat backup salvage ${timestamp} --output FOLDER`];
}
