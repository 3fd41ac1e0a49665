import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CreatedBackup } from '../../backup/create/create-backup.js';
import { ExitCode } from '../../failure.js';
import { formatBytes, formatCount, formatDuration, formatNumberOf } from '../../report/format.js';
import type { Settings } from '../../settings/settings.js';
import type { CommandContext } from '../context.js';
import { unlessAborted } from '../run/unless-aborted.js';
import { settingsOf } from '../run/settings-of.js';
import { previewBackup, type BackupPreview } from './create-dry-run.js';
import { previewSqlite } from './create-dry-run-sqlite.js';
import { previewLines, previewRecord } from './create-dry-run-words.js';
import { interruption } from './interruption.js';
import { makeBackup } from './make-backup.js';
import { DESTINATIONS, placeLines, type Destination } from './places.js';
import { progressLines } from './progress-lines.js';
import {
  makeSqliteBackup,
  sqliteLines,
  sqliteRecord,
  sqliteSource,
  type SqliteSource,
} from './sqlite-source.js';

interface Flags {
  to?: Destination;
  only?: 'graph' | 'vectors';
  encrypt?: boolean;
  source?: SqliteSource;
  dryRun?: true;
  json?: true;
}

const HELP = `
Writes AutoMem's two files and a manifest that proves them. Nothing bears its name before all of it was read, counted and
written; a backup never takes the place of another one. Both stores are read at the same time, and may be in use.

Exit codes, with --dry-run too of what would be:
  0    the backup lies at every place, whole
  1    it does not, at one place at least: the message says where and why
  2    wrong usage or settings
  3    a store is lost or empty: there is nothing to back up
  10   a store or a place cannot be reached; it lies at the other places
  11   a recovery is at work, or was killed and left the stores half done
  130  stopped by the operator; nothing is left of it`;

/** Adds `lifeboat backup create`. */
export function addCreateCommand(backup: Command, context: CommandContext): void {
  backup
    .command('create')
    .description("back both stores up, in AutoMem's own format, with a manifest")
    .addOption(
      new Option('--to <place>', 'local, s3 or both; by default all that are set up').argParser(destination),
    )
    .addOption(new Option('--only <half>', 'one store alone').choices(['graph', 'vectors']))
    .option('--encrypt', 'for the age recipients in LIFEBOAT_AGE_RECIPIENTS')
    .option('--no-encrypt', 'also where the settings say so')
    .addOption(
      new Option('--source <store>', 'sqlite:PATH, the store of MCP Memory Service').argParser(sqliteSource),
    )
    .addOption(
      new Option(
        '--dry-run',
        'check places, keys, stores and the lease, say what would be written, and write nothing',
      ),
    )
    .option('--json', 'one JSON object a line, the last one the result')
    .addHelpText('after', HELP)
    .action((flags: Flags) =>
      flags.dryRun === true
        ? tryCreate(context, flags)
        : flags.source === undefined
          ? create(context, flags)
          : createOfSqlite(context, flags, flags.source),
    );
}

async function create(context: CommandContext, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const progress = progressLines(context, flags.json === true);
  const stop = interruption(context);
  try {
    const made = await makeBackup(settings, {
      to: flags.to ?? settings.backups.to,
      only: flags.only ?? null,
      encrypt: flags.encrypt ?? settings.backups.encrypt,
      version: context.version,
      onRead: progress.read,
      signal: stop.signal,
      now: () => new Date(),
    });
    progress.end();
    const result = createdRecord(made);
    context.out(flags.json === true ? `${JSON.stringify(result)}\n` : createdLines(made).join('\n') + '\n');
    const failed = made.places.find(({ failure }) => failure !== null)?.failure ?? null;
    if (failed !== null) {
      context.setExitCode(failed.exitCode);
      if (flags.json !== true) context.err(`${failed.message}\n${failed.hint}\n`);
    }
  } catch (error) {
    progress.end();
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

async function tryCreate(context: CommandContext, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  try {
    const preview = await unlessAborted(previewOf(context, settings, flags), stop.signal);
    const isJson = flags.json === true;
    context.out(
      isJson ? `${JSON.stringify(previewRecord(preview))}\n` : `${previewLines(preview).join('\n')}\n`,
    );
    context.setExitCode(preview.exitCode);
    if (isJson) return;
    for (const { failure } of preview.checks)
      if (failure !== null) context.err(`${failure.message}\n${failure.hint}\n`);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

function previewOf(context: CommandContext, settings: Settings, flags: Flags): Promise<BackupPreview> {
  const options = {
    to: flags.to ?? settings.backups.to,
    encrypt: flags.encrypt ?? settings.backups.encrypt,
    now: new Date(),
  };
  return flags.source === undefined
    ? previewBackup(settings, { ...options, only: flags.only ?? null })
    : previewSqlite(settings, resolve(context.cwd, flags.source.path), options);
}

async function createOfSqlite(context: CommandContext, flags: Flags, source: SqliteSource): Promise<void> {
  const settings = await settingsOf(context);
  const stop = interruption(context);
  try {
    const made = await makeSqliteBackup(context, settings, source, {
      to: flags.to ?? settings.backups.to,
      encrypt: flags.encrypt ?? settings.backups.encrypt,
      signal: stop.signal,
    });
    const isJson = flags.json === true;
    context.out(isJson ? `${JSON.stringify(sqliteRecord(made))}\n` : `${sqliteLines(made).join('\n')}\n`);
    const failed = made.places.find(({ failure }) => failure !== null)?.failure ?? null;
    if (failed === null) return;
    context.setExitCode(failed.exitCode);
    if (!isJson) context.err(`${failed.message}\n${failed.hint}\n`);
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
  }
}

/** What a backup is to scripts. Fields are only ever added. */
function createdRecord({ timestamp, places, manifest }: CreatedBackup): object {
  const { graph, vectors, files } = manifest;
  const failed = places.filter(({ failure }) => failure !== null);
  return {
    type: 'backup',
    timestamp,
    outcome: failed.length === 0 ? 'done' : 'incomplete',
    exitCode: failed[0]?.failure?.exitCode ?? ExitCode.done,
    seconds: manifest.seconds,
    nodes: graph?.nodes ?? null,
    memories: graph?.memories ?? null,
    relationships: graph?.relationships ?? null,
    points: vectors?.points ?? null,
    bytes: Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0),
    files: Object.fromEntries(
      Object.entries(files).map(([path, { bytes, sha256, digest }]) => [path, { bytes, sha256, digest }]),
    ),
    writesMeanwhile: manifest.writes_meanwhile,
    storesApartSeconds: manifest.stores_apart_seconds,
    warnings: manifest.warnings,
    places: places.map(({ place, failure, made }) => ({
      ...{ place, made },
      failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
    })),
  };
}

/** What a backup is to people. */
function createdLines({ timestamp, places, manifest }: CreatedBackup): string[] {
  const { graph, vectors, files, writes_meanwhile: writes, warnings } = manifest;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  const held = [
    ...(graph === null
      ? []
      : [
          `${formatNumberOf(graph.memories, 'memory', 'memories')} in ${formatNumberOf(graph.nodes, 'node', 'nodes')}`,
          formatNumberOf(graph.relationships, 'relationship', 'relationships'),
        ]),
    ...(vectors === null ? [] : [formatNumberOf(vectors.points, 'point', 'points')]),
  ];
  return [
    `Backup ${timestamp}: ${held.join(', ')}`,
    `  ${formatBytes(bytes)} in ${formatDuration(manifest.seconds)}${isEncrypted(manifest) ? ', encrypted' : ''}`,
    `  ${writesSay(writes)}`,
    ...warnings.map((text) => `  ! ${text}`),
    ...placeLines(places),
    `To prove that it can be restored: lifeboat backup verify ${timestamp}`,
  ];
}

function isEncrypted({ files }: CreatedBackup['manifest']): boolean {
  return Object.values(files).some(({ encryption }) => encryption !== null);
}

function writesSay(writes: CreatedBackup['manifest']['writes_meanwhile']): string {
  const { nodes_not_in_backup: nodes, relationships_not_in_backup: relationships } = writes;
  if (writes.graph !== true && writes.vectors !== true)
    return writes.graph === false || writes.vectors === false
      ? 'nothing was written meanwhile'
      : 'whether anything was written meanwhile could not be seen';
  const late = nodes + relationships;
  return late === 0
    ? 'the service wrote meanwhile; everything that was there all the time is in it'
    : `the service wrote meanwhile: ${formatCount(nodes)} nodes and ${formatCount(relationships)} relationships came too late for it`;
}

function destination(text: string): Destination {
  const found = DESTINATIONS.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`It can be ${DESTINATIONS.join(', ')}.`);
  return found;
}
