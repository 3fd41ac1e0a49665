import type { TimedEvent } from '../recovery/events.js';
import { adviceLines, namesCommand } from './advice.js';
import { formatDuration, formatNumberOf } from './format.js';
import { mendsSay } from './mend-words.js';
import type { RunFacts } from './view-model.js';
import { checkTone, mayTake, planSays, plansToTell, storeHints, storeLines, type Tone } from './words.js';

/** One line of a run's log. */
export interface LogEntry {
  tone: Tone;
  text: string;
  /** The next thing to do about it. */
  then?: string;
}

type Of<Type extends TimedEvent['type']> = Extract<TimedEvent, { type: Type }>;
type Entries = { [Type in TimedEvent['type']]: (event: Of<Type>, run: RunFacts | null) => LogEntry[] };

/** Code of the finding whose action is to compare the stores. */
const COUNTS_DIFFER = 'counts-differ';

const nothing = (): LogEntry[] => [];

const ENTRIES: Entries = {
  'run.started': runEntries,
  'phase.started': (event) => [info(`${event.phase}: started`)],
  'phase.finished': (event) => [info(`${event.phase}: finished in ${formatDuration(event.seconds)}`)],
  finding: (event, run) => [findingEntry(event, run)],
  assessment: assessmentEntries,
  plans: planEntries,
  'plan.chosen': choiceEntries,
  'confirm.required': ({ plan, name }) => [warn(`plan ${plan} waits for confirmation: the name ${name}`)],
  'confirm.accepted': ({ plan }) => [info(`plan ${plan} confirmed`)],
  'confirm.rejected': ({ typed, name }) => [warn(`not confirmed: "${typed}" is not "${name}"`)],
  'fix.offered': ({ mends, round }) => [warn(`may be mended, ${mendsSay(mends, round)}`)],
  'fix.started': ({ mends, round }) => [info(`mending, ${mendsSay(mends, round)}`)],
  resumed: ({ run, after }) => [
    info(`${run} goes on ${after === null ? 'from its first step' : `after the step "${after}"`}`),
  ],
  'step.started': ({ index, total, title }) => [info(`step ${index}/${total} ${title}: started`)],
  'step.finished': (event) => [stepEntry(event)],
  check: (event) => [checkEntry(event)],
  comparison: ({ comparison: { equal, differences } }) => [
    {
      tone: equal ? 'ok' : 'bad',
      text: `compared with before the damage: ${formatNumberOf(differences, 'difference', 'differences')}`,
    },
  ],
  notice: ({ message }) => [info(message)],
  stopping: ({ message }) => [warn(message)],
  failure: ({ message, hint }) => [{ tone: 'bad', text: message, then: hint }],
  // Progress and single records are the printers' business, and the summary becomes the report.
  'step.progress': nothing,
  salvage: nothing,
  quarantine: nothing,
  summary: nothing,
};

/**
 * What an event adds to a run's log: no line for what only moves a live view (progress, records one by one), a line for
 * each plan. Both the plain view and the terminal UI print these.
 *
 * @param run what is known of the run: a command with one plan tells of no other
 */
export function logEntries(event: TimedEvent, run: RunFacts | null): LogEntry[] {
  // An event that this version does not know is for a newer view.
  if (!Object.hasOwn(ENTRIES, event.type)) return [];
  return (ENTRIES[event.type] as (event: TimedEvent, run: RunFacts | null) => LogEntry[])(event, run);
}

function runEntries({ command, run, graph, collection, rtoSeconds, dryRun }: Of<'run.started'>): LogEntry[] {
  const objective = rtoSeconds === null ? '' : `, time objective ${formatDuration(rtoSeconds)}`;
  const dry = dryRun ? ' (dry run: nothing will be changed)' : '';
  return [info(`${command} ${run}: graph ${graph}, collection ${collection}${objective}${dry}`)];
}

function planEntries({ options, recommended }: Of<'plans'>, run: RunFacts | null): LogEntry[] {
  return plansToTell(run?.command, options).map((option) => ({
    tone: mayTake(option) ? 'info' : 'skip',
    text: `plan ${option.name}${option.name === recommended ? ' (recommended)' : ''}: ${planSays(option)}`,
  }));
}

/** Nobody chooses for a command that has one plan. */
function choiceEntries({ plan, by }: Of<'plan.chosen'>, run: RunFacts | null): LogEntry[] {
  return run?.command === 'repair'
    ? []
    : [info(`plan ${plan}, chosen by ${by === 'operator' ? 'the operator' : by}`)];
}

function findingEntry({ finding: told }: Of<'finding'>, run: RunFacts | null): LogEntry {
  const finding = { ...told };
  // Every command but this one goes on to compare the stores itself.
  if (finding.code === COUNTS_DIFFER && run?.command !== 'assess') delete finding.action;
  const tone = ({ info: 'info', warning: 'warn', problem: 'bad' } as const)[finding.severity];
  return { tone, text: finding.message, ...(finding.action === undefined ? {} : { then: finding.action }) };
}

function assessmentEntries({ assessment }: Of<'assessment'>): LogEntry[] {
  const stores = storeLines(assessment).map(({ tone, name, where, says }) => ({
    tone,
    text: `${name} ${says} (${where})`,
  }));
  const hints = storeHints(assessment).map((hint) => info(hint));
  return [...stores, ...hints];
}

function stepEntry(event: Of<'step.finished'>): LogEntry {
  const tone = ({ done: 'ok', skipped: 'skip', failed: 'bad' } as const)[event.outcome];
  const advice = adviceLines(event.detail);
  const [found = '', ...then] = namesCommand(event.detail) ? advice : [event.detail];
  const detail = found === '' ? '' : `: ${found}`;
  const took = event.outcome === 'skipped' ? '' : ` (${formatDuration(event.seconds)})`;
  return {
    tone,
    text: `${event.title}${detail}${took}`,
    ...(then.length === 0 ? {} : { then: then.join('\n') }),
  };
}

function checkEntry({ check }: Of<'check'>): LogEntry {
  const title = `check ${check.step} ${check.name}`;
  const tone = checkTone(check.status);
  if (check.status !== 'fail') return { tone, text: `${title}: ${check.actual}` };
  const text = `${title}: expected ${check.expected}, found ${check.actual}`;
  return { tone, text, ...(check.fix === undefined ? {} : { then: check.fix }) };
}

function info(text: string): LogEntry {
  return { tone: 'info', text };
}

function warn(text: string): LogEntry {
  return { tone: 'warn', text };
}
