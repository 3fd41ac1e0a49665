import type { TimedEvent } from '../recovery/events.js';
import { adviceLines } from './advice.js';
import { logEntries, type LogEntry } from './log-entries.js';
import { reportSections, type ReportLine, type ReportSection } from './report-sections.js';
import { oneLine, printableDeep } from './text.js';
import { emptyView, reduceView, type RunView } from './view-model.js';
import { WAITING_UNIT } from './view-steps.js';
import { progressSays, type Tone } from './words.js';

/** A step is silent until it has run this long, and then speaks this often. */
const PROGRESS_MS = 2000;
/** A step that waits for a person may do so for hours. */
const WAITING_MS = 30_000;
/** So many records of a kind are named one by one; the file has them all. */
const NAMED_RECORDS = 5;

/** Words, not symbols: they can be searched for, and every terminal and log viewer has them. */
const WORDS: Record<Tone, string> = { ok: 'ok', bad: 'FAILED', warn: 'WARNING', skip: 'skipped', info: '' };

/**
 * Prints a run as plain lines: a time in UTC, a word, and what happened, without colour or cursor movement. Ends with the
 * report. Call the returned function with each event in order.
 */
export function linesView(write: (line: string) => void): (event: TimedEvent) => void {
  let view = emptyView();
  const speaksAt = new Map<string, number>();
  return (raw) => {
    const event = printableDeep(raw);
    view = reduceView(view, event);
    const clock = clockOf(event.time);
    if (event.type === 'run.started') write(`${clock}          ${event.time.slice(0, 10)}, times in UTC`);
    for (const entry of [...logEntries(event, view.run), ...recordEntries(event, view)])
      write(`${clock}  ${logLine(event, entry)}`);
    if (event.type === 'step.started') speaksAt.set(event.step, Date.parse(event.time) + PROGRESS_MS);
    if (event.type === 'step.progress' && mayProgress(event, speaksAt)) {
      const title = view.steps.find((step) => step.id === event.step)?.title ?? event.step;
      write(`${clock}  ${logLine(event, { tone: 'info', text: `${title}: ${progressSays(event)}` })}`);
    }
    if (event.type === 'summary') writeReport(view, write);
  };
}

function mayProgress(
  event: Extract<TimedEvent, { type: 'step.progress' }>,
  speaksAt: Map<string, number>,
): boolean {
  const now = Date.parse(event.time);
  const from = speaksAt.get(event.step);
  if (from === undefined || now < from) {
    // A step that never said it started is timed from its first progress.
    if (from === undefined) speaksAt.set(event.step, now + PROGRESS_MS);
    return false;
  }
  speaksAt.set(event.step, now + (event.unit === WAITING_UNIT ? WAITING_MS : PROGRESS_MS));
  return true;
}

function recordEntries(event: TimedEvent, view: RunView): LogEntry[] {
  if (event.type !== 'salvage' && event.type !== 'quarantine') return [];
  const { count, latest } = view[event.type];
  const what = event.type === 'salvage' ? 'salvaged' : 'in quarantine';
  if (count > NAMED_RECORDS + 1) return [];
  if (count === NAMED_RECORDS + 1)
    return [{ tone: 'warn', text: `more records ${what}: the run's files have them all` }];
  return [{ tone: 'warn', text: `${what}: ${latest ?? ''}` }];
}

function logLine(event: TimedEvent, entry: LogEntry): string {
  const word = wordFor(event, entry.tone);
  const advice = entry.then === undefined ? [] : adviceLines(entry.then);
  return `${word.padEnd(7)} ${[oneLine(entry.text), ...advice].join(' -> ')}`;
}

function wordFor(event: TimedEvent, tone: Tone): string {
  // A plan that does not apply was not skipped, and a store that is lost did not fail: nothing was tried.
  if (event.type === 'plans') return '';
  const found = event.type === 'finding' || event.type === 'assessment';
  return found && tone === 'bad' ? 'PROBLEM' : WORDS[tone];
}

function writeReport(view: RunView, write: (line: string) => void): void {
  const { summary } = view;
  const sections = reportSections(view, 'plain');
  if (summary === null || sections === null) return;
  write('');
  write(`REPORT ${summary.command} ${summary.run}`);
  for (const section of sections) {
    if (section.title !== '') write(section.title.toUpperCase());
    for (const text of sectionLines(section)) write(text);
  }
}

function sectionLines(section: ReportSection): string[] {
  const labels = Math.max(0, ...section.lines.map((line) => line.label.length));
  const words = Math.max(0, ...section.lines.map((line) => reportWord(section, line).length));
  return section.lines.map((line) => {
    const word = words === 0 ? '' : `${reportWord(section, line).padEnd(words)} `;
    const label = labels === 0 || line.label === '' ? '' : `${line.label.padEnd(labels)}  `;
    return `  ${word}${label}${oneLine(line.text)}`;
  });
}

/** Only where a line can be good or bad does it carry a word; "Plans" and "Next" are lists. */
function reportWord(section: ReportSection, line: ReportLine): string {
  return section.title === '' || section.title === 'Checks' ? WORDS[line.tone] : '';
}

function clockOf(time: string): string {
  return time.slice(11, 19) || time;
}
