import type { TimedEvent } from '../recovery/events.js';
import { formatDuration, formatNumberOf } from './format.js';
import { mendsSay } from './mend-words.js';
import { checkTone, mayTake, planSays, storeHints, storeLines, type Tone } from './words.js';

/** One line of a run's log. */
export interface LogEntry {
  tone: Tone;
  text: string;
  /** The next thing to do about it. */
  then?: string;
}

type Of<Type extends TimedEvent['type']> = Extract<TimedEvent, { type: Type }>;
type Entries = { [Type in TimedEvent['type']]: (event: Of<Type>) => LogEntry[] };

const nothing = (): LogEntry[] => [];

const ENTRIES: Entries = {
  'run.started': runEntries,
  'phase.started': (event) => [info(`${event.phase}: started`)],
  'phase.finished': (event) => [info(`${event.phase}: finished in ${formatDuration(event.seconds)}`)],
  finding: (event) => [findingEntry(event)],
  assessment: assessmentEntries,
  plans: planEntries,
  'plan.chosen': ({ plan, by }) => [
    info(`plan ${plan}, chosen by ${by === 'operator' ? 'the operator' : by}`),
  ],
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
 */
export function logEntries(event: TimedEvent): LogEntry[] {
  // An event that this version does not know is for a newer view.
  if (!Object.hasOwn(ENTRIES, event.type)) return [];
  return (ENTRIES[event.type] as (event: TimedEvent) => LogEntry[])(event);
}

function runEntries({ command, run, graph, collection, rtoSeconds, dryRun }: Of<'run.started'>): LogEntry[] {
  const objective = rtoSeconds === null ? '' : `, time objective ${formatDuration(rtoSeconds)}`;
  const dry = dryRun ? ' (dry run: nothing will be changed)' : '';
  return [info(`${command} ${run}: graph ${graph}, collection ${collection}${objective}${dry}`)];
}

function planEntries({ options, recommended }: Of<'plans'>): LogEntry[] {
  return options.map((option) => ({
    tone: mayTake(option) ? 'info' : 'skip',
    text: `plan ${option.name}${option.name === recommended ? ' (recommended)' : ''}: ${planSays(option)}`,
  }));
}

function findingEntry({ finding }: Of<'finding'>): LogEntry {
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
  const detail = event.detail === '' ? '' : `: ${event.detail}`;
  const took = event.outcome === 'skipped' ? '' : ` (${formatDuration(event.seconds)})`;
  return { tone, text: `${event.title}${detail}${took}` };
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
