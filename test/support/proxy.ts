import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect } from 'node:net';

/** What a rule does when its text passes: `hold` keeps it back until the work is done, `cut` breaks the connection. */
export type ProxyAction = () => Promise<unknown> | undefined;

interface Rule {
  text: RegExp;
  /** Passes that are let through before the rule acts. */
  skip: number;
  action: ProxyAction;
}

/** A connection in between: real engines, and faults at an exact moment. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** Everything that clients sent, as Latin-1. */
  sent(): string;
  /** The next time that a client sends this text, it is held back until the work is done; once. */
  when(text: RegExp, action: ProxyAction, skip?: number): void;
  /** Breaks every connection and takes no more. */
  cut(): void;
  /** Breaks every connection, and takes new ones. */
  drop(): void;
  /** From now on, until connections are dropped, no answer is passed on. */
  mute(): void;
  /** From now on nothing is passed on, and nobody is told. */
  freeze(): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of a server on the loopback address. */
export async function startProxy(target: { host: string; port: number }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const rules: Rule[] = [];
  const record: string[] = [];
  let frozen = false;
  let muted = false;
  const mayPass = (): boolean => !frozen;
  const passOn = async (chunk: Buffer): Promise<void> => {
    const text = chunk.toString('latin1');
    record.push(text);
    for (const rule of [...rules]) {
      if (!rule.text.test(text)) continue;
      if (rule.skip-- > 0) continue;
      rules.splice(rules.indexOf(rule), 1);
      await rule.action();
    }
  };
  const server: Server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Cutting connections is what a proxy of this kind is for.
      socket.on('error', () => undefined);
      socket.setNoDelay(true);
    }
    let order = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      order = order.then(async () => {
        if (!mayPass()) return;
        await passOn(chunk);
        if (mayPass() && !upstream.destroyed) upstream.write(chunk);
      });
    });
    upstream.on('data', (chunk: Buffer) => {
      if (mayPass() && !muted && !client.destroyed) client.write(chunk);
    });
    client.on('close', () => {
      if (mayPass()) upstream.destroy();
    });
    upstream.on('close', () => {
      if (mayPass()) client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    sent: () => record.join(''),
    when: (text, action, skip = 0) => void rules.push({ text, action, skip }),
    cut: () => {
      server.close();
      end();
    },
    drop: () => {
      muted = false;
      end();
      sockets.clear();
    },
    mute: () => void (muted = true),
    freeze: () => void (frozen = true),
    stop: async () => {
      end();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
