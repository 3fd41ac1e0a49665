import type { RunEvent, TimedEvent } from '../recovery/events.js';

const DOCUMENTED: Record<RunEvent['type'], true> = {
  'run.started': true,
  'phase.started': true,
  'phase.finished': true,
  finding: true,
  assessment: true,
  plans: true,
  'plan.chosen': true,
  'confirm.required': true,
  'confirm.accepted': true,
  'confirm.rejected': true,
  'fix.offered': true,
  'fix.started': true,
  resumed: true,
  'step.started': true,
  'step.progress': true,
  'step.finished': true,
  salvage: true,
  quarantine: true,
  check: true,
  comparison: true,
  notice: true,
  stopping: true,
  failure: true,
  summary: true,
};

/** Every type of event, as docs/json-output.md lists them. The compiler refuses a list that lacks one. */
export const RUN_EVENT_TYPES: readonly string[] = Object.keys(DOCUMENTED);

/**
 * Prints a run as one JSON object a line: each event with its time; last the summary, exactly as its type has it.
 * Nothing is written after the summary, so that "the last line" is always it.
 */
export function ndjsonView(write: (line: string) => void): (event: TimedEvent) => void {
  let ended = false;
  return (event) => {
    if (ended) return;
    if (event.type === 'summary') {
      ended = true;
      write(JSON.stringify({ ...event, time: undefined }));
      return;
    }
    const { type, time, ...rest } = event;
    write(JSON.stringify({ type, time, ...rest }));
  };
}
