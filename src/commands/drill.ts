import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { Interrupted } from '../failure.js';
import type { ComparisonResult } from '../recovery/events.js';
import { formatCount, formatDuration, formatNumberOf } from '../report/format.js';
import { wrapText } from '../report/text.js';
import { compareGraphs, describeDifference, readGraph, type GraphSnapshot } from '../sandbox/compare.js';
import {
  compareVectors,
  readVectors,
  type VectorDifference,
  type VectorSnapshot,
} from '../sandbox/compare-vectors.js';
import { DAMAGE_SCENARIOS, damageScenario } from '../sandbox/damage.js';
import { startDrillEngines, type DrillEngines } from '../sandbox/drill-engines.js';
import { ensureEngines } from '../sandbox/engines.js';
import { fill, type FillProgress, type FillResult } from '../sandbox/fill.js';
import { backupStamp } from '../sandbox/population/times.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import type { CommandContext } from './context.js';
import { planFolders } from './recover.js';
import { unlessAborted } from './run/unless-aborted.js';
import { RunSession } from './run/session.js';
import { DEFAULT_RECOVERY } from './run/session-options.js';
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
${DAMAGE_SCENARIOS.map(({ name, description }) => `  ${name.padEnd(22)} ${description}`).join('\n')}

Exit codes:
  0    recovered, and not one difference from before the damage
  1    failed
  2    wrong usage or settings
  3    recovered, but something differs from before the damage
  5    recovered, but later than the objective
  130  stopped; the engines and their data are removed all the same`;

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
  const known = DAMAGE_SCENARIOS.map((scenario) => scenario.name);
  if (!known.includes(name))
    throw new InvalidArgumentError(`There is no such scenario. There are: ${known.join(', ')}.`);
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

/** What the stores held before the damage. */
interface Before {
  graph: GraphSnapshot;
  vectors: VectorSnapshot;
}

async function practise(drill: Drill, own: Settings, engines: DrillEngines, folder: string): Promise<number> {
  const { flags, context, signal, say } = drill;
  const settings = await drillSettings(context, own, engines, folder);
  const filled = await fillStores(drill, engines, settings.backups.dir);
  say(`  filled in ${formatDuration(filled.seconds)}: ${countsOf(filled)}; backup taken`);
  const before = await unlessAborted(readBoth(engines), signal);
  try {
    const snapshot = await breakStores(drill, engines, settings.backups.dir);
    if (isInteractive(context, viewOf(flags))) say('');
    const session = drillSession(settings, context, flags, () => compareWithBefore(before, engines));
    if (snapshot !== null) restoreWhenAsked(session, () => engines.restoreVolume(snapshot));
    const summary = await showRun(session, context, viewOf(flags));
    return summary.exitCode;
  } finally {
    await Promise.all([before.graph.close(), before.vectors.close()]);
  }
}

async function readBoth({ stores }: DrillEngines): Promise<Before> {
  return { graph: await readGraph(stores.graph), vectors: await readVectors(stores.vectors) };
}

/** @returns the copy of the graph's volume from before the damage, where the scenario takes one */
async function breakStores(
  { flags, signal, say }: Drill,
  engines: DrillEngines,
  backupDir: string,
): Promise<string | null> {
  let snapshot: string | null = null;
  const volume = { snapshotVolume: async () => (snapshot = await engines.snapshotVolume()) };
  const damage = damageScenario(flags.scenario).apply({ ...engines.stores, backupDir, volume });
  for (const done of await unlessAborted(damage, signal)) say(`  damage: ${done}`);
  return snapshot;
}

/** Does what the person at the hosting provider's console would do, once the run waits for it. */
function restoreWhenAsked({ bus }: RunSession, restore: () => Promise<void>): void {
  const stop = bus.subscribe((event) => {
    if (event.type !== 'step.started' || event.step !== 'await-graph') return;
    stop();
    bus.emit({ type: 'notice', message: 'In this drill the volume is now put back from its copy.' });
    restore().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      bus.emit({ type: 'notice', message: `The volume could not be put back: ${reason}` });
    });
  });
}

async function fillStores(
  { flags, signal, say }: Drill,
  engines: DrillEngines,
  backupDir: string | null,
): Promise<FillResult> {
  const { scenario, memories, dim, seed } = flags;
  say('  filling both stores and taking a backup');
  const now = new Date();
  const options = {
    memories,
    dim,
    seed,
    backupDir,
    timestamp: backupStamp(now),
    // What a recovery falls back to where the newest one is spoiled.
    olderTimestamps:
      scenario === 'corrupt-newest-backup' ? [backupStamp(new Date(now.getTime() - OLDER_MS))] : [],
    force: false,
  };
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

/** Every six hours is how often backups are usually taken. */
const OLDER_MS = 6 * 3600 * 1000;

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

/** Plans that are never taken by themselves, and what they are practised on. */
const NAMED_PLANS: Partial<Record<string, string>> = {
  'volume-snapshot': 'restore-volume',
  'both-lost-no-backup': 'fresh-start',
};

function drillSession(
  settings: Settings,
  context: CommandContext,
  flags: Flags,
  inspect: () => Promise<ComparisonResult>,
): RunSession {
  const interactive = isInteractive(context, viewOf(flags));
  return new RunSession(settings, {
    version: context.version,
    command: 'drill',
    request: {
      plan: NAMED_PLANS[flags.scenario] ?? null,
      dryRun: false,
      interactive,
      // Nobody is there to type it, and the stores are the drill's own.
      confirm: interactive ? null : settings.graph.name,
      confirmName: settings.graph.name,
      fix: false,
      goal: 'recover',
    },
    backup: 'latest',
    backupFile: null,
    backupDepth: 'sound',
    deep: 'where-both-hold-data',
    // A drill repairs the smallest drift and the largest, and has a volume put back within seconds.
    recovery: {
      ...DEFAULT_RECOVERY,
      deterministicVectors: true,
      always: true,
      maxDrift: 100,
      waitSeconds: 120,
    },
    planFolders: planFolders(undefined, context),
    keepsRecord: true,
    takesLease: true,
    takeOver: false,
    resume: null,
    inspect,
  });
}

function describePoint({ kind, subject, properties }: VectorDifference): string {
  const where = properties.map(({ name }) => name).join(', ');
  return `${kind} ${subject}${where === '' ? '' : `: ${where}`}`;
}

/** Fields of a memory that AutoMem writes into a payload on some of its ways only; a recovery writes them always. */
const OFTEN_LEFT_OUT = new Set([
  'tag_prefixes',
  't_valid',
  't_invalid',
  'relevance_score',
  'archived',
  'last_accessed',
]);

async function compareWithBefore(before: Before, engines: DrillEngines): Promise<ComparisonResult> {
  const after = await readBoth(engines);
  try {
    const graph = await compareGraphs(before.graph, after.graph);
    const vectors = await compareVectors(before.vectors, after.vectors, { mayGain: OFTEN_LEFT_OUT });
    const { nodes, relationships } = graph;
    const { points, settings } = vectors;
    return {
      equal: graph.equal && vectors.equal,
      differences:
        nodes.missing +
        nodes.extra +
        nodes.changed +
        relationships.missing +
        relationships.extra +
        points.missing +
        points.extra +
        points.payloadChanged +
        points.vectorChanged +
        settings.length,
      nodes,
      relationships,
      points,
      settings: settings.length,
      examples: [
        ...graph.examples.map(describeDifference),
        ...vectors.examples.map(describePoint),
        ...settings.map(({ name }) => `setting of the collection: ${name}`),
      ],
    };
  } finally {
    await Promise.all([after.graph.close(), after.vectors.close()]);
  }
}

function viewOf({ json, input }: Flags): ViewOptions {
  return { json: json === true, input };
}
