import { Option, type Command } from 'commander';
import type { BackupPair } from '../../backup/types.js';
import { verifyBackup, type BackupVerification } from '../../backup/verify/verify-backup.js';
import { isProvenQuick, reasonOf, verdictOf } from '../../backup/verify/verdict.js';
import { addVerified, whatWasSeen, type VerifyLevel } from '../../backup/verify/verified-notes.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { interruption } from './interruption.js';
import { DESTINATIONS, type Destination } from './places.js';
import { readablePlaces, type ReadablePlace } from './readable-places.js';
import { chooseCopies, type ChosenCopy } from './verify-choice.js';
import { noteStore, verifyStore, type VerifiedStore } from './verify-sqlite.js';
import { storeLines, storeRecord } from './verify-sqlite-words.js';
import { verifiedLines, verifiedRecord, type VerifiedPair } from './verify-words.js';
import { sourceOption, type WhichStores } from './which-backups.js';

interface Flags {
  all?: true;
  quick?: true;
  deep?: true;
  at?: Destination;
  source?: WhichStores;
  json?: true;
}

/** One backup that was verified at one place. */
type Verified = VerifiedPair | VerifiedStore;

const HELP = `
Three ways to look, each of which includes the one before:
  --quick    the manifest, and sizes and checksums of the files as they lie there; needs no key
  (default)  every record is read: counts, ids, ends of relationships, sizes of vectors, digests
  --deep     the pair is restored into engines of its own and compared with the files

An encrypted backup whose key is not on this machine is held against its manifest, and said to be "unproven: no key here"
(exit 3): its records could not be read. Where no key is to be, as on a machine that only backs up, ask for no more with
--quick (exit 0); the daemon does so by itself where LIFEBOAT_AGE_IDENTITY is not set. The retention counts such a backup as
verified, and keeps the newest that was read in full besides.

A backup of AutoMem's own has no manifest: it is proven as far as its gzip checksums and its own counts go. What came out is
kept beside the pair, in lifeboat_TIMESTAMP.verified.json, and holds while the files are the same.

A backup of a SQLite store is unpacked and opened in place of "every record is read": integrity check, rows of each table
and schema; --deep restores it into a folder of its own. "latest" is AutoMem's newest, where there is any; --source names others.

Exit codes:
  0    everything that was verified is sound
  3    something is wrong with it, lost in it, or could not be looked at (unproven)
  4    there is no such backup
  2    wrong usage or settings
  10   a place cannot be reached; what lies at the others was verified, and is sound
  130  stopped by the operator`;

/** Adds `lifeboat backup verify`. */
export function addVerifyCommand(backup: Command, context: CommandContext): void {
  backup
    .command('verify')
    .description('prove that backups are whole and can be restored, and say what is wrong where they are not')
    .argument('[timestamp]', 'YYYYMMDD_HHMMSS, or "latest"', 'latest')
    .option('--all', 'every backup that there is')
    .addOption(new Option('--quick', 'manifest, sizes and checksums alone').conflicts('deep'))
    .option('--deep', 'restore it into engines of its own, and compare')
    .addOption(new Option('--at <place>', 'where it lies; by default all places').choices(DESTINATIONS))
    .addOption(sourceOption())
    .option('--json', 'one JSON object a line, the last one the result')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) => verify(context, timestamp, flags));
}

async function verify(context: CommandContext, timestamp: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  try {
    const readable = await readablePlaces(settings, flags.at ?? null, stop.signal);
    const copies = await chooseCopies('verify the backup', readable, {
      name: flags.all === true ? null : timestamp,
      stores: flags.source ?? null,
      cwd: context.cwd,
    });
    const work = { settings, flags, signal: stop.signal, context, ...toldBy(context, flags) };
    const { verified, failures: lost } = await verifyCopies(work, copies);
    const failures = [...readable.failures, ...lost];
    for (const failure of failures) tellFailure(context, failure);
    const exitCode = exitCodeOf(verified, failures);
    if (flags.json === true) context.out(`${JSON.stringify(summaryOf(verified, failures, exitCode))}\n`);
    context.setExitCode(exitCode);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

function tellFailure(context: CommandContext, { message, hint }: Failure): void {
  context.err(`${message}\n${hint}\n`);
}

/** What is wrong with a backup weighs more than that another place says nothing. */
function exitCodeOf(verified: readonly Verified[], failures: readonly Failure[]): ExitCode {
  if (!verified.every(({ result }) => result.ok)) return ExitCode.notAsItShouldBe;
  return failures[0]?.exitCode ?? ExitCode.done;
}

interface Telling {
  tell: (verified: Verified) => void;
  say: (text: string) => void;
}

function toldBy(context: CommandContext, { json }: Flags): Telling {
  return {
    tell: (verified) =>
      context.out(
        json === true ? `${JSON.stringify(recordOf(verified))}\n` : `${linesOf(verified).join('\n')}\n`,
      ),
    say: (text) => context.err(`  ${text}\n`),
  };
}

function recordOf(verified: Verified): object {
  return verified.kind === 'sqlite' ? storeRecord(verified) : verifiedRecord(verified);
}

function linesOf(verified: Verified): string[] {
  return verified.kind === 'sqlite' ? storeLines(verified) : verifiedLines(verified);
}

interface Work extends Telling {
  settings: Settings;
  flags: Flags;
  signal: AbortSignal;
  context: CommandContext;
}

/** A place that goes away is left, the others are not. */
async function verifyCopies(
  work: Work,
  copies: readonly ChosenCopy[],
): Promise<{ verified: Verified[]; failures: Failure[] }> {
  const verified: Verified[] = [];
  const away = new Map<ReadablePlace, Failure>();
  for (const copy of copies) {
    if (away.has(copy.place)) continue;
    try {
      verified.push(await verifyCopy(work, copy));
    } catch (error) {
      if (!(error instanceof Failure && error.exitCode === ExitCode.unreachable)) throw error;
      away.set(copy.place, error);
    }
  }
  return { verified, failures: [...away.values()] };
}

async function verifyCopy(work: Work, copy: ChosenCopy): Promise<Verified> {
  const { settings, flags, signal, context, tell } = work;
  const { place } = copy;
  const tool = `lifeboat ${context.version}`;
  if (copy.kind === 'sqlite') {
    const level = flags.quick === true ? 'quick' : flags.deep === true ? 'deep' : 'full';
    const one = await verifyStore(settings, place, copy.file, { level, signal });
    // What was broken off says nothing of the backup.
    signal.throwIfAborted();
    tell(one);
    await kept(work, () => noteStore(place, copy.file, one, tool));
    return one;
  }
  const one = await verifyOne(work, place, copy.pair, context);
  tell(one);
  await kept(work, () => notePair(place, copy.pair, one, tool));
  return one;
}

/** A place that takes no notes is told of, and is no failure. */
async function kept({ say }: Work, note: () => Promise<void>): Promise<void> {
  try {
    await note();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`The result is not kept: ${error.message}`);
  }
}

async function verifyOne(
  { settings, flags, signal, say }: Work,
  { archive }: ReadablePlace,
  pair: BackupPair,
  context: CommandContext,
): Promise<VerifiedPair> {
  const started = performance.now();
  const level = flags.quick === true ? 'quick' : 'full';
  const excludedTypes = new Set(settings.excludedTypes);
  // It only reads: whoever stops it does not wait for a place that does not answer.
  const result = await unlessAborted(verifyBackup(archive, pair, { level, excludedTypes, signal }), signal);
  const isDeep = flags.deep === true && isRestorable(result);
  if (isDeep) {
    // The engines and all of a restore: loaded only where it is asked for.
    const { deepVerify } = await import('./deep-verify.js');
    const differences = await deepVerify({ context, settings, archive, pair, full: result, say, signal });
    result.problems.push(...differences);
    result.ok &&= differences.length === 0;
  }
  const seconds = (performance.now() - started) / 1000;
  return { kind: 'automem', result, level: isDeep ? 'deep' : level, seconds };
}

/** What is fatal in its files needs no engines to be found. */
function isRestorable({ problems, content }: BackupVerification): boolean {
  return content !== null && problems.every(({ severity }) => severity !== 'fatal');
}

/** Notes the result beside the pair; of what proves nothing either way there is nothing to note. */
async function notePair(
  { writable }: ReadablePlace,
  pair: BackupPair,
  { result, level }: VerifiedPair,
  tool: string,
): Promise<void> {
  const { problems, unproven } = result;
  // Without the key the files were looked at as they lie there: a quick look, and nothing against the backup.
  const isQuick = isProvenQuick(result);
  if (verdictOf(result) === 'unproven' && !isQuick) return;
  const seen = isQuick ? { level: 'quick' as const, ok: true } : { level, ok: result.ok };
  await addVerified(writable, pair, {
    at: new Date().toISOString(),
    ...(seen satisfies { level: VerifyLevel; ok: boolean }),
    problems: problems.filter(({ severity }) => severity !== 'note').length + unproven.length,
    tool,
    ...whatWasSeen(pair, result.files, result.content?.counts ?? null),
  });
}

function summaryOf(verified: readonly Verified[], failures: readonly Failure[], exitCode: ExitCode): object {
  return {
    type: 'verification',
    outcome: outcomeOf(verified, exitCode),
    exitCode,
    verified: verified.length,
    sound: verified.filter(({ result }) => result.ok).length,
    failures: failures.map(({ code, message, hint, subject }) => ({ place: subject, code, message, hint })),
    backups: verified.map(({ kind, result, level }) => {
      const { timestamp, place, ok, problems, noKey } = result;
      return {
        ...{ kind, timestamp, place, level, ok, problems: problems.length },
        ...{ verdict: verdictOf(result), noKey, proven: provenOf(result, level), reason: reasonOf(result) },
      };
    }),
  };
}

function outcomeOf(verified: readonly Verified[], exitCode: ExitCode): string {
  if (exitCode === ExitCode.done) return 'sound';
  if (exitCode !== ExitCode.notAsItShouldBe) return 'incomplete';
  return verified.some(({ result }) => verdictOf(result) === 'not-sound') ? 'not-sound' : 'unproven';
}

/** How close the look was that it passed; null where it passed none. */
function provenOf(result: Verified['result'], level: VerifyLevel): VerifyLevel | null {
  if (result.ok) return level;
  return isProvenQuick(result) ? 'quick' : null;
}
