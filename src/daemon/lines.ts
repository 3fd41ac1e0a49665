import { hangingLines } from '../report/hanging.js';
import type { DaemonEvent, JobTimes } from './events.js';

/**
 * What the daemon says, for people: each line with its time, UTC to the second.
 *
 * @param width columns of the terminal; Infinity where there is none
 */
export function daemonLines(event: DaemonEvent, at: Date, width = Infinity): string[] {
  const time = `${at.toISOString().slice(0, 19)}Z`;
  return textOf(event).flatMap((text) => {
    // Of a job's line the times stand beside its name.
    const [name = ''] = /^ {2}\w+ +/.exec(text) ?? [];
    return hangingLines(`${time} ${name}`, text.slice(name.length), width);
  });
}

function textOf(event: DaemonEvent): string[] {
  switch (event.type) {
    case 'daemon.started':
      return [
        `lifeboat ${event.version} daemon, process ${event.pid}, ${event.listen === null ? 'without HTTP' : `listening on http://${event.listen}`}`,
        ...event.jobs.map(jobLine),
      ];
    case 'state.anew':
      return [
        `What earlier runs left could not be read (${event.reason}); it lies in ${event.aside} now, and counting begins anew`,
      ];
    case 'state.unsaved':
      return [`What was done could not be written down: ${event.reason}`];
    case 'clock.jumped':
      return [
        `The clock was put ${event.seconds < 0 ? 'back' : 'forward'} by ${Math.abs(event.seconds)} s, or this machine slept; each job runs at most once for it`,
      ];
    case 'job.queued':
      return [`${event.job}: ${queuedFor(event)} (${event.id})`];
    case 'job.started':
      return [`${event.job}: started (${event.id})`];
    case 'job.finished':
      return [
        `${event.job}: ${event.outcome} after ${event.seconds.toFixed(1)} s: ${event.summary}; next ${shortTime(event.next)}`,
      ];
    case 'notice':
      return [event.message];
    case 'stopping':
      return [stoppingText(event)];
    case 'daemon.stopped':
      return [
        event.leftBehind === null ? 'stopped' : `${event.leftBehind} did not end in time and is left behind`,
      ];
  }
}

function jobLine({ job, says, lastEnd, lastSuccess, next }: JobTimes): string {
  if (next === null && says === 'off') return `  ${job.padEnd(6)}  off`;
  const success =
    lastSuccess === lastEnd || lastEnd === null ? '' : `, last success ${shortTime(lastSuccess)}`;
  return `  ${job.padEnd(6)}  ${says}; last ${shortTime(lastEnd)}${success}; next ${shortTime(next)}`;
}

function queuedFor(event: DaemonEvent & { type: 'job.queued' }): string {
  switch (event.for) {
    case 'due':
      return event.times > 1 ? `due ${event.times} times by now, runs once` : 'due';
    case 'missed':
      return `missed ${event.times === 1 ? 'once' : `${event.times} times`} while nobody was there, runs once now`;
    case 'retry':
      return 'tried again after it failed';
    case 'postponed':
      return 'tried again after it was postponed';
    case 'asked':
      return 'asked for';
  }
}

function stoppingText({ job, waitSeconds }: DaemonEvent & { type: 'stopping' }): string {
  if (job === null) return 'stopping';
  return `stopping: ${job} is at work and was asked to end; waiting up to ${waitSeconds} s for it. Again to end at once`;
}

/** "2026-11-21 06:00:00 UTC"; "never" for null. */
function shortTime(time: string | null): string {
  return time === null ? 'never' : `${time.slice(0, 19).replace('T', ' ')} UTC`;
}
