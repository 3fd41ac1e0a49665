import type { SqliteVerification } from '../../backup/sqlite/verify-sqlite.js';
import { isProvenQuick, verdictOf } from '../../backup/verify/verdict.js';
import { formatBytes, formatDuration, formatNumberOf } from '../../report/format.js';
import { printable } from '../../report/text.js';
import type { VerifiedStore } from './verify-sqlite.js';
import { PROVEN_QUICK, unprovenSays, VERDICT_MARKS } from './verify-words.js';

/** What a verification is to scripts; the fields are those of a pair, and others. Fields are only ever added. */
export function storeRecord({ result, level, seconds }: VerifiedStore): object {
  const { timestamp, place, ok, problems, unproven, manifest, file, content } = result;
  const path = manifest === null ? null : (Object.keys(manifest.files)[0] ?? null);
  return {
    type: 'backup-verified',
    ...{ kind: 'sqlite', store: manifest?.source.path ?? null },
    ...{ timestamp, place, level, ok, seconds: Math.round(seconds * 1000) / 1000 },
    ...{ manifest: manifest !== null, problems },
    ...{ verdict: verdictOf(result), unproven, noKey: result.noKey },
    tables: content?.tables ?? null,
    memories: content?.memories ?? null,
    plainBytes: content?.plainBytes ?? null,
    notes: content?.notes ?? [],
    files: file === null || path === null ? {} : { [path]: file },
  };
}

/** What a verification is to people. */
export function storeLines({ result, level, seconds }: VerifiedStore): string[] {
  const { timestamp, place, ok, problems, unproven, manifest, content } = result;
  const store = printable(manifest?.source.path ?? 'a SQLite store');
  return [
    `${VERDICT_MARKS[verdictOf(result)]} ${timestamp} of ${store} in ${place}: ${verdict(result)}`,
    `  ${readSays(result, seconds)}`,
    ...problems.map(({ severity, message }) => `  ${severity}: ${printable(message)}`),
    ...unproven.map((text) => `  unproven: ${text}`),
    ...(content?.notes ?? []).map((text) => `  ${printable(text)}`),
    ...(ok ? [`  ${provesSays(level, manifest !== null)}`] : isProvenQuick(result) ? PROVEN_QUICK : []),
  ];
}

function verdict(result: SqliteVerification): string {
  const { ok, problems } = result;
  if (ok) return 'sound';
  return problems.some(({ severity }) => severity === 'fatal')
    ? 'must not be restored'
    : unprovenSays(result);
}

function readSays({ content, file }: SqliteVerification, seconds: number): string {
  const took = `in ${formatDuration(seconds)}`;
  if (file === null) return `not read to its end, ${took}`;
  if (content === null) return `${formatBytes(file.bytes)} looked at as they lie there ${took}`;
  const rows = Object.values(content.tables).reduce((sum, count) => sum + count, 0);
  const tables = formatNumberOf(Object.keys(content.tables).length, 'table', 'tables');
  const memories = formatNumberOf(content.memories.memories, 'memory', 'memories');
  return `${memories}, ${formatNumberOf(rows, 'row', 'rows')} in ${tables}: ${formatBytes(content.plainBytes)} of database read ${took}`;
}

function provesSays(level: VerifiedStore['level'], hasManifest: boolean): string {
  if (!hasManifest)
    return 'The database in it is whole by SQLite’s own check. Without a manifest nothing proves that no row is missing.';
  if (level === 'quick')
    return 'Its file is, to the last bit, the one that was written. The database in it was not opened: run without --quick for that.';
  const full =
    'Its file is, to the last bit, the one that was written; SQLite’s own check, rows and schema are as its manifest says.';
  return level === 'full'
    ? full
    : `${full} Restored into a folder of its own, it is byte for byte the same database.`;
}
