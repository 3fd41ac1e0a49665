import { ExitCode } from '../../failure.js';
import { formatBytes, formatDuration } from '../../report/format.js';
import type { BackupPreview, Check } from './create-dry-run.js';

/** What a dry run is to scripts. Fields are only ever added. */
export function previewRecord(preview: BackupPreview): object {
  const { timestamp, only, encrypted, checks, counts, estimate, files, exitCode, source } = preview;
  return {
    type: 'backup-dry-run',
    ...(source === undefined ? {} : { kind: 'sqlite', store: source.slice('sqlite:'.length) }),
    ...{ timestamp, outcome: exitCode === ExitCode.done ? 'ready' : 'not-ready', exitCode, only, encrypted },
    ...counts,
    estimate: { ...estimate, seconds: Math.round(estimate.seconds * 10) / 10 },
    files,
    checks: checks.map(({ check, subject, says, failure, warning }) => ({
      ...{ check, subject, ok: failure === null, warning: warning === true, says: failure?.reason ?? says },
      failure: failure === null ? null : { code: failure.code, message: failure.message, hint: failure.hint },
    })),
  };
}

/** What a dry run is to people; what to do of what failed is told apart. */
export function previewLines({ checks, estimate, files, exitCode, source }: BackupPreview): string[] {
  const { bytes, seconds, from } = estimate;
  const by = from === null ? 'roughly: there is none yet to go by' : `by that of ${from}`;
  const places = checks.filter(({ check }) => check === 'place').map(({ subject }) => subject);
  return [
    'Dry run: nothing is written.',
    ...checks.map(checkLine),
    `A backup of now would take ${formatBytes(bytes)} and ${formatDuration(seconds)}, ${by}. In ${places.join(' and ')}:`,
    ...files.map((path) => `    ${path}`),
    exitCode === ExitCode.done
      ? `Nothing is in its way: lifeboat backup create${source === undefined ? '' : ` --source ${source}`}`
      : 'It would not be made, or not be whole, as things are.',
  ];
}

function checkLine({ check, subject, says, failure, warning }: Check): string {
  const name = check === 'place' ? '' : `${check} `;
  if (failure !== null) return `  ✗ ${name}${subject}: ${failure.reason}`;
  return `  ${warning === true ? '!' : '✓'} ${name}${subject}: ${says}`;
}
