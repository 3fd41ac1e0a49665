import { InvalidArgumentError, type Command } from 'commander';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { ExitCode, Failure } from '../failure.js';
import type { StoreAddresses } from '../sandbox/addresses.js';
import { DAMAGE_SCENARIOS, damageScenario } from '../sandbox/damage.js';
import { fill, type FillProgress, type FillResult } from '../sandbox/fill.js';
import { backupStamp } from '../sandbox/population/times.js';
import { sandboxStatus } from '../sandbox/sandbox.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import type { CommandContext } from './context.js';

interface FillFlags {
  memories: number;
  dim: number;
  seed: number;
  backupDir?: string;
  timestamp?: string;
  force?: true;
  json?: true;
}

interface DamageFlags {
  confirm?: string;
  dir?: string;
  json?: true;
}

const FILL_HELP = `
Graph and collection are those of AutoMem's variables (FALKORDB_HOST, QDRANT_URL …). The backup pair lies in
--backup-dir, else in $AUTOMEM_BACKUP_DIR, as AutoMem itself writes it. The same seed, dimensions and timestamp give
the same data, byte for byte.

Exit codes:
  0   both stores are filled, counted, and the backup pair is written
  1   the graph or the collection holds data already, or a store lost writes
  2   wrong usage
  10  a store cannot be reached`;

/** Adds `fill` and `damage` to `lifeboat sandbox`: data to try recovery on, and ways to break it. */
export function addSandboxDataCommands(sandbox: Command, context: CommandContext): void {
  sandbox
    .command('fill')
    .description('write a believable AutoMem population into both stores, and the matching backup pair')
    .option(
      '--memories <number>',
      'memories (summaries, entities and patterns come on top)',
      wholeNumber,
      1_000,
    )
    .option('--dim <number>', 'components of each vector, 2 to 4096', wholeNumber, 768)
    .option('--seed <number>', 'the same seed gives the same data', wholeNumber, 1)
    .option('--backup-dir <folder>', 'where the backup pair goes (default: $AUTOMEM_BACKUP_DIR)')
    .option('--timestamp <time>', 'YYYYMMDD_HHMMSS in UTC: when the backup was taken (default: now)')
    .option('--force', 'replace what the graph and the collection hold')
    .option('--json', 'print one JSON object')
    .addHelpText('after', FILL_HELP)
    .action((flags: FillFlags) => runFill(flags, context));
  sandbox
    .command('damage')
    .description('break the stores on purpose, for a drill')
    .argument('<scenario>', 'what is to happen; see below')
    .option('--confirm <graph>', 'name the graph, to break stores that are not those of the running sandbox')
    .option('--dir <folder>', 'where the sandbox is kept, if not in the usual place')
    .option('--json', 'print one JSON object')
    .addHelpText('after', damageHelp())
    .action((scenario: string, flags: DamageFlags) => runDamage(scenario, flags, context));
}

async function runFill(flags: FillFlags, context: CommandContext): Promise<void> {
  const settings = await settingsOf(context);
  const { memories, dim, seed } = flags;
  const backupDir =
    flags.backupDir === undefined ? settings.backups.dir : resolve(context.cwd, flags.backupDir);
  const timestamp = flags.timestamp ?? backupStamp(new Date());
  const result = await fill(
    { memories, dim, seed, backupDir, timestamp, force: flags.force ?? false },
    storesOf(settings),
    flags.json ? undefined : progressLines(context),
  );
  const { graph, vectors } = settings;
  if (flags.json) {
    const names = { graph: graph.name, collection: vectors.collection, timestamp, dim, seed };
    context.out(`${JSON.stringify({ type: 'fill', ...names, ...result })}\n`);
  } else context.out(fillText(result));
}

/** A line at every tenth of a part, and at its end. */
function progressLines(context: CommandContext): (progress: FillProgress) => void {
  let told = '';
  return ({ part, done, total }) => {
    const tenth = total === null ? Math.floor(done / 20_000) : Math.floor((10 * done) / total);
    if (told === `${part} ${tenth}`) return;
    told = `${part} ${tenth}`;
    context.err(`${part} ${done}${total === null ? '' : ` of ${total}`}\n`);
  };
}

function fillText({
  nodes,
  memories,
  metaMemories,
  relationships,
  points,
  seconds,
  files,
}: FillResult): string {
  const graph = `graph       ${nodes} nodes (${memories} memories, ${metaMemories} summaries), ${relationships} relationships\n`;
  const backup = files === null ? '' : `backup      ${files.graph}\n            ${files.vectors}\n`;
  return `${graph}collection  ${points} points\n${backup}time        ${seconds.toFixed(1)} s\n`;
}

async function runDamage(name: string, flags: DamageFlags, context: CommandContext): Promise<void> {
  const scenario = damageScenario(name);
  const settings = await settingsOf(context);
  await refuseStrangers(settings, flags, context);
  // Backups are files of yours: they are touched only where the damage was confirmed.
  const backupDir = flags.confirm === settings.graph.name ? settings.backups.dir : null;
  const done = await scenario.apply({ ...storesOf(settings), backupDir });
  const { graph, vectors } = settings;
  if (flags.json) {
    const names = { scenario: name, graph: graph.name, collection: vectors.collection };
    context.out(`${JSON.stringify({ type: 'damage', ...names, done })}\n`);
  } else context.out(done.map((line) => `${line}\n`).join(''));
}

/** Only the stores of the running sandbox may be broken without naming the graph. */
async function refuseStrangers(
  settings: Settings,
  flags: DamageFlags,
  context: CommandContext,
): Promise<void> {
  const { graph, vectors } = settings;
  if (flags.confirm === graph.name) return;
  const { variables } = await sandboxStatus({ dir: flags.dir, env: context.env, cwd: context.cwd });
  const own =
    variables.FALKORDB_HOST === graph.host &&
    variables.FALKORDB_PORT === String(graph.port) &&
    variables.QDRANT_URL === vectors.url;
  if (own && flags.confirm === undefined) return;
  const wrongName = flags.confirm !== undefined;
  throw new Failure({
    operation: 'damage the stores',
    subject: `${graph.host}:${graph.port}, ${vectors.url}`,
    reason: wrongName
      ? `--confirm names ${JSON.stringify(flags.confirm)}, but the graph is ${JSON.stringify(graph.name)}`
      : 'they are not those of a running sandbox, and what is destroyed there stays destroyed',
    hint: `If you mean these stores, add --confirm ${graph.name}.`,
    exitCode: ExitCode.usage,
    code: 'not-confirmed',
  });
}

function damageHelp(): string {
  const width = Math.max(...DAMAGE_SCENARIOS.map(({ name }) => name.length));
  const lines = DAMAGE_SCENARIOS.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`);
  return `
Scenarios:
${lines.join('\n')}

Exit codes:
  0   the stores are broken as asked
  1   a store did not obey
  2   wrong usage, or not the stores of the running sandbox and not confirmed
  10  a store cannot be reached`;
}

async function settingsOf({ env, cwd }: CommandContext): Promise<Settings> {
  return await loadSettings({ env, cwd, home: env['HOME'] || homedir() });
}

/** The addresses that the settings hold. */
function storesOf({ graph, vectors }: Settings): StoreAddresses {
  const { host, port, username, tls, name } = graph;
  return {
    graph: {
      host,
      port,
      username,
      password: graph.password ?? undefined,
      tls,
      caFile: graph.caFile ?? undefined,
      name,
    },
    vectors: { url: vectors.url, apiKey: vectors.apiKey ?? undefined, collection: vectors.collection },
  };
}

function wholeNumber(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
