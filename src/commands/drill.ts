import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { ComparisonResult } from '../recovery/events.js';
import { compareGraphs, describeDifference, readGraph, type GraphSnapshot } from '../sandbox/compare.js';
import { DAMAGE_SCENARIOS, damageScenario, type DamageScenario } from '../sandbox/damage.js';
import { startDrillEngines, type DrillEngines } from '../sandbox/drill-engines.js';
import { fill } from '../sandbox/fill.js';
import { backupStamp } from '../sandbox/population/times.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import { RunSession } from './run/session.js';
import { isInteractive, showRun, type ViewOptions } from './run/show.js';
import { settingsOf } from './run/settings-of.js';

interface Flags {
  scenario: string;
  memories: number;
  dim: number;
  seed: number;
  input: boolean;
  json?: true;
}

const HELP = `
Needs nothing of yours: the engines are started for the drill on free ports of the loopback address, and removed after it.
In a terminal you are led through it as on a real evening; in a pipe it runs through.

Scenarios:
${DAMAGE_SCENARIOS.filter(isDrillable)
  .map(({ name, description }) => `  ${name.padEnd(14)} ${description}`)
  .join('\n')}

Exit codes:
  0    recovered, and not one difference from before the damage
  1    failed
  2    wrong usage
  3    recovered, but something differs from before the damage
  130  stopped`;

/** Scenarios that a plan exists for today. */
function isDrillable({ name }: DamageScenario): boolean {
  return name === 'graph-lost' || name === 'graph-empty';
}

/** Adds `lifeboat drill`. */
export function addDrillCommand(program: Command, context: CommandContext): void {
  program
    .command('drill')
    .description('practise: real engines, believable data, real damage, recovery, and a comparison with before')
    .option('--scenario <name>', 'what breaks', drillable, 'graph-lost')
    .option('--memories <number>', 'memories to fill the stores with', atLeast(1), 2_000)
    .option('--dim <number>', 'components of each vector', atLeast(2), 384)
    .option('--seed <number>', 'the same seed gives the same data', atLeast(0), 1)
    .option('--no-input', 'run through without asking, also in a terminal')
    .option('--json', 'one JSON object a line, the last one the summary')
    .addHelpText('after', HELP)
    .action((flags: Flags) => runDrill(flags, context));
}

function drillable(name: string): string {
  const known = DAMAGE_SCENARIOS.filter(isDrillable).map((scenario) => scenario.name);
  if (!known.includes(name)) throw new InvalidArgumentError(`There is no such scenario yet. There are: ${known.join(', ')}.`);
  return name;
}

function atLeast(minimum: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!Number.isSafeInteger(number) || number < minimum) throw new InvalidArgumentError(`It must be a whole number from ${minimum}.`);
    return number;
  };
}

async function runDrill(flags: Flags, context: CommandContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-drill-'));
  let engines: DrillEngines | null = null;
  try {
    engines = await startDrillEngines({ folder, env: context.env, onProgress: (text) => context.err(`${text}\n`) });
    context.setExitCode(await practise(flags, context, engines, folder));
  } finally {
    await engines?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function practise(flags: Flags, context: CommandContext, engines: DrillEngines, folder: string): Promise<number> {
  const settings = await drillSettings(context, engines, folder);
  const say = (text: string): void => context.err(`${text}\n`);
  const { memories, dim, seed } = flags;
  const filled = await fill(
    { memories, dim, seed, backupDir: settings.backups.dir, timestamp: backupStamp(new Date()), force: false },
    engines.stores,
  );
  say(`filled both stores: ${filled.nodes} nodes, ${filled.relationships} relationships, ${filled.points} points; backup taken`);
  const before = await readGraph(engines.stores.graph);
  try {
    for (const done of await damageScenario(flags.scenario).apply(engines.stores)) say(`damage: ${done}`);
    const session = drillSession(settings, context, flags, () => compareWithBefore(before, engines));
    const summary = await showRun(session, context, viewOf(flags));
    return summary.exitCode;
  } finally {
    await before.close();
  }
}

/** The drill's own stores and backups; everything else, such as objectives, as the operator set it. */
async function drillSettings(context: CommandContext, engines: DrillEngines, folder: string): Promise<Settings> {
  const own = await settingsOf(context);
  const env = { HOME: context.env['HOME'], ...engines.variables, AUTOMEM_BACKUP_DIR: join(folder, 'backups') };
  const drill = await loadSettings({ env, cwd: folder, home: folder });
  return { ...drill, objectives: own.objectives, folders: own.folders };
}

function drillSession(
  settings: Settings,
  context: CommandContext,
  flags: Flags,
  inspect: () => Promise<ComparisonResult>,
): RunSession {
  const interactive = isInteractive(context, viewOf(flags));
  return new RunSession(settings, {
    command: 'drill',
    request: {
      plan: null,
      dryRun: false,
      interactive,
      // Nobody is there to type it, and the stores are the drill's own.
      confirm: interactive ? null : settings.graph.name,
      confirmName: settings.graph.name,
      goal: 'recover',
    },
    backup: 'latest',
    backupDepth: 'sound',
    restoreUnmatched: false,
    planFolders: planFolders(undefined, context),
    keepsRecord: true,
    inspect,
  });
}

async function compareWithBefore(before: GraphSnapshot, { stores }: DrillEngines): Promise<ComparisonResult> {
  const after = await readGraph(stores.graph);
  try {
    const { equal, nodes, relationships, examples } = await compareGraphs(before, after);
    const differences = nodes.missing + nodes.extra + nodes.changed + relationships.missing + relationships.extra;
    return { equal, differences, nodes, relationships, examples: examples.map(describeDifference) };
  } finally {
    await after.close();
  }
}

function viewOf({ json, input }: Flags): ViewOptions {
  return { json: json === true, input };
}
