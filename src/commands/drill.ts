import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { Interrupted } from '../failure.js';
import type { ComparisonResult } from '../recovery/events.js';
import { formatCount, formatDuration, formatNumberOf } from '../report/format.js';
import { wrapText } from '../report/text.js';
import { compareGraphs, describeDifference, readGraph, type GraphSnapshot } from '../sandbox/compare.js';
import { DAMAGE_SCENARIOS, damageScenario, type DamageScenario } from '../sandbox/damage.js';
import { startDrillEngines, type DrillEngines } from '../sandbox/drill-engines.js';
import { ensureEngines } from '../sandbox/engines.js';
import { fill, type FillProgress, type FillResult } from '../sandbox/fill.js';
import { backupStamp } from '../sandbox/population/times.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import { unlessAborted } from './run/execute-actor.js';
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
  2    wrong usage or settings
  3    recovered, but something differs from before the damage
  5    recovered, but later than the objective
  130  stopped; the engines and their data are removed all the same`;

/** Scenarios that a plan exists for today. */
function isDrillable({ name }: DamageScenario): boolean {
  return name === 'graph-lost' || name === 'graph-empty';
}

/** Adds `lifeboat drill`. */
export function addDrillCommand(program: Command, context: CommandContext): void {
  program
    .command('drill')
    .description(
      'practise: real engines, believable data, real damage, recovery, and a comparison with before',
    )
    .option('--scenario <name>', 'what breaks', drillable, 'graph-lost')
    .option('--memories <number>', 'memories to fill the stores with', wholeNumber(1), 2_000)
    .option('--dim <number>', 'components of each vector, 2 to 4096', wholeNumber(2, 4096), 384)
    .option('--seed <number>', 'the same seed gives the same data', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--no-input', 'run through without asking, also in a terminal')
    .option('--json', 'one JSON object a line, the last one the summary')
    .addHelpText('after', HELP)
    .action((flags: Flags) => runDrill(flags, context));
}

function drillable(name: string): string {
  const known = DAMAGE_SCENARIOS.filter(isDrillable).map((scenario) => scenario.name);
  if (!known.includes(name))
    throw new InvalidArgumentError(`There is no such scenario yet. There are: ${known.join(', ')}.`);
  return name;
}

function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = maximum === Number.MAX_SAFE_INTEGER ? `from ${minimum}` : `from ${minimum} to ${maximum}`;
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (number >= minimum && number <= maximum) return number;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** One drill: where it says what it does before the run begins, and whether it is to stop. */
interface Drill {
  flags: Flags;
  context: CommandContext;
  signal: AbortSignal;
  say: (text: string) => void;
}

async function runDrill(flags: Flags, context: CommandContext): Promise<void> {
  const say = (text: string): void => sayWrapped(text, context);
  // Settings that are wrong are told before an engine starts.
  const own = await settingsOf(context);
  introduce(flags, say);
  const stop = new AbortController();
  // Stays until everything is removed: a Ctrl-C must not leave half of it.
  const stopListening = context.onInterrupt(() => stop.abort(new Interrupted()));
  try {
    const drill = { flags, context, signal: stop.signal, say };
    await unlessAborted(
      ensureEngines({ env: context.env, onProgress: (text) => say(`  ${text}`) }),
      stop.signal,
    );
    context.setExitCode(await withEngines(drill, (engines, folder) => practise(drill, own, engines, folder)));
  } catch (error) {
    if (error instanceof Interrupted) say('\nStopped. The engines of the drill and their data are removed.');
    throw error;
  } finally {
    stopListening();
  }
}

/** What is about to happen, before anything does. */
function introduce({ scenario, memories }: Flags, say: Drill['say']): void {
  const count = formatNumberOf(memories, 'memory', 'memories');
  say(`DRILL ${scenario}: ${damageScenario(scenario).description}`);
  say(
    `Engines of the drill's own are started and filled with ${count}, and a backup is taken. Then comes the damage, ` +
      'the recovery, and a comparison with before. Nothing of yours is touched. Ctrl-C stops and removes everything.',
  );
}

/** A message that fits the terminal; what is indented stays so. */
function sayWrapped(text: string, context: CommandContext): void {
  const columns = context.terminal?.stdout.columns;
  const width = Math.min(columns === undefined || columns === 0 ? WIDEST : columns, WIDEST) - 1;
  const indent = /^ */.exec(text)?.[0] ?? '';
  for (const [index, line] of wrapText(text, width - indent.length - 2).entries()) {
    context.err(line === '' ? '\n' : `${indent}${index > 0 && indent !== '' ? '  ' : ''}${line}\n`);
  }
}

/** Longer lines are hard to read, however wide the terminal. */
const WIDEST = 110;

/** Runs the work with two engines of its own, and removes them and their data afterwards, whatever happens. */
async function withEngines<T>(
  drill: Drill,
  work: (engines: DrillEngines, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-drill-'));
  let engines: DrillEngines | null = null;
  try {
    drill.say('  starting FalkorDB and Qdrant on free ports');
    engines = await startDrillEngines({ folder, env: drill.context.env, onProgress: () => undefined });
    drill.signal.throwIfAborted();
    return await work(engines, folder);
  } finally {
    await engines?.stop();
    // What was being filled when it was stopped may still write a moment longer.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function practise(drill: Drill, own: Settings, engines: DrillEngines, folder: string): Promise<number> {
  const { flags, context, signal, say } = drill;
  const settings = await drillSettings(context, own, engines, folder);
  const filled = await fillStores(drill, engines, settings.backups.dir);
  say(`  filled in ${formatDuration(filled.seconds)}: ${countsOf(filled)}; backup taken`);
  const before = await unlessAborted(readGraph(engines.stores.graph), signal);
  try {
    const damage = damageScenario(flags.scenario);
    for (const done of await unlessAborted(damage.apply(engines.stores), signal)) say(`  damage: ${done}`);
    if (isInteractive(context, viewOf(flags))) say('');
    const session = drillSession(settings, context, flags, () => compareWithBefore(before, engines));
    const summary = await showRun(session, context, viewOf(flags));
    return summary.exitCode;
  } finally {
    await before.close();
  }
}

async function fillStores(
  { flags, signal, say }: Drill,
  engines: DrillEngines,
  backupDir: string | null,
): Promise<FillResult> {
  const { memories, dim, seed } = flags;
  say('  filling both stores and taking a backup');
  const options = { memories, dim, seed, backupDir, timestamp: backupStamp(new Date()), force: false };
  let told = performance.now();
  // It stops itself at the next word of progress: engines that end under it would leave its clients with errors.
  const tell = ({ part, done, total }: FillProgress): void => {
    signal.throwIfAborted();
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    say(`    ${formatCount(done)}${total === null ? '' : ` of ${formatCount(total)}`} ${part}`);
  };
  const filled = await fill(options, engines.stores, tell);
  signal.throwIfAborted();
  return filled;
}

/** The filling is silent until it has taken this long, and then speaks this often. */
const PROGRESS_MS = 2_000;

function countsOf({ nodes, relationships, points }: FillResult): string {
  return [
    formatNumberOf(nodes, 'node', 'nodes'),
    formatNumberOf(relationships, 'relationship', 'relationships'),
    formatNumberOf(points, 'point', 'points'),
  ].join(', ');
}

/** The drill's own stores and backups; everything else, such as objectives, as the operator set it. */
async function drillSettings(
  context: CommandContext,
  own: Settings,
  engines: DrillEngines,
  folder: string,
): Promise<Settings> {
  const env = {
    HOME: context.env['HOME'],
    ...engines.variables,
    AUTOMEM_BACKUP_DIR: join(folder, 'backups'),
  };
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
    const differences =
      nodes.missing + nodes.extra + nodes.changed + relationships.missing + relationships.extra;
    return { equal, differences, nodes, relationships, examples: examples.map(describeDifference) };
  } finally {
    await after.close();
  }
}

function viewOf({ json, input }: Flags): ViewOptions {
  return { json: json === true, input };
}
