import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { rebuildGraph, type GraphRebuild } from '../../backup/sqlite/rebuild-graph.js';
import { restoreSqlite, type SqliteRestore } from '../../backup/sqlite/restore-sqlite.js';
import { ExitCode, Failure } from '../../failure.js';
import { formatDuration, formatNumberOf } from '../../report/format.js';
import { oneLine, printable } from '../../report/text.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { findSqliteBackup, type PassedOver } from './find-sqlite.js';
import { backupPlaces, DESTINATIONS, type Destination } from './places.js';
import { identitiesOf } from './readable-places.js';
import { restoreFirstSound } from './restore-copies.js';
import { nameOfStore, sqliteSource, type SqliteSource } from './sqlite-source.js';

interface Flags {
  source?: SqliteSource;
  dryRun?: true;
  force?: true;
  rebuildGraph?: true;
  at?: Destination;
  confirm?: string;
  json?: true;
}

const RESTORE_HELP = `
For the SQLite store of MCP Memory Service; "latest" is the newest backup of the store at that path. Graph and collection of AutoMem are restored with: lifeboat recover

The backup is unpacked beside the store and proven there before the store is touched. A copy that is damaged is passed over
where another place has a sound one; what was passed over is named. The old file stays beside it as
NAME.before-TIMESTAMP until you remove it; how to go back to it is printed. Stop the service first.

Exit codes:
  0  restored, and proven where it lies (dry run: it could be)
  1  failed, as where another program has the store open; the store is as it was
  2  wrong usage, or not confirmed
  3  restored; some associations could not become edges of the graph
  4  there is no such backup, or it is damaged`;

const GRAPH_HELP = `
Memories with the tags "association" and "discovered" each become an edge of the table memory_graph, as the service keeps
it. They stay, and what is there already is left as it is: doing it twice changes nothing.

Exit codes:
  0  every association has its edge
  1  failed; the store is as it was
  2  wrong usage, or not confirmed
  3  some associations could not become edges: each is named`;

/** Adds `lifeboat backup restore` and `lifeboat backup rebuild-graph`, both for SQLite stores. */
export function addSqliteCommands(backup: Command, context: CommandContext): void {
  withSource(backup.command('restore [timestamp]'))
    .description('put a backup of a SQLite store in its place; the old file is kept')
    .addOption(
      new Option('--at <place>', 'where the backup lies; by default all places, the folder first').choices(
        DESTINATIONS,
      ),
    )
    .option('--force', 'also where another program has the store open, or it is something else')
    .option(
      '--rebuild-graph',
      'write the edges that association memories tell of, before the store is replaced',
    )
    .addHelpText('after', RESTORE_HELP)
    .action((timestamp: string | undefined, flags: Flags) => restore(context, timestamp ?? 'latest', flags));
  withSource(backup.command('rebuild-graph'))
    .description('write the edges that association memories of a SQLite store tell of')
    .addHelpText('after', GRAPH_HELP)
    .action((flags: Flags) => rebuild(context, flags));
}

function withSource(command: Command): Command {
  return command
    .addOption(new Option('--source <store>', 'sqlite:PATH; must be given').argParser(sqliteSource))
    .option('--dry-run', 'prove everything, and change nothing')
    .option('--confirm <name>', "the name of the store's file, typed out")
    .option('--json', 'one JSON object');
}

async function restore(context: CommandContext, which: string, flags: Flags): Promise<void> {
  const { path } = flags.source ?? noSource(which);
  const settings = await settingsOf(context);
  const target = resolve(context.cwd, path);
  if (flags.dryRun !== true) confirmed(flags.confirm, target);
  const stop = interruption(context);
  try {
    const choice = await findSqliteBackup(
      backupPlaces(settings, flags.at ?? null, stop.signal),
      which,
      target,
    );
    const { result, copy, passedOver } = await restoreFirstSound(choice, stop.signal, ({ archive, file }) =>
      restoreSqlite({
        archive,
        file,
        identities: identitiesOf(settings),
        target,
        scratch: tmpdir(),
        startedAt: new Date(),
        dryRun: flags.dryRun === true,
        force: flags.force === true,
        rebuildGraph: flags.rebuildGraph === true,
        signal: stop.signal,
      }),
    );
    const exitCode = exitCodeOf(result.graph);
    const record = { type: 'sqlite-restore', exitCode, place: copy.place, ...result, passedOver };
    const lines = [...restoredLines(result, copy.place), ...passedOver.map(passedOverLine)];
    context.out(flags.json === true ? `${JSON.stringify(record)}\n` : `${lines.join('\n')}\n`);
    context.setExitCode(exitCode);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

async function rebuild(context: CommandContext, flags: Flags): Promise<void> {
  const path = resolve(context.cwd, (flags.source ?? noSource(null)).path);
  const dryRun = flags.dryRun === true;
  if (!dryRun) confirmed(flags.confirm, path);
  const graph = await rebuildGraph({ path, dryRun, now: new Date() });
  const exitCode = exitCodeOf(graph);
  const record = { type: 'sqlite-graph', exitCode, path, ...graph };
  context.out(flags.json === true ? `${JSON.stringify(record)}\n` : `${graphLines(graph).join('\n')}\n`);
  context.setExitCode(exitCode);
}

/**
 * Whoever has a backup of both stores looks for its restore here first.
 *
 * @param which the backup that was asked for; null where it is the graph table that is to be rebuilt
 */
function noSource(which: string | null): never {
  const backup = which === null || which === 'latest' ? '' : ` --backup ${which}`;
  throw new Failure({
    operation: which === null ? 'rebuild the graph table' : 'restore the backup',
    subject: which ?? '--source',
    reason: 'it was not said which SQLite store is meant',
    hint:
      which === null
        ? 'Name the store with --source sqlite:PATH. The graph of AutoMem is rebuilt with: lifeboat recover rebuild-graph'
        : `Graph and collection are restored with: lifeboat recover restore-backup${backup}; a SQLite store with --source sqlite:PATH.`,
    exitCode: ExitCode.usage,
    code: 'source-missing',
  });
}

function exitCodeOf(graph: GraphRebuild | null): ExitCode {
  return (graph?.refused.length ?? 0) > 0 ? ExitCode.notAsItShouldBe : ExitCode.done;
}

function confirmed(name: string | undefined, target: string): void {
  const wanted = nameOfStore(target);
  if (name === wanted) return;
  throw new Failure({
    operation: 'change the SQLite store',
    subject: target,
    reason: name === undefined ? 'it was not confirmed' : `"${name}" is not its name`,
    hint: `To see what would be done: --dry-run. To do it: --confirm ${wanted}`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
}

/** What may be better, or newer, and was not restored. */
function passedOverLine({ timestamp, place, reason }: PassedOver): string {
  const where = timestamp === null ? place : `${timestamp} in ${place}`;
  return `  ${oneLine(printable(`passed over: ${where}: ${reason}`))}`;
}

function restoredLines(
  { timestamp, target, tables, kept, graph, notes, dryRun, seconds, hasManifest }: SqliteRestore,
  place: string,
): string[] {
  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
  return [
    `${dryRun ? 'Would restore' : 'Restored'} ${timestamp} from ${place} to ${target.path}: ${formatNumberOf(rows, 'row', 'rows')} in ${formatNumberOf(Object.keys(tables).length, 'table', 'tables')}, in ${formatDuration(seconds)}`,
    `  ${hasManifest ? 'checksum, counts and integrity are as its manifest says' : 'it has no manifest: its integrity was checked, its counts could not be'}`,
    ...(kept === null ? [] : [`  the old store is kept: ${kept}`, ...goBackLines(target.path, kept)]),
    ...notes.map((note) => `  ${note}`),
    ...(graph === null ? [] : graphLines(graph)),
  ];
}

/** What the service wrote to the restored store lies in the log beside it, and is none of the old one's. */
function goBackLines(path: string, kept: string): string[] {
  const [store, wal, shm] = [path, `${path}-wal`, `${path}-shm`].map(quoted);
  const log = `[ ! -e ${quoted(`${kept}-wal`)} ] || mv ${quoted(`${kept}-wal`)} ${wal ?? ''}`;
  return [
    '  to go back to it, stop the service, then:',
    `    rm -f ${wal ?? ''} ${shm ?? ''} && mv ${quoted(kept)} ${store ?? ''} && { ${log}; }`,
  ];
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function graphLines({
  associations,
  rebuilt,
  alreadyThere,
  repeated,
  refused,
  dryRun,
  seconds,
}: GraphRebuild): string[] {
  return [
    `${formatNumberOf(associations, 'association', 'associations')}: ${rebuilt} ${dryRun ? 'would be written' : 'written'}, ${alreadyThere} there already, ${repeated} of a pair that has one, in ${formatDuration(seconds)}`,
    ...refused.map(({ contentHash, reason }) => `  not an edge: ${contentHash}: ${reason}`),
  ];
}
