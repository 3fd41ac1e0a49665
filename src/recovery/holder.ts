import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';

/** Who holds a lease: a process, told apart from every other one. */
export interface Holder {
  /** user@host, for people. */
  owner: string;
  host: string;
  pid: number;
  /** See LeaseClaim. */
  processStarted: string | null;
  processSpace: string | null;
}

/** The process that calls. */
export function thisProcess(): Holder {
  const host = hostname();
  return {
    owner: `${userName()}@${host}`,
    host,
    pid: process.pid,
    processStarted: statusOf(process.pid)?.started ?? null,
    processSpace: processSpace(),
  };
}

/**
 * Whether a holder's process is provably gone: it ran on this host, in the same boot and pid namespace, and its pid
 * belongs to nobody now, to a zombie, or to a process that started at another time.
 */
export function isGone(holder: Omit<Holder, 'owner'>): boolean {
  if (!isHere(holder)) return false;
  if (!exists(holder.pid)) return true;
  // Where /proc hides the processes of others, nothing is proven.
  const status = statusOf(holder.pid);
  if (status === null) return false;
  const isAnother = holder.processStarted !== null && status.started !== holder.processStarted;
  return isAnother || status.state === 'Z' || status.state === 'X';
}

/**
 * Whether a holder's process is provably stopped on this host, by SIGSTOP, Ctrl-Z or a debugger: it gives no sign of life,
 * and goes on in the middle of its work as soon as somebody wakes it.
 */
export function isStopped(holder: Omit<Holder, 'owner'>): boolean {
  if (!isHere(holder)) return false;
  const status = statusOf(holder.pid);
  if (status === null || (status.state !== 'T' && status.state !== 't')) return false;
  return holder.processStarted !== null && status.started === holder.processStarted;
}

/** Whether its pid counts here. */
function isHere({ host, processSpace: space }: Omit<Holder, 'owner'>): boolean {
  return host === hostname() && space === processSpace();
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** State and start time, fields 3 and 22 of proc_pid_stat(5): the name in field 2 may hold spaces and parentheses. */
function statusOf(pid: number): { state: string; started: string } | null {
  const stat = readOrNull(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const started = fields[19];
  return state === undefined || started === undefined ? null : { state, started };
}

/** Null where the system has no /proc: there are no pid namespaces then either. */
function processSpace(): string | null {
  const boot = readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());
  const namespace = readOrNull(() => readlinkSync('/proc/self/ns/pid'));
  return boot === null || namespace === null ? null : `${boot} ${namespace}`;
}

function userName(): string {
  // A container's user may have no entry in the list of users.
  return readOrNull(() => userInfo().username) ?? `uid-${process.getuid?.() ?? '?'}`;
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
