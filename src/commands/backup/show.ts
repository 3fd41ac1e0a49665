import { resolve } from 'node:path';
import type { Command } from 'commander';
import { undecrypted } from '../../backup/decrypting-archive.js';
import type { BackupCopy } from '../../backup/inventory/backup-copy.js';
import { readManifest } from '../../backup/manifest.js';
import { readSqliteManifest } from '../../backup/sqlite/sqlite-manifest.js';
import { parseJson } from '../../memory/json.js';
import { isMap, type ValueMap } from '../../memory/values.js';
import { plainNumbers } from '../../recovery/run-directory.js';
import type { CommandContext } from '../context.js';
import { settingsOf } from '../run/settings-of.js';
import { interruption } from './interruption.js';
import { terminalWidth } from './list.js';
import { backupNamed, listOf, openArchives } from './list-backups.js';
import { backupRecord } from './list-words.js';
import { shownText } from './show-words.js';
import { isOf, sourceOption, type WhichStores } from './which-backups.js';

interface Flags {
  file?: string;
  source?: WhichStores;
  manifest?: true;
  json?: true;
}

const HELP = `
Exit codes:
  0    it is shown
  2    wrong usage or settings
  4    there is no such backup
  10   a place cannot be reached, and no other one has it`;

/** Adds `lifeboat backup show`. */
export function addShowCommand(backup: Command, context: CommandContext): void {
  backup
    .command('show')
    .description(
      'one backup: its files, what it holds, what its manifest says, how it was verified, what keeps it',
    )
    .argument('[timestamp]', 'YYYYMMDD_HHMMSS, or "latest"', 'latest')
    .option(
      '--file <path>',
      "a folder, an archive from AutoMem's API or one file, in place of those of the settings",
    )
    .addOption(sourceOption())
    .option('--manifest', 'besides, all that its manifest says')
    .option('--json', 'one JSON object, with the whole manifest')
    .addHelpText('after', HELP)
    .action((timestamp: string, flags: Flags) => show(context, timestamp, flags));
}

async function show(context: CommandContext, timestamp: string, flags: Flags): Promise<void> {
  const settings = await settingsOf(context);
  const now = new Date();
  const stop = interruption(context);
  const file = flags.file === undefined ? null : resolve(context.cwd, flags.file);
  const opened = await openArchives(settings, { file, now, signal: stop.signal });
  try {
    const listed = await listOf(settings, opened, now);
    const isMeant = flags.source === undefined ? () => true : isOf(flags.source, context.cwd);
    const named = backupNamed('show the backup', listed.inventory, timestamp, isMeant);
    const backup = listed.backups.find((one) => one.backup === named);
    if (backup === undefined) throw new Error('what is named was listed');
    const manifest = await manifestOf(named.copies);
    context.out(
      flags.json === true
        ? `${JSON.stringify({ ...backupRecord(backup), manifest }, plainNumbers)}\n`
        : shownText(backup, manifest, {
            now,
            width: terminalWidth(context),
            isWhole: flags.manifest === true,
          }),
    );
  } catch (error) {
    throw stop.explain(error);
  } finally {
    stop.end();
    await opened.close();
  }
}

/** Of the first copy whose manifest can be trusted. */
async function manifestOf(copies: readonly BackupCopy[]): Promise<ValueMap | null> {
  const copy = copies.find(
    ({ hasManifest, warning, counts }) => hasManifest && warning === null && counts !== null,
  );
  if (copy === undefined) return null;
  if (copy.kind === 'sqlite') {
    const { base, timestamp } = copy;
    const read = parseJson(
      JSON.stringify(await readSqliteManifest(undecrypted(copy.archive), base, timestamp)),
    );
    return isMap(read) ? read : null;
  }
  const manifest = await readManifest(undecrypted(copy.archive), copy.pair);
  return manifest === null || typeof manifest === 'string' ? null : manifest.body;
}
