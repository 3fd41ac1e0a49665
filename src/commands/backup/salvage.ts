import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { ENCRYPTED_SUFFIX } from '../../backup/layout.js';
import type { BackupPair } from '../../backup/types.js';
import { salvagePair, type Salvage } from '../../backup/verify/salvage.js';
import type { HalfCounts } from '../../backup/verify/salvage-half.js';
import { ExitCode } from '../../failure.js';
import { formatCount } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import { writableLocalArchive } from '../../stores/archive/local-writer.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { missingFolders, removeEmpty } from './made-folders.js';
import { DESTINATIONS, type Destination } from './places.js';
import { namedTimestamp, readablePlaces, type ReadablePlace } from './readable-places.js';

interface Flags {
  output: string;
  at?: Destination;
  json?: true;
}

const HELP = `
Whole records alone are saved, and of the relationships those that lead from a saved node to a saved node. The new pair has
the same timestamp and a manifest of its own; the damaged one stays as it is. To restore what was saved:
  AUTOMEM_BACKUP_DIR=FOLDER lifeboat recover --backup TIMESTAMP

Exit codes:
  0    everything that was in it is saved
  3    something is lost
  4    there is no such backup, or nothing in it is readable
  2    wrong usage or settings
  10   a place cannot be reached, and no other one has it
  130  stopped by the operator`;

/** Adds `lifeboat backup salvage`. */
export function addSalvageCommand(backup: Command, context: CommandContext): void {
  backup
    .command('salvage')
    .description('write what is readable of a damaged backup into a new one')
    .argument('<timestamp>', 'YYYYMMDD_HHMMSS, or "latest"')
    .requiredOption('--output <folder>', 'where the new pair goes: another folder than that of the backups')
    .addOption(new Option('--at <place>', 'where the damaged one lies').choices(DESTINATIONS))
    .option('--json', 'one JSON object, the result')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) => salvage(context, timestamp, flags));
}

async function salvage(context: CommandContext, name: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  try {
    const readable = await readablePlaces(settings, flags.at ?? null, stop.signal);
    const { places, failures } = readable;
    const timestamp = namedTimestamp('salvage the backup', readable, name);
    for (const { message, hint } of failures) context.err(`${message}\n${hint}\n`);
    const { place, pair } = placeOf(places, timestamp);
    const recipients = isEncrypted(pair) ? settings.backups.recipients : [];
    const folder = resolve(context.cwd, flags.output);
    const result = await leavingNothing(folder, () =>
      salvagePair(place.archive, pair, writableLocalArchive(folder), {
        recipients,
        names: { graph: settings.graph.name, collection: settings.vectors.collection },
        tool: `lifeboat ${context.version}`,
        now: () => new Date(),
        signal: stop.signal,
      }),
    );
    if (isEncrypted(pair) && recipients.length === 0 && result.place !== null)
      context.err('LIFEBOAT_AGE_RECIPIENTS is not set: the new pair is not encrypted.\n');
    tell(context, settings, flags, result);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

/** Of what was not written to the end, no empty folders stay. */
async function leavingNothing(folder: string, work: () => Promise<Salvage>): Promise<Salvage> {
  const made = await missingFolders(folder, ['falkordb', 'qdrant']);
  try {
    return await work();
  } finally {
    await removeEmpty(made);
  }
}

/** The first place that has it; with both halves where there is such a one. */
function placeOf(
  places: readonly ReadablePlace[],
  timestamp: string,
): { place: ReadablePlace; pair: BackupPair } {
  const found = places.flatMap((place) =>
    place.pairs.filter((pair) => pair.timestamp === timestamp).map((pair) => ({ place, pair })),
  );
  const whole = found.find(({ pair }) => pair.graph !== null && pair.vectors !== null);
  return (whole ?? found[0]) as { place: ReadablePlace; pair: BackupPair };
}

function isEncrypted({ graph, vectors }: BackupPair): boolean {
  return [graph, vectors].some((file) => file?.path.endsWith(ENCRYPTED_SUFFIX) === true);
}

function tell(context: CommandContext, settings: Settings, flags: Flags, result: Salvage): void {
  const exitCode =
    result.place === null
      ? ExitCode.nothingToRecoverFrom
      : result.complete
        ? ExitCode.done
        : ExitCode.notAsItShouldBe;
  context.setExitCode(exitCode);
  if (flags.json === true) context.out(`${JSON.stringify({ type: 'salvage', exitCode, ...result })}\n`);
  else context.out(`${salvageLines(result, settings.graph.name).join('\n')}\n`);
}

const HALF_WORDS = { graph: 'graph half', vectors: 'vector half' } as const;

function salvageLines(result: Salvage, graphName: string): string[] {
  const { timestamp, place, problems, missing, complete } = result;
  const trouble = [
    ...problems.map(({ message }) => `  in the way: ${message}`),
    ...missing.map((half) => `  Of the ${HALF_WORDS[half]} nothing is saved.`),
  ];
  if (place === null) return [`✗ ${timestamp}: nothing in it is readable`, ...trouble];
  return [
    `${complete ? '✓ Everything' : 'A part'} of ${timestamp} is saved in ${place}:`,
    ...[result.graph, result.vectors].flatMap((counts) => (counts === null ? [] : countLines(counts))),
    ...trouble,
    'To restore it: ' +
      `AUTOMEM_BACKUP_DIR=${place} lifeboat recover --backup ${timestamp} --confirm ${graphName}`,
  ];
}

function countLines({ saved, lost, leftOut, unproven }: HalfCounts): string[] {
  const lines = Object.entries(saved).map(([list, count]) => {
    const gone = lost[list as keyof typeof lost];
    const words =
      gone === null || gone === undefined ? 'how many there were is not known' : `${formatCount(gone)} lost`;
    return `  ${list}: ${formatCount(count)} saved, ${words}`;
  });
  if (leftOut > 0)
    lines.push(`    ${formatCount(leftOut)} relationships were readable and lead to a node that is lost`);
  if (unproven > 0)
    lines.push(
      `    ${formatCount(unproven)} saved records stood before the damage with no checksum of their own: a letter in them may be a wrong one`,
    );
  return lines;
}
