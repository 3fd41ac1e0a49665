import { Option, type Command } from 'commander';
import type { BackupPair } from '../../backup/types.js';
import { baseOf } from '../../backup/manifest.js';
import { verifyBackup, type BackupVerification } from '../../backup/verify/verify-backup.js';
import type { FileFacts } from '../../backup/verify/hash-file.js';
import { addVerified, type VerifyLevel } from '../../backup/verify/verified-notes.js';
import { ExitCode, Failure } from '../../failure.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { DESTINATIONS, type Destination } from './places.js';
import { namedTimestamp, readablePlaces, type ReadablePlace } from './readable-places.js';
import { verifiedLines, verifiedRecord, type VerifiedPair } from './verify-words.js';

interface Flags {
  all?: true;
  quick?: true;
  deep?: true;
  at?: Destination;
  json?: true;
}

const HELP = `
Three ways to look, each of which includes the one before:
  --quick    the manifest, and sizes and checksums of the files as they lie there; needs no key
  (default)  every record is read: counts, ids, ends of relationships, sizes of vectors, digests
  --deep     the pair is restored into engines of its own and compared with the files

A backup of AutoMem's own has no manifest: it is proven as far as its gzip checksums and its own counts go. What came out is
kept beside the pair, in lifeboat_TIMESTAMP.verified.json, and holds while the files are the same.

Exit codes:
  0    everything that was verified is sound
  3    something is wrong with it, lost in it, or could not be looked at
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
    .option('--json', 'one JSON object a line, the last one the result')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) => verify(context, timestamp, flags));
}

async function verify(context: CommandContext, timestamp: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  try {
    const readable = await readablePlaces(settings, flags.at ?? null);
    const { verified, failures: lost } = await verifyPlaces(
      { settings, flags, signal: stop.signal, ...toldBy(context, flags) },
      readable.places,
      {
        timestamp: namedTimestamp('verify the backup', readable, timestamp),
        version: context.version,
        context,
      },
    );
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
function exitCodeOf(verified: readonly VerifiedPair[], failures: readonly Failure[]): ExitCode {
  if (!verified.every(({ result }) => result.ok)) return ExitCode.notAsItShouldBe;
  return failures[0]?.exitCode ?? ExitCode.done;
}

interface Telling {
  tell: (verified: VerifiedPair) => void;
  say: (text: string) => void;
}

function toldBy(context: CommandContext, { json }: Flags): Telling {
  return {
    tell: (verified) =>
      context.out(
        json === true
          ? `${JSON.stringify(verifiedRecord(verified))}\n`
          : `${verifiedLines(verified).join('\n')}\n`,
      ),
    say: (text) => context.err(`  ${text}\n`),
  };
}

interface Work extends Telling {
  settings: Settings;
  flags: Flags;
  signal: AbortSignal;
}

interface Asked {
  timestamp: string;
  version: string;
  context: CommandContext;
}

/** Newest first, the same backup at all places one after the other. A place that goes away is left, the others are not. */
async function verifyPlaces(
  work: Work,
  places: readonly ReadablePlace[],
  asked: Asked,
): Promise<{ verified: VerifiedPair[]; failures: Failure[] }> {
  const chosen = places.flatMap((place) =>
    place.pairs
      .filter(({ timestamp }) => work.flags.all === true || timestamp === asked.timestamp)
      .map((pair) => ({ place, pair })),
  );
  chosen.sort((a, b) => (a.pair.timestamp < b.pair.timestamp ? 1 : -1));
  const verified: VerifiedPair[] = [];
  const away = new Map<ReadablePlace, Failure>();
  for (const { place, pair } of chosen) {
    if (away.has(place)) continue;
    try {
      const one = await verifyOne(work, place, pair, asked.context);
      work.tell(one);
      await keep(work, place, pair, one, asked.version);
      verified.push(one);
    } catch (error) {
      if (!(error instanceof Failure && error.exitCode === ExitCode.unreachable)) throw error;
      away.set(place, error);
    }
  }
  return { verified, failures: [...away.values()] };
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
  const result = await verifyBackup(archive, pair, { level, excludedTypes, signal });
  const isDeep = flags.deep === true && isRestorable(result);
  if (isDeep) {
    // The engines and all of a restore: loaded only where it is asked for.
    const { deepVerify } = await import('./deep-verify.js');
    const differences = await deepVerify({ context, settings, archive, pair, full: result, say, signal });
    result.problems.push(...differences);
    result.ok &&= differences.length === 0;
  }
  const seconds = (performance.now() - started) / 1000;
  return { result, level: isDeep ? 'deep' : level, seconds };
}

/** What is fatal in its files needs no engines to be found. */
function isRestorable({ problems, content }: BackupVerification): boolean {
  return content !== null && problems.every(({ severity }) => severity !== 'fatal');
}

/** Notes the result beside the pair. A place that takes no notes is told of, and is no failure. */
async function keep(
  { say }: Work,
  { writable }: ReadablePlace,
  pair: BackupPair,
  { result, level }: VerifiedPair,
  version: string,
): Promise<void> {
  const base = baseOf(pair).length;
  const { problems, unproven } = result;
  // Without the key the files were looked at as they lie there: a quick look, and nothing against the backup.
  const isLocked = unproven.length > 0 && result.content === null && result.manifest !== null;
  const isSound = problems.every(({ severity }) => severity === 'note');
  const seen = isLocked && isSound ? { level: 'quick' as const, ok: true } : { level, ok: result.ok };
  try {
    await addVerified(writable, pair, {
      at: new Date().toISOString(),
      ...(seen satisfies { level: VerifyLevel; ok: boolean }),
      problems: problems.filter(({ severity }) => severity !== 'note').length + unproven.length,
      tool: `lifeboat ${version}`,
      files: Object.fromEntries(lookedAt(pair, result).map(([path, facts]) => [path.slice(base), facts])),
    });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`The result is not kept: ${error.message}`);
  }
}

/** All files of the pair: one that could not be read to its end has no checksum, and is none the less what was looked at. */
function lookedAt({ graph, vectors }: BackupPair, { files }: BackupVerification): [string, FileFacts][] {
  return [graph, vectors].flatMap((file) =>
    file === null ? [] : [[file.path, files.get(file.path) ?? { bytes: file.bytes, sha256: '' }]],
  );
}

function summaryOf(
  verified: readonly VerifiedPair[],
  failures: readonly Failure[],
  exitCode: ExitCode,
): object {
  return {
    type: 'verification',
    outcome:
      exitCode === ExitCode.done
        ? 'sound'
        : exitCode === ExitCode.notAsItShouldBe
          ? 'not-sound'
          : 'incomplete',
    exitCode,
    verified: verified.length,
    sound: verified.filter(({ result }) => result.ok).length,
    failures: failures.map(({ code, message, hint, subject }) => ({ place: subject, code, message, hint })),
    backups: verified.map(({ result: { timestamp, place, ok, problems }, level }) => ({
      timestamp,
      place,
      level,
      ok,
      problems: problems.length,
    })),
  };
}
