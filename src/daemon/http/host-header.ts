import { isLoopback } from './listen-address.js';

/**
 * Whether a request to the loopback address names a loopback host. A web page that has its own name point to 127.0.0.1
 * (DNS rebinding) sends that name, and is turned away.
 *
 * @param header the Host header; undefined where there is none
 */
export function isLoopbackHost(header: string | undefined): boolean {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+))(?::\d{1,5})?$/.exec(header ?? '');
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && isLoopback(host);
}
