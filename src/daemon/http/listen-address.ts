import { isIPv6 } from 'node:net';

import { ExitCode, Failure } from '../../failure.js';

/** Where the daemon listens. */
export interface ListenAddress {
  host: string;
  /** 0 takes a free one. */
  port: number;
}

export const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 8787 };

export const LISTEN_EXPECTED = 'HOST:PORT, such as 127.0.0.1:8787, 0.0.0.0:8787 or [::1]:8787';

/** "127.0.0.1:8787" or "[::1]:8787"; null for what is neither. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text.trim());
  const [, v6, name, digits] = match ?? [];
  const port = Number(digits);
  if (match === null || port > 65_535) return null;
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : null;
  return { host: name as string, port };
}

export function isLoopback(host: string): boolean {
  return /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1' || host.toLowerCase() === 'localhost';
}

/** "[::1]:8787". */
export function formatListen({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A key that others can try from elsewhere must not be one that is guessed. */
const SHORTEST_KEY = 16;

/**
 * Refuses an address that others can reach while a read key is missing, or a key is short.
 *
 * @throws Failure (exit 2)
 */
export function refuseOpenListen(
  listen: ListenAddress,
  keys: { read: string | null; write: string | null },
): void {
  if (isLoopback(listen.host)) return;
  if (keys.read === null)
    throw refused(listen, 'others can reach it, and no read key is set', 'Set LIFEBOAT_READ_KEY');
  const [name] = Object.entries({ LIFEBOAT_READ_KEY: keys.read, LIFEBOAT_WRITE_KEY: keys.write }).find(
    ([, key]) => key !== null && key.length < SHORTEST_KEY,
  ) ?? [null];
  if (name !== null)
    throw refused(
      listen,
      `others can reach it, and ${name} is shorter than ${SHORTEST_KEY} characters`,
      `Set ${name}`,
    );
}

function refused(listen: ListenAddress, reason: string, what: string): Failure {
  return new Failure({
    operation: 'listen',
    subject: formatListen(listen),
    reason,
    hint: `${what} to a long random text, made with: openssl rand -hex 24. Or listen on 127.0.0.1 alone, or take --no-http.`,
    exitCode: ExitCode.usage,
    code: 'listen-without-keys',
  });
}
