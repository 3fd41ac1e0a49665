import type { Failure } from '../../failure.js';

const LOCAL: ReadonlySet<string> = new Set([
  ...['scratch-full', 'scratch-unusable', 'sqlite-disk-full', 'sqlite-io', 'sqlite-denied', 'sqlite-missing'],
]);

/** Whether a failure speaks against the disk that a backup was unpacked to on this machine, and not against the backup. */
export function isLocalTrouble({ code }: Failure): boolean {
  return LOCAL.has(code);
}
