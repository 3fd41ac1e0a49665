import { connect } from 'node:net';

export interface RedisAddress {
  host: string;
  port: number;
  password?: string | undefined;
}

/** What a Redis-protocol server said about itself. */
export interface RedisAnswer {
  /** It serves commands: not loading its data, and the password is right. */
  ready: boolean;
  /** The process that answered; null if it did not say. */
  pid: number | null;
}

/**
 * Asks the server at an address whether it is ready and which process it is. A raw socket, because a client library
 * would reconnect, queue and log where one question is all that is wanted.
 *
 * @param timeoutMs after this time without a whole answer the server counts as not ready
 */
export async function askRedis(address: RedisAddress, timeoutMs = 1000): Promise<RedisAnswer> {
  const text = await converse(address, [['PING'], ['INFO', 'server']], timeoutMs);
  const pid = /^process_id:(\d+)\r$/m.exec(text)?.[1];
  return { ready: /^\+PONG\r$/m.test(text), pid: pid === undefined ? null : Number(pid) };
}

/**
 * Turns the append-only file on in a server that runs. The server writes its whole data into it, in the background.
 *
 * @returns whether the server agreed within the time
 */
export async function turnAofOn(address: RedisAddress, timeoutMs = 10_000): Promise<boolean> {
  const text = await converse(address, [['CONFIG', 'SET', 'appendonly', 'yes']], timeoutMs);
  return !/^-/m.test(text) && text.endsWith('+OK\r\n+OK\r\n');
}

/** Says commands, then QUIT, and returns all that came back, in the wire format, until the end or the timeout. */
async function converse(address: RedisAddress, commands: string[][], timeoutMs: number): Promise<string> {
  const auth = address.password === undefined ? [] : [['AUTH', address.password]];
  const question = [...auth, ...commands, ['QUIT']].map((words) => encode(...words)).join('');
  return await new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: address.host, port: address.port });
    const finish = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, finish);
    socket.on('connect', () => socket.write(question));
    socket.on('data', (data: string) => (text += data));
    socket.on('end', finish);
    socket.on('error', finish);
  });
}

function encode(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('');
}
