import { connect } from 'node:tls';

/** What can be told of a port by knocking on it. */
export type Knock = 'tls' | 'no-tls' | 'closed';

/**
 * Whether a server speaks TLS, told by a handshake: one that goes through, and one that the server refuses in TLS's own
 * words, both say so. Nothing is sent over the connection, and no certificate is trusted by it.
 *
 * @param timeoutMs a server that takes the connection and says nothing by then does not speak TLS
 */
export function knock(address: { host: string; port: number }, timeoutMs = 2_000): Promise<Knock> {
  const { promise, resolve } = Promise.withResolvers<Knock>();
  let reached = false;
  const socket = connect({ ...address, rejectUnauthorized: false, timeout: timeoutMs });
  const done = (result: Knock): void => {
    socket.destroy();
    resolve(result);
  };
  socket.once('connect', () => (reached = true));
  socket.once('secureConnect', () => done('tls'));
  socket.once('timeout', () => done(reached ? 'no-tls' : 'closed'));
  socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => {
    const isAlert = /ALERT|UNSUPPORTED_PROTOCOL/.test(code);
    done(isAlert ? 'tls' : reached ? 'no-tls' : 'closed');
  });
  return promise;
}
