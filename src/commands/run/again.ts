import type { SessionOptions } from './session-options.js';

/** The command of a run as it can be given again, to which other options are added; those of no consequence are left out. */
export function againCommand({ command, request, recovery }: SessionOptions): string {
  const { plan, fix, confirm, dryRun } = request;
  const parts = [
    `lifeboat ${command}`,
    command === 'recover' ? plan : null,
    recovery.only === null ? null : `--only ${recovery.only}`,
    recovery.always && command === 'repair' ? '--always' : null,
    dryRun ? '--dry-run' : null,
    fix || command === 'validate' ? '--fix' : null,
    confirm === null ? null : `--confirm ${confirm}`,
  ];
  return parts.filter((part) => part !== null).join(' ');
}
