import { tmpdir } from 'node:os';
import type { SqliteBackupFile } from '../../backup/sqlite/names.js';
import { addSqliteVerified } from '../../backup/sqlite/sqlite-notes.js';
import { verifySqlite, type SqliteVerification } from '../../backup/sqlite/verify-sqlite.js';
import { isProvenQuick, verdictOf } from '../../backup/verify/verdict.js';
import type { VerifyLevel } from '../../backup/verify/verified-notes.js';
import type { Settings } from '../../settings/settings.js';
import { identitiesOf, type ReadablePlace } from './readable-places.js';

/** One backup of a SQLite store that was verified at one place. */
export interface VerifiedStore {
  kind: 'sqlite';
  result: SqliteVerification;
  level: VerifyLevel;
  seconds: number;
}

/** Verifies it; what is wrong with it is in the result. @throws Failure when the place cannot be read */
export async function verifyStore(
  settings: Settings,
  { writable }: ReadablePlace,
  file: SqliteBackupFile,
  { level, signal }: { level: VerifyLevel; signal: AbortSignal },
): Promise<VerifiedStore> {
  const started = performance.now();
  const identities = identitiesOf(settings);
  const result = await verifySqlite(writable, file, { level, scratch: tmpdir(), identities, signal });
  return { kind: 'sqlite', result, level: result.level, seconds: (performance.now() - started) / 1000 };
}

/** Notes the result beside the backup. @throws Failure when the place takes no notes */
export async function noteStore(
  { writable }: ReadablePlace,
  file: SqliteBackupFile,
  { result, level }: VerifiedStore,
  tool: string,
): Promise<void> {
  const { problems, unproven } = result;
  const wrong = problems.filter(({ severity }) => severity !== 'note').length;
  // Without the key the file was looked at as it lies there: a quick look, and nothing against the backup.
  const isQuick = isProvenQuick(result);
  if (verdictOf(result) === 'unproven' && !isQuick) return;
  const noted = {
    at: new Date().toISOString(),
    level,
    ok: isQuick || result.ok,
    problems: wrong + unproven.length,
    tool,
  };
  await addSqliteVerified(writable, file, noted, result.file);
}
