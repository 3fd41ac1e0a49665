import type { CheckResult, Summary } from '../recovery/events.js';
import { adviceLines, type Medium } from './advice.js';
import { driftLines } from './drift-lines.js';
import { formatDuration, formatNumberOf } from './format.js';
import { nextSteps } from './next-steps.js';
import { backupSays, driftSays, embeddedSays, endedEarly, stepsSay } from './result-words.js';
import { planInHand, type RunView, type Tally } from './view-model.js';
import {
  checkTone,
  estimateOf,
  lossOf,
  mayTake,
  objectiveSays,
  outcomeTone,
  planSays,
  type Tone,
} from './words.js';

/** One line of the report: a label before it, or none. */
export interface ReportLine {
  tone: Tone;
  label: string;
  text: string;
}

export interface ReportSection {
  /** Empty for the first one, which needs no title. */
  title: string;
  lines: ReportLine[];
}

/**
 * The end of a run in words: what came of it, what it cost, what to do now. Null before the summary.
 *
 * @param medium plain lines told the plans of a run that failed above already
 */
export function reportSections(view: RunView, medium: Medium): ReportSection[] | null {
  const { summary } = view;
  if (summary === null) return null;
  return [
    { title: '', lines: headLines(view, summary) },
    { title: 'Stores compared', lines: driftLines(view.assessment?.drift ?? null) },
    { title: 'Plans', lines: showsPlans(summary, medium) ? planLines(view) : [] },
    { title: 'Would do', lines: summary.outcome === 'dry-run' ? wouldDo(view) : [] },
    { title: 'What it takes', lines: summary.outcome === 'dry-run' ? whatItTakes(view) : [] },
    { title: 'Checks', lines: checkLines(view, summary) },
    { title: 'Compared with before the damage', lines: comparisonLines(summary) },
    { title: notBroughtBack(summary), lines: summary.losses.map((loss) => line('warn', '', loss)) },
    { title: 'Records', lines: recordLines(view, summary) },
    { title: 'Kept for rollback', lines: keptLines(summary) },
    { title: 'Files', lines: Object.entries(summary.files).map(([name, path]) => line('info', name, path)) },
    {
      title: 'Next',
      lines: nextSteps(view, medium).map((step, index) => line('info', `${index + 1}`, step)),
    },
  ].filter((section) => section.lines.length > 0);
}

/** What came of the run, as one sentence that starts with its outcome. */
function outcomeSentence(view: RunView, summary: Summary): string {
  const failed = summary.validation.filter((check) => check.status === 'fail').length;
  const message = summary.failure?.message ?? view.failure?.message;
  switch (summary.outcome) {
    case 'recovered':
      return `Recovered${summary.exitCode === 5 ? ', but an objective was missed' : ''}. ${passed(summary)}`;
    case 'recovered-with-losses':
      return `Recovered, with losses. ${passed(summary)}`;
    case 'validated':
      return `Validated. ${passed(summary)}`;
    case 'validation-failed':
      return failed === 0 && summary.comparison?.equal === false
        ? `Recovered, but not as it was before. ${passed(summary)}`
        : `Validation failed: ${failed} of ${formatNumberOf(summary.validation.length, 'check', 'checks')} did not pass.`;
    case 'assessed':
      return 'Assessed. Nothing was changed.';
    case 'dry-run':
      return 'Dry run. Nothing was changed.';
    case 'nothing-to-do':
      return 'Nothing to do. Nothing was changed.';
    case 'failed':
      return `Failed. ${message ?? 'The run log says why.'}`;
    case 'cancelled':
      return 'Cancelled. Nothing was changed.';
    case 'interrupted':
      return `Interrupted. ${summary.failure?.message ?? 'Both stores are as they were.'}`;
  }
}

/** A dry run only foresees it. */
function notBroughtBack({ outcome }: Summary): string {
  return outcome === 'dry-run' ? 'Would not come back' : 'Not brought back';
}

function passed({ validation }: Summary): string {
  const count = (status: string): number => validation.filter((check) => check.status === status).length;
  const failed = count('fail');
  if (validation.length === 0) return 'Nothing was validated.';
  const skipped = count('skip') > 0 ? `, ${count('skip')} skipped` : '';
  if (failed > 0) return `${failed} of ${validation.length} checks did not pass${skipped}.`;
  if (skipped === '')
    return validation.length === 1 ? 'The check passed.' : `All ${validation.length} checks passed.`;
  return `${count('pass')} of ${validation.length} checks passed${skipped}.`;
}

function headLines(view: RunView, summary: Summary): ReportLine[] {
  const lines = [line(outcomeTone(summary.outcome, summary.exitCode), '', outcomeSentence(view, summary))];
  const plan = planInHand(view);
  if (summary.plan !== null) {
    lines.push(line('info', 'plan', plan ? `${summary.plan}: ${plan.title}` : summary.plan));
  }
  const restored = restoredSays(summary);
  if (restored !== null) lines.push(line('info', 'restored', restored));
  const backup = backupSays(summary);
  if (backup !== null) lines.push(line('warn', 'backup', backup));
  const embedded = embeddedSays(summary);
  if (embedded !== null) lines.push(line('info', 'embedded', embedded));
  const drift = driftSays(summary);
  if (drift !== null) lines.push(line('info', 'drift', drift));
  if (summary.rto) lines.push(line(objectiveTone(summary.rto.met), 'RTO', objectiveSays(summary.rto)));
  if (summary.rpo) lines.push(line(objectiveTone(summary.rpo.met), 'RPO', objectiveSays(summary.rpo)));
  const took = tookSeconds(view);
  // The clock of the objective, where there is one, says it already.
  if (took !== null && summary.rto?.measuredSeconds == null)
    lines.push(line('info', 'took', formatDuration(took)));
  return lines;
}

function tookSeconds(view: RunView): number | null {
  return view.startedAt === null || view.latestAt === null ? null : (view.latestAt - view.startedAt) / 1000;
}

function restoredSays({ restored, outcome }: Summary): string | null {
  const { memories, nodes, relationships, vectors } = restored;
  const touched = memories + nodes + relationships + vectors > 0;
  if (!touched && !outcome.startsWith('recovered')) return null;
  return [
    formatNumberOf(memories, 'memory', 'memories'),
    formatNumberOf(nodes, 'node', 'nodes'),
    formatNumberOf(relationships, 'relationship', 'relationships'),
    formatNumberOf(vectors, 'vector', 'vectors'),
  ].join(', ');
}

/** Plans belong in the report of a run that only looked, or that found none to take; a repair has no choice of them. */
function showsPlans({ command, outcome, exitCode }: Summary, medium: Medium): boolean {
  if (command === 'repair') return false;
  if (outcome === 'assessed' || outcome === 'dry-run') return true;
  return medium === 'terminal' && outcome === 'failed' && exitCode === 4;
}

function planLines(view: RunView): ReportLine[] {
  return view.options.map((option) => {
    const mark = option.name === view.recommended ? ' (recommended)' : '';
    return line(mayTake(option) ? 'info' : 'skip', `${option.name}${mark}`, planSays(option));
  });
}

function wouldDo(view: RunView): ReportLine[] {
  const steps = planInHand(view)?.steps ?? [];
  return stepsSay(view, steps).map((step, index) => line('info', `${index + 1}`, step));
}

function whatItTakes(view: RunView): ReportLine[] {
  const plan = planInHand(view);
  if (plan === null || plan.steps.length === 0 || endedEarly(view)) return [];
  return [
    line('info', 'time', estimateOf(plan)),
    line('info', 'changes', plan.changes.length === 0 ? 'nothing' : plan.changes.join(', ')),
    line('info', 'you lose', lossOf(plan)),
    ...(plan.guidance === '' ? [] : [line('info', 'note', plan.guidance)]),
  ];
}

function checkLines(view: RunView, summary: Summary): ReportLine[] {
  // The events carry the fix of a failed check, the summary does not; the summary has the last word on which there are.
  return summary.validation.flatMap((result) => {
    const fix = view.checks.find((check) => check.step === result.step)?.fix;
    return oneCheck(result, fix);
  });
}

function oneCheck(
  check: Pick<CheckResult, 'step' | 'name' | 'status' | 'expected' | 'actual'>,
  fix?: string,
): ReportLine[] {
  const label = `${check.step} ${check.name}`;
  const tone = checkTone(check.status);
  if (check.status !== 'fail') return [line(tone, label, check.actual)];
  return [
    line(tone, label, `expected ${check.expected}; found ${check.actual}`),
    ...(fix === undefined ? [] : adviceLines(fix).map((text) => line('info', 'fix', text))),
  ];
}

function recordLines(view: RunView, summary: Summary): ReportLine[] {
  const lines: ReportLine[] = [];
  if (summary.salvaged > 0)
    lines.push(line('warn', 'salvaged', `${records(summary.salvaged)}${byKind(view.salvage)}`));
  if (summary.quarantined > 0)
    lines.push(line('bad', 'quarantine', `${records(summary.quarantined)}${byKind(view.quarantine)}`));
  return lines;
}

function records(count: number): string {
  return formatNumberOf(count, 'record', 'records');
}

function byKind({ by }: Tally): string {
  const kinds = Object.entries(by).map(([kind, count]) => `${kind} ${count}`);
  return kinds.length === 0 ? '' : ` (${kinds.join(', ')})`;
}

/** What a drill kept is gone with its engines. */
function keptLines({ command, kept }: Summary): ReportLine[] {
  return command === 'drill' ? [] : kept.map((what) => line('info', '', what));
}

function comparisonLines({ comparison }: Summary): ReportLine[] {
  if (comparison === undefined) return [];
  const { equal, differences, nodes, relationships, points, examples } = comparison;
  const counts = `${formatNumberOf(nodes.before, 'node', 'nodes')}, ${formatNumberOf(relationships.before, 'relationship', 'relationships')}, ${formatNumberOf(points.before, 'point', 'points')} before`;
  return [
    line(equal ? 'ok' : 'bad', '', `${formatNumberOf(differences, 'difference', 'differences')} (${counts})`),
    ...examples.map((example) => line('bad', '', example)),
  ];
}

function objectiveTone(met: boolean | null): Tone {
  return met === null ? 'info' : met ? 'ok' : 'bad';
}

function line(tone: Tone, label: string, text: string): ReportLine {
  return { tone, label, text };
}
